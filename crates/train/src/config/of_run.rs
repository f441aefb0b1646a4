//! Read the configuration that a run directory holds, or the copy of it in the newest checkpoint.

use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

use super::error::ConfigError;
use super::settings::Config;
use crate::checkpoint;

/// The file of the configuration, in a run directory and in each of its checkpoints.
const CONFIG: &str = "config.toml";

impl Config {
    /// The configuration of the run in a directory; `None` where there is no run. Where `config.toml` is
    /// missing, or damaged so that no configuration can be read from it, it is the copy in the newest checkpoint.
    ///
    /// # Errors
    /// Where it cannot be read, or is not what a run writes, and there is no copy: keys that are not there would
    /// silently be the default's. Where it is whole and has an impossible value, whether there is a copy or not.
    pub fn of_run(dir: &Path) -> Result<Option<Self>, ConfigError> {
        Ok(RunConfig::find(dir)?.map(|found| found.config))
    }
}

/// The configuration of a run, and where it was found.
#[derive(Debug)]
pub(crate) struct RunConfig {
    pub(crate) config: Config,
    /// The copy that has taken the place of `config.toml`.
    pub(crate) copied: Option<Copied>,
}

/// A copy in the place of `config.toml`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    /// The copy.
    pub(crate) from: PathBuf,
    /// What is wrong with the file; `None` where it is missing.
    pub(crate) damage: Option<String>,
}

/// What is wrong with a file that should hold a configuration.
enum Problem {
    /// No configuration can be read from it.
    Damage(String),
    /// It cannot be opened, or somebody has edited it and made a mistake.
    Mistake(String),
}

impl RunConfig {
    /// Whether a directory holds the configuration of a run, or a copy of it.
    pub(crate) fn exists(dir: &Path) -> bool {
        dir.join(CONFIG).exists() || copy_of(dir).is_some()
    }

    /// [`Config::of_run`], with the copy that was taken.
    pub(crate) fn find(dir: &Path) -> Result<Option<Self>, ConfigError> {
        let path = dir.join(CONFIG);
        let damage = match read(&path) {
            Ok(Some(config)) => {
                let copied = None;
                return Ok(Some(Self { config, copied }));
            }
            Ok(None) => None,
            Err(Problem::Damage(damage)) => Some(damage),
            Err(Problem::Mistake(problem)) => {
                let copy = copy_of(dir);
                return Err(damaged(path, problem, copy));
            }
        };
        match (copy_of(dir), damage) {
            (None, None) => Ok(None),
            (None, Some(problem)) => Err(damaged(path, problem, None)),
            (Some(from), damage) => Ok(Some(Self {
                config: of_copy(&from)?,
                copied: Some(Copied { from, damage }),
            })),
        }
    }
}

fn damaged(path: PathBuf, problem: String, copy: Option<PathBuf>) -> ConfigError {
    ConfigError::DamagedRun {
        path,
        problem,
        copy,
    }
}

/// The copy in the newest checkpoint.
fn copy_of(dir: &Path) -> Option<PathBuf> {
    let copy = checkpoint::latest(dir).ok()??.join(CONFIG);
    copy.exists().then_some(copy)
}

/// The configuration in a copy, which has to be whole.
fn of_copy(path: &Path) -> Result<Config, ConfigError> {
    let problem = match read(path) {
        Ok(Some(config)) => return Ok(config),
        Ok(None) => "it is gone".to_owned(),
        Err(Problem::Damage(problem) | Problem::Mistake(problem)) => problem,
    };
    Err(damaged(path.to_owned(), problem, None))
}

/// The configuration in a file; `None` where there is no file.
fn read(path: &Path) -> Result<Option<Config>, Problem> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = fs::read(path).map_err(|error| Problem::Mistake(error.to_string()))?;
    let no_text = |_| Problem::Damage("it is not text in UTF-8".to_owned());
    let text = String::from_utf8(bytes).map_err(no_text)?;
    whole(&text).map_err(Problem::Damage)?;
    let config = Config::parse(&text, "it");
    config
        .map(Some)
        .map_err(|error| Problem::Mistake(error.to_string()))
}

