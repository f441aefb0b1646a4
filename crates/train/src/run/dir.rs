//! Own the directory of a run: refuse what is not one, lock it, and hold it to its configuration.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use ebm_model::EnergyModel;

use crate::checkpoint::atomic_file::write_atomically;
use crate::checkpoint::{self, CheckpointError};
use crate::config::Config;
use crate::error::TrainError;
use crate::state::{Persist, TrainState};

/// A run directory that no other process writes to.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    _lock: File,
}

impl RunDir {
    /// Open the directory of a new run, or of one that goes on with the same configuration.
    ///
    /// # Errors
    /// Where the directory belongs to something else, to another process, or to a run with another
    /// configuration (unless `force`), or cannot be written. Nothing is written over.
    pub fn open(path: &Path, config: &Config, force: bool) -> Result<Self, TrainError> {
        let config_file = path.join("config.toml");
        if config_file.exists() {
            refuse_changes(path, &config_file, config, force)?;
        } else if path.exists() && !is_unused(path)? {
            return Err(TrainError::NotARun {
                path: path.to_owned(),
            });
        }
        fs::create_dir_all(path.join("samples")).map_err(TrainError::writing(path))?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock(path)?,
        })
    }

    /// Write `config` as the configuration of the run, once everything that may refuse it has not.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn adopt(&self, config: &Config) -> Result<(), TrainError> {
        let file = self.path.join("config.toml");
        let written = write_atomically(&file, config.to_toml().as_bytes());
        written.map_err(TrainError::writing(&file))
    }

    /// Write a state as the checkpoint of its iteration, and remove those that are not kept.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn save<M: EnergyModel, S: Persist>(
        &self,
        config: &Config,
        state: &TrainState<M, S>,
    ) -> Result<PathBuf, CheckpointError> {
        let mut files = vec![("config.toml", config.to_toml().into_bytes())];
        files.extend(state.to_files());
        let keep = config.output.keep_checkpoints;
        checkpoint::write(&self.path, state.iteration, &files, keep)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of metrics.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// The sample grid of an iteration.
    pub fn samples(&self, step: u64) -> PathBuf {
        self.path
            .join("samples")
            .join(format!("step_{step:06}.png"))
    }
}

/// Hold a run to the configuration that its directory names, unless `force`.
fn refuse_changes(
    path: &Path,
    config_file: &Path,
    config: &Config,
    force: bool,
) -> Result<(), TrainError> {
    let old = fs::read_to_string(config_file).map_err(TrainError::writing(config_file))?;
    let old = Config::parse(&old, &config_file.display().to_string())?;
    let changes = config.changes_from(&old);
    if changes.is_empty() || force {
        return Ok(());
    }
    Err(TrainError::ConfigChanged {
        path: path.to_owned(),
        changes,
    })
}

/// Whether the directory holds nothing but the files of a run that ended before its configuration was
/// written.
fn is_unused(path: &Path) -> Result<bool, TrainError> {
    const LEFT_BEHIND: [&str; 3] = [".lock", "samples", "config.toml.tmp"];
    let mut entries = fs::read_dir(path).map_err(TrainError::writing(path))?;
    Ok(entries.all(|entry| {
        entry.is_ok_and(|entry| LEFT_BEHIND.iter().any(|own| entry.file_name() == *own))
    }))
}

fn lock(path: &Path) -> Result<File, TrainError> {
    let file = path.join(".lock");
    let lock = File::create(&file).map_err(TrainError::writing(&file))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(TrainError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(TrainError::writing(&file)(source)),
    }
}
