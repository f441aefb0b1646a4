//! Find the runs below a folder, and say of each where it stands, without reading weights or chains.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::dir::{METRICS, is_run};
use super::disk_usage::DiskUsage;
use super::last_metrics::LastMetrics;
use super::lock::is_in_use;
use crate::checkpoint::{self, CHECKPOINTS, CheckpointError};
use crate::config::Config;
use crate::error::TrainError;
use crate::state::{DataSummary, STATE};

/// The run directories below a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundRuns {
    /// The directories, sorted.
    pub runs: Vec<PathBuf>,
    /// Folders that cannot be looked into, sorted.
    pub unreadable: Vec<PathBuf>,
}

impl FoundRuns {
    /// Look for runs in `folder`, itself included, at any depth, also inside of other runs. Hidden folders and
    /// symbolic links are left out.
    ///
    /// # Errors
    /// [`TrainError::Read`] where `folder` is not there, is no folder or cannot be read.
    pub fn below(folder: &Path) -> Result<Self, TrainError> {
        let mut found = Self::default();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            let is_run = is_run(&next);
            match folders_in(&next) {
                Ok(mut below) => {
                    below.retain(|it| !(is_run && it.ends_with(CHECKPOINTS)));
                    folders.extend(below);
                }
                Err(_) if is_run => {} // which is what is wrong with it
                Err(cause) if next == folder => return Err(TrainError::reading(folder)(cause)),
                Err(_) => found.unreadable.push(next.clone()),
            }
            if is_run {
                found.runs.push(next);
            }
        }
        found.runs.sort_unstable();
        found.unreadable.sort_unstable();
        Ok(found)
    }
}

/// The folders directly in a folder that are neither hidden nor links.
fn folders_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !is_hidden && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

/// What a run is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// A process trains it.
    Training,
    /// Its checkpoint is of the last iteration planned.
    Finished,
    /// It can go on from its checkpoint.
    Stopped,
    /// It has learned nothing that was written.
    NoCheckpoint,
    /// Its configuration or its newest checkpoint cannot be read, or its checkpoints are gone.
    Damaged {
        /// What is wrong, with the file.
        problem: String,
    },
}

impl RunState {
    /// In a word or two.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::NoCheckpoint => "no checkpoint",
            Self::Damaged { .. } => "damaged",
        }
    }
}

/// What the directory of a run tells of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    /// The directory.
    pub path: PathBuf,
    /// What the run is doing.
    pub state: RunState,
    /// Iterations done: up to the checkpoint from which the run goes on, or, while it trains, up to the last line
    /// of metrics; 0 of a damaged run.
    pub iteration: u64,
    /// Iterations planned; `None` of a damaged run.
    pub iterations: Option<u64>,
    /// The last metrics.
    pub metrics: LastMetrics,
    /// When a file of the run was last written; `None` where the file system does not say.
    pub last_write: Option<SystemTime>,
    /// Bytes of all files in the directory.
    pub size_bytes: u64,
}

impl RunSummary {
    /// Look at the directory of a run. Whatever cannot be read there makes it a damaged one, or is left out.
    pub fn of(run_dir: &Path) -> Self {
        let metrics = LastMetrics::read(&run_dir.join(METRICS)).unwrap_or_default();
        let progress = Progress::of(run_dir, metrics.iteration.unwrap_or(0));
        let Progress {
            state,
            iteration,
            iterations,
        } = progress.unwrap_or_else(|error| Progress::unknown(&error));
        let usage = DiskUsage::of(run_dir);
        Self {
            path: run_dir.to_owned(),
            state,
            iteration,
            iterations,
            metrics,
            last_write: usage.last_write,
            size_bytes: usage.bytes,
        }
    }
}

/// How far a run is.
struct Progress {
    state: RunState,
    iteration: u64,
    iterations: Option<u64>,
}

impl Progress {
    /// That of a run whose last line of metrics is of iteration `logged`.
    fn of(run_dir: &Path, logged: u64) -> Result<Self, TrainError> {
        let is_training = is_in_use(run_dir)?;
        let config = Config::of_run(run_dir)?.ok_or_else(|| TrainError::NotARun {
            path: run_dir.to_owned(),
        })?;
        let latest = checkpoint::latest(run_dir)?;
        let saved = latest.as_deref().and_then(checkpoint::step_at);
        if let Some(latest) = &latest
            && !is_training
            && let Err(error) = check(latest)
            && !is_in_use(run_dir)?
        {
            return Err(error.into());
        }
        let planned = config.iterations as u64;
        let (state, iteration) = match saved {
            _ if is_training => (RunState::Training, logged.max(saved.unwrap_or(0))),
            None => (RunState::NoCheckpoint, 0),
            Some(step) if step >= planned => (RunState::Finished, step),
            Some(step) => (RunState::Stopped, step),
        };
        Ok(Self {
            state,
            iteration,
            iterations: Some(planned),
        })
    }

    fn unknown(error: &TrainError) -> Self {
        let problem = error.to_string();
        Self {
            state: RunState::Damaged { problem },
            iteration: 0,
            iterations: None,
        }
    }
}

