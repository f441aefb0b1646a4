//! Own the directory of a run: refuse what is not one, lock it, and hold it to its configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ebm_model::EnergyModel;

use super::lock::{DirLock, LOCK};
use super::ranks::agreed;
use super::unused::is_unused;
use crate::checkpoint::atomic_file::{ensure_dir, write_atomically};
use crate::checkpoint::{self, CHECKPOINTS, Retention};
use crate::collective::Team;
use crate::config::{Config, Copied, RunConfig};
use crate::error::TrainError;
use crate::state::{Identity, Persist, TrainState};

const CONFIG: &str = "config.toml";
/// What is left of a damaged configuration, once another one has taken its place.
const DAMAGED: &str = "config.toml.damaged";
/// The file of metrics.
pub(super) const METRICS: &str = "metrics.jsonl";

/// A run directory that no other process writes to.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// `None` on other ranks than the first, which has it for all.
    lock: Option<DirLock>,
    /// The folders that were made for a run that may still be refused, the innermost first.
    made: Vec<PathBuf>,
    is_adopted: AtomicBool,
    /// Whether the configuration is damaged, and is to be put aside.
    is_damaged: AtomicBool,
}

impl RunDir {
    /// Open the directory of a new run, or of one that goes on with the same configuration. Where its own is
    /// lost or damaged, that is the copy in its newest checkpoint, with a warning.
    ///
    /// # Errors
    /// Where the directory belongs to something else, to another process, or to a run that has learned
    /// under another configuration (unless `force`), or cannot be written. Nothing is written over.
    pub fn open(path: &Path, config: &Config, force: bool) -> Result<Self, TrainError> {
        if checkpoint::is_whole(path) {
            return Err(TrainError::IsACheckpoint {
                path: path.to_owned(),
            });
        }
        let is_run = RunConfig::exists(path);
        if !is_run && path.exists() && !is_unused(path)? {
            return Err(TrainError::NotARun {
                path: path.to_owned(),
            });
        }
        let missing = path.ancestors().take_while(|folder| !folder.exists());
        let made: Vec<_> = missing.map(Path::to_owned).collect();
        fs::create_dir_all(path).map_err(TrainError::writing(path))?;
        let dir = Self {
            path: path.to_owned(),
            lock: Some(DirLock::take(path)?),
            made,
            is_adopted: AtomicBool::new(is_run),
            is_damaged: AtomicBool::new(false),
        };
        // What the run is held to cannot change any more.
        let Some(found) = RunConfig::find(path)? else {
            return Ok(dir);
        };
        if let Some(copied) = &found.copied {
            warn_of_copy(path, copied);
            let is_damaged = copied.damage.is_some();
            dir.is_damaged.store(is_damaged, Ordering::Relaxed);
        }
        if !force {
            refuse_changes(path, &found.config, config)?;
        }
        Ok(dir)
    }

    /// The directory that the first rank of a job has opened, for another one.
    pub(super) fn follow(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            lock: None,
            made: Vec::new(),
            is_adopted: AtomicBool::new(true),
            is_damaged: AtomicBool::new(false),
        }
    }

    /// Write `config` as the configuration of the run, once everything that may refuse it has not. A damaged
    /// one is put aside.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn adopt(&self, config: &Config) -> Result<(), TrainError> {
        self.check_there()?;
        let file = self.path.join(CONFIG);
        if self.is_damaged.swap(false, Ordering::Relaxed) {
            let aside = self.path.join(DAMAGED);
            fs::rename(&file, &aside).map_err(TrainError::writing(&aside))?;
        }
        let written = write_atomically(&file, config.to_toml().as_bytes());
        written.map_err(TrainError::writing(&file))?;
        self.is_adopted.store(true, Ordering::Relaxed);
        let samples = self.path.join("samples");
        ensure_dir(&samples).map_err(TrainError::writing(&samples))
    }

    /// Refuse to go on where the directory that was opened is gone, or another one is in its place.
    pub(super) fn check_there(&self) -> Result<(), TrainError> {
        let Some(lock) = &self.lock else {
            return Ok(()); // the first rank looks
        };
        let is_there = match self.path.join(LOCK).try_exists() {
            Ok(true) => lock.is_in(&self.path),
            // Somebody may have tidied a hidden file away.
            Ok(false) => self.path.join(CONFIG).exists(),
            // What cannot be looked at is for those who write to report.
            Err(_) => true,
        };
        if is_there {
            return Ok(());
        }
        Err(TrainError::Gone {
            path: self.path.clone(),
        })
    }

    /// Write a state as the checkpoint of its iteration, and remove those that are not kept. The last one
    /// from before anything went wrong is, and the best one where the run keeps it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn save<M: EnergyModel, S: Persist>(
        &self,
        config: &Config,
        state: &TrainState<M, S>,
    ) -> Result<PathBuf, TrainError> {
        self.save_together(config, state, &Team::alone(config.shards))
    }

    /// The same by all ranks of a job, which then all have the error of any.
    pub(super) fn save_together<M: EnergyModel, S: Persist>(
        &self,
        config: &Config,
        state: &TrainState<M, S>,
        team: &Team,
    ) -> Result<PathBuf, TrainError> {
        agreed(team, self.check_there())?;
        let mut files = Vec::new();
        if team.is_first() {
            files.push((CONFIG.to_owned(), config.to_toml().into_bytes()));
            files.extend(state.to_common_files());
        }
        files.extend(state.to_shard_files());
        let retention = Retention {
            keep: config.output.keep_checkpoints,
            every: config.output.checkpoint_every as u64,
            good_until: Some(state.watch.good_until(state.iteration)),
            best: state.best.as_ref().map(|best| best.iteration),
        };
        let step = state.iteration;
        Ok(checkpoint::write_and_retain(
            &self.path, step, &files, retention, team,
        )?)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of metrics.
    pub fn metrics(&self) -> PathBuf {
        self.path.join(METRICS)
    }

    /// The sample grid of an iteration.
    pub fn samples(&self, step: u64) -> PathBuf {
        self.path
            .join("samples")
            .join(format!("step_{step:06}.png"))
    }
}

