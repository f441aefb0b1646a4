//! Read the configuration that a run directory holds, whole or not at all.

use std::path::Path;

use toml::Table;

use super::error::ConfigError;
use super::settings::Config;
use crate::checkpoint;

impl Config {
    /// The configuration of the run in a directory; `None` where there is no run.
    ///
    /// # Errors
    /// Where it cannot be read, or is not what a run writes: keys that are not there would silently be
    /// the default's.
    pub fn of_run(dir: &Path) -> Result<Option<Self>, ConfigError> {
        let path = dir.join("config.toml");
        if !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        let read = text.and_then(|text| {
            whole(&text)?;
            Self::parse(&text, "it").map_err(|error| error.to_string())
        });
        let damaged = |problem| ConfigError::DamagedRun {
            path,
            problem,
            copy: copy_of(dir),
        };
        read.map(Some).map_err(damaged)
    }
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
    let table = text.parse::<Table>().map_err(|error| error.to_string())?;
    match ALWAYS_WRITTEN.iter().find(|key| !table.contains_key(**key)) {
        Some(missing) => Err(format!("it lacks `{missing}`")),
        None => Ok(()),
    }
}

/// The copy in the latest checkpoint.
fn copy_of(dir: &Path) -> Option<std::path::PathBuf> {
    let copy = checkpoint::latest(dir).ok()??.join("config.toml");
    copy.exists().then_some(copy)
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
        std::fs::write(&path, &text).expect("written");
        assert_eq!(
            Config::of_run(dir.path()).expect("whole"),
            Some(Config::default())
        );
        for cut in [0, text.len() / 3, text.find("[output]").expect("a section")] {
            std::fs::write(&path, &text[..cut]).expect("written");
            let message = Config::of_run(dir.path()).expect_err("cut").to_string();
            assert!(message.contains("config.toml is not"), "{message}");
        }
    }
}