/// Check that a checkpoint is whole, as far as can be told without its arrays.
fn check(checkpoint_dir: &Path) -> Result<(), CheckpointError> {
    let outline = checkpoint::read_outline(checkpoint_dir, &[STATE])?;
    DataSummary::of_checkpoint(&outline).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fake::FakeRun;
    use crate::run::lock::DirLock;

    fn found(root: &Path) -> Vec<String> {
        let found = FoundRuns::below(root).expect("a folder");
        assert_eq!(found.unreadable, Vec::<PathBuf>::new());
        let names = found.runs.iter().map(|run| {
            let name = run.strip_prefix(root).expect("below the root");
            name.display().to_string()
        });
        names.collect()
    }

    #[test]
    fn runs_are_found_at_any_depth_and_in_a_run_but_not_in_a_hidden_folder() {
        let root = tempfile::tempdir().expect("a folder");
        for name in ["b", "a/deep/er", ".hidden/run", "b/in/side"] {
            FakeRun::at(&root.path().join(name), 10);
        }
        fs::create_dir_all(root.path().join("empty/folder")).expect("folders");
        // A recipe of another program is no run.
        fs::create_dir(root.path().join("recipe")).expect("a folder");
        fs::write(root.path().join("recipe/config.toml"), "").expect("written");
        assert_eq!(found(root.path()), ["a/deep/er", "b", "b/in/side"]);
        let from_inside = ["", "in/side"]; // the run itself first
        assert_eq!(found(&root.path().join("b")), from_inside);
        assert_eq!(found(&root.path().join("b/checkpoints")), [""; 0]);
    }

    #[test]
    #[cfg(unix)]
    fn links_are_not_followed_and_folders_that_are_closed_are_named() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let [root, other] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        FakeRun::at(&other.path().join("run"), 10);
        symlink(other.path(), root.path().join("link")).expect("a link");
        symlink(root.path(), root.path().join("circle")).expect("a link");
        assert_eq!(found(root.path()), [""; 0]);

        let closed = root.path().join("closed");
        fs::create_dir(&closed).expect("a folder");
        let set_mode = |mode| fs::set_permissions(&closed, fs::Permissions::from_mode(mode));
        set_mode(0o000).expect("its owner may");
        let is_closed = fs::read_dir(&closed).is_err(); // to root nothing is
        let found = FoundRuns::below(root.path()).expect("a folder");
        set_mode(0o700).expect("its owner may");
        assert_eq!(found.unreadable.contains(&closed), is_closed);
    }

    #[test]
    fn a_folder_that_is_not_there_and_a_file_are_refused_by_name() {
        let root = tempfile::tempdir().expect("a folder");
        fs::write(root.path().join("file"), "").expect("written");
        for name in ["nowhere", "file"] {
            let path = root.path().join(name);
            let message = FoundRuns::below(&path).expect_err("refused").to_string();
            let start = format!("cannot read {}: ", path.display());
            assert!(message.starts_with(&start), "{message}");
        }
    }

    #[test]
    fn a_state_is_that_of_the_checkpoint_from_which_a_run_goes_on() {
        let dir = tempfile::tempdir().expect("a folder");
        let run = FakeRun::at(dir.path(), 40);
        let line = "{\"iteration\":35,\"loss\":0.5}\n";
        fs::write(dir.path().join(METRICS), line).expect("written");
        let told = || {
            let told = RunSummary::of(dir.path());
            assert_eq!((told.iterations, told.metrics.loss), (Some(40), Some(0.5)));
            (told.state.name(), told.iteration)
        };
        assert_eq!(told(), ("no checkpoint", 0));
        run.save(30);
        assert_eq!(told(), ("stopped", 30));
        let held = DirLock::take(dir.path()).expect("nobody trains there");
        assert_eq!(told(), ("training", 35));
        drop(held);
        assert_eq!(told(), ("stopped", 30));
        run.save(40);
        assert_eq!(told(), ("finished", 40));
    }

    #[test]
    fn looking_at_a_run_writes_nothing_and_counts_its_files() {
        let dir = tempfile::tempdir().expect("a folder");
        FakeRun::at(dir.path(), 40);
        let told = RunSummary::of(dir.path());
        let config = fs::metadata(dir.path().join("config.toml")).expect("a file");
        assert_eq!(told.size_bytes, config.len());
        assert_eq!(told.last_write, config.modified().ok());
        let mut entries = fs::read_dir(dir.path()).expect("a folder");
        assert!(entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() != *".lock")));
    }

    #[test]
    fn what_cannot_be_read_makes_a_run_a_damaged_one_and_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let run = FakeRun::at(dir.path(), 40);
        run.save(30);
        let problem = || match RunSummary::of(dir.path()).state {
            RunState::Damaged { problem } => problem,
            other => panic!("{other:?}"),
        };
        let checkpoint = dir.path().join("checkpoints/step_000030");
        for file in ["manifest.json", "state.json", "model.safetensors"] {
            let whole = fs::read(checkpoint.join(file)).expect("a file");
            fs::write(checkpoint.join(file), "{}").expect("written");
            assert!(problem().contains(file), "{}", problem());
            fs::remove_file(checkpoint.join(file)).expect("removed");
            assert!(problem().contains(file), "{}", problem());
            fs::write(checkpoint.join(file), whole).expect("written");
        }
        assert_eq!(RunSummary::of(dir.path()).state, RunState::Stopped);
        fs::remove_dir_all(&checkpoint).expect("removed");
        assert!(problem().contains("step_000030"), "{}", problem());
        fs::write(dir.path().join("config.toml"), "iterations = 40").expect("written");
        assert!(problem().contains("config.toml is not"), "{}", problem());
        assert_eq!(RunSummary::of(dir.path()).iterations, None);
    }
}