/// A run that was refused leaves nothing behind.
impl Drop for RunDir {
    fn drop(&mut self) {
        if self.is_adopted.load(Ordering::Relaxed) {
            return;
        }
        let _ = fs::remove_file(self.path.join(LOCK));
        for folder in &self.made {
            let _ = fs::remove_dir(folder); // unless somebody has put something there
        }
    }
}

/// Hold a run that has learned something to the configuration that its directory names.
fn refuse_changes(path: &Path, old: &Config, config: &Config) -> Result<(), TrainError> {
    let mut changes = config.changes_from(old);
    let moved = config.moved_data(old);
    if (changes.is_empty() && moved.is_none()) || checkpoint::latest(path)?.is_none() {
        return Ok(());
    }
    // A checksum tells the run's own data, wherever they are.
    if let Some([before, now]) = moved
        && Identity::of_run(path)?.is_none()
    {
        changes.push(format!("data.dir: {before:?} → {now:?}"));
    }
    if changes.is_empty() {
        return Ok(());
    }
    Err(TrainError::ConfigChanged {
        path: path.to_owned(),
        changes,
    })
}

fn warn_of_copy(run_dir: &Path, copied: &Copied) {
    let (file, copy) = (run_dir.join(CONFIG), copied.from.display());
    let file = file.display();
    match &copied.damage {
        None => tracing::warn!("{file} is missing; {copy} takes its place"),
        Some(damage) => tracing::warn!(
            "{file} is damaged ({damage}); {copy} takes its place, and what is left of the file is kept as {DAMAGED}"
        ),
    }
}

/// Whether a folder is the directory of a run: it holds a configuration and what only a run has beside one, or where
/// that is lost, checkpoints and metrics.
pub(super) fn is_run(path: &Path) -> bool {
    let has = |name: &str| path.join(name).exists();
    let is_whole = has(CONFIG) && [CHECKPOINTS, METRICS, LOCK].into_iter().any(has);
    is_whole || (has(CHECKPOINTS) && has(METRICS))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::run::fake::FakeRun;

    #[test]
    fn data_may_move_where_the_run_knows_them_and_not_where_nobody_does() {
        let parent = tempfile::tempdir().expect("a folder");
        let at = |dir: &str| {
            let mut config = Config::default();
            config.data.dir = Some(dir.into());
            config
        };
        let (old, moved) = (at("/there"), at("/here"));
        let path = parent.path().join("run");
        let mut run = FakeRun::at(&path, 100);
        fs::write(path.join(CONFIG), old.to_toml()).expect("written");
        assert!(
            RunDir::open(&path, &moved, false).is_ok(),
            "nothing learned"
        );
        run.save(10);
        let refused = RunDir::open(&path, &moved, false).map(drop);
        let Err(TrainError::ConfigChanged { changes, .. }) = &refused else {
            panic!("{refused:?}");
        };
        assert_eq!(*changes, ["data.dir: \"/there\" → \"/here\""]);
        assert!(RunDir::open(&path, &moved, true).is_ok(), "by force");
        run.state["data"] = json!({"num": 2, "crc32": 7});
        run.save(20);
        assert!(
            RunDir::open(&path, &moved, false).is_ok(),
            "the data are known"
        );
    }

    #[test]
    #[cfg(unix)]
    fn a_directory_that_is_gone_is_told_from_one_that_was_tidied_and_never_made_again() {
        let parent = tempfile::tempdir().expect("a folder");
        let (path, config) = (parent.path().join("run"), Config::default());
        let dir = RunDir::open(&path, &config, false).expect("opened");
        dir.adopt(&config).expect("written");
        assert!(dir.check_there().is_ok());
        fs::remove_file(path.join(LOCK)).expect("a file");
        assert!(dir.check_there().is_ok());
        let is_gone = || {
            let adopted = dir.adopt(&config);
            matches!(adopted, Err(TrainError::Gone { .. })) && dir.check_there().is_err()
        };
        fs::write(path.join(LOCK), "").expect("written");
        assert!(is_gone(), "another process has begun a run there");
        fs::remove_dir_all(&path).expect("a folder");
        assert!(is_gone() && !path.exists());
        fs::create_dir(&path).expect("made");
        assert!(is_gone(), "nothing is mounted there");
        assert_eq!(fs::read_dir(&path).expect("a folder").count(), 0);
    }
}