/// What every version of this program writes, the last section included.
const ALWAYS_WRITTEN: [&str; 8] = [
    "iterations",
    "batch_size",
    "model",
    "langevin",
    "buffer",
    "data",
    "optimizer",
    "output",
];

/// Refuse a text that lacks a key or a section of those that every run writes.
fn whole(text: &str) -> Result<(), String> {
    let in_a_line = |error: toml::de::Error| error.to_string().trim().replace('\n', " ");
    let table = text.parse::<Table>().map_err(in_a_line)?;
    match ALWAYS_WRITTEN.iter().find(|key| !table.contains_key(**key)) {
        Some(missing) => Err(format!("it lacks `{missing}`")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_was_cut_short_is_not_filled_up_with_defaults() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(Config::of_run(dir.path()).expect("no run"), None);
        let text = Config::default().to_toml();
        let path = dir.path().join("config.toml");
        fs::write(&path, &text).expect("written");
        assert_eq!(
            Config::of_run(dir.path()).expect("whole"),
            Some(Config::default())
        );
        for cut in [0, text.len() / 3, text.find("[output]").expect("a section")] {
            fs::write(&path, &text[..cut]).expect("written");
            let message = Config::of_run(dir.path()).expect_err("cut").to_string();
            assert!(message.contains("config.toml is not"), "{message}");
        }
    }

    /// A run that has the checkpoints 1 and 2 and no configuration of its own, and that of checkpoint 2.
    fn run_of_copies() -> (tempfile::TempDir, Config) {
        let dir = tempfile::tempdir().expect("a folder");
        let [_, newest] = [1, 2].map(|step| {
            let config = Config {
                iterations: 100 * step as usize,
                ..Config::default()
            };
            let files = [(CONFIG, config.to_toml().into_bytes())];
            checkpoint::write(dir.path(), step, &files, 2).expect("written");
            config
        });
        (dir, newest)
    }

    #[test]
    fn a_copy_takes_the_place_of_a_file_that_is_missing_or_no_configuration() {
        let (dir, newest) = run_of_copies();
        let copy = dir.path().join("checkpoints/step_000002/config.toml");
        assert!(RunConfig::exists(dir.path()));
        let found = || {
            let found = RunConfig::find(dir.path()).expect("a copy");
            let RunConfig { config, copied } = found.expect("a run");
            assert_eq!(config, newest);
            let copied = copied.expect("a copy");
            assert_eq!(copied.from, copy);
            copied.damage
        };
        assert_eq!(found(), None);
        let text = Config::default().to_toml();
        for damaged in [
            &b"\xff\xfe"[..],
            b"",
            b"iterations = 1 = 2",
            b"[server]\nport = 80\n",
            &text.as_bytes()[..text.len() / 3],
        ] {
            fs::write(dir.path().join(CONFIG), damaged).expect("written");
            let damage = found().expect("damage");
            assert!(!damage.contains('\n'), "{damage}");
        }
    }

    #[test]
    fn a_file_that_was_edited_is_no_damaged_one() {
        let (dir, _) = run_of_copies();
        let path = dir.path().join(CONFIG);
        let text = Config::default().to_toml();
        let edited = text.replace("batch_size = 64", "batch_size = 16 # less memory");
        fs::write(&path, edited).expect("written");
        let found = RunConfig::find(dir.path()).expect("valid");
        let found = found.expect("a run");
        assert_eq!((found.config.batch_size, found.copied), (16, None));
        for mistake in [
            text.replace("batch_size = 64", "batch_size = 0"),
            format!("epochs = 3\n{text}"),
        ] {
            fs::write(&path, mistake).expect("written");
            let message = RunConfig::find(dir.path()).expect_err("refused");
            let message = message.to_string();
            assert!(
                message.contains("checkpoints/step_000002/config.toml over it"),
                "{message}"
            );
        }
    }
}
