//! Free the space of checkpoints that a run does not need any more.

use std::io;
use std::path::{Path, PathBuf};

use super::disk_usage::DiskUsage;
use super::lock::{DirLock, is_in_use};
use crate::checkpoint;
use crate::config::Config;
use crate::error::TrainError;
use crate::state::{Best, STATE};
use crate::watch::Watch;

/// What pruning removes of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Directories of checkpoints and of interrupted writes.
    pub folders: Vec<PathBuf>,
    /// Bytes of their files.
    pub bytes: u64,
}

impl Pruned {
    /// These directories, which are still there.
    fn of(folders: Vec<PathBuf>) -> Self {
        let bytes = folders.iter().map(|folder| DiskUsage::of(folder).bytes);
        Self {
            bytes: bytes.sum(),
            folders,
        }
    }
}

/// What [`prune`] would remove of a run. Nothing is written.
///
/// # Errors
/// As [`prune`].
///
/// # Panics
/// If `keep` is 0.
pub fn prunable(run_dir: &Path, keep: usize) -> Result<Pruned, TrainError> {
    assert!(
        keep >= 1,
        "expected to keep at least 1 checkpoint, got {keep}"
    );
    if is_in_use(run_dir)? {
        return Err(TrainError::InUse {
            path: run_dir.to_owned(),
        });
    }
    let folders = checkpoint::surplus(run_dir, keep, &wanted(run_dir)?)?;
    Ok(Pruned::of(folders))
}

/// Remove the checkpoints of a run but the newest `keep` and those that the run itself wants: its best one, and the
/// one to which it would go back. What interrupted writes left goes, too; nothing else is touched. No other process
/// can train there meanwhile, and a kill at any moment leaves whole what stays.
///
/// # Errors
/// [`TrainError::InUse`] where another process trains there; [`TrainError::Write`] where nobody knows, as the file
/// system has no locks; where the configuration or the newest checkpoint cannot be read, so that what is wanted is
/// not known; or where something cannot be removed.
///
/// # Panics
/// If `keep` is 0.
pub fn prune(run_dir: &Path, keep: usize) -> Result<Pruned, TrainError> {
    // Without anything to remove, not even the lock is written.
    if prunable(run_dir, keep)?.folders.is_empty() {
        return Ok(Pruned::default());
    }
    let lock = DirLock::take(run_dir)?;
    if !lock.is_real() {
        let unknown =
            "its file system has no locks, so that nobody knows whether a process trains there";
        let cause = io::Error::new(io::ErrorKind::Unsupported, unknown);
        return Err(TrainError::writing(run_dir)(cause));
    }
    // What stays must be readable before anything else goes.
    if let Some(latest) = checkpoint::latest(run_dir)? {
        checkpoint::read(&latest)?;
    }
    // A process may have trained there between the two.
    let wanted = wanted(run_dir)?;
    let pruned = Pruned::of(checkpoint::surplus(run_dir, keep, &wanted)?);
    checkpoint::remove_surplus(run_dir, keep, &wanted)?;
    Ok(pruned)
}

/// Steps of the checkpoints that the run itself wants kept.
fn wanted(run_dir: &Path) -> Result<Vec<u64>, TrainError> {
    let config = Config::of_run(run_dir)?.ok_or_else(|| TrainError::NotARun {
        path: run_dir.to_owned(),
    })?;
    let Some(latest) = checkpoint::latest(run_dir)? else {
        return Ok(Vec::new());
    };
    let state = checkpoint::read_files(&latest, &[STATE])?;
    let best = Best::of_checkpoint(&state)?.map(|best| best.iteration);
    let watch = Watch::of_checkpoint(&state)?;
    // A finished run may go on, too.
    let (until, every) = (watch.good_until(state.step), config.output.checkpoint_every);
    let goes_back_to = checkpoint::latest_scheduled(run_dir, until, every as u64)?;
    let goes_back_to = goes_back_to.as_deref().and_then(checkpoint::step_at);
    Ok(best.into_iter().chain(goes_back_to).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::checkpoint::atomic_file::crash;
    use crate::run::fake::FakeRun;

    /// A run of 200 iterations with checkpoints at 10, 20, … up to `last`, which say that the best is `best` and
    /// that a sign of a collapse has shown since `sign`.
    fn run(dir: &Path, last: u64, best: Option<u64>, sign: Option<u64>) -> FakeRun {
        let mut run = FakeRun::at(dir, 200);
        if let Some(best) = best {
            run.state["best"] = json!({"iteration": best, "distance": 0.5});
        }
        let episode = |since: Option<u64>| json!({"since": since, "is_said": false});
        run.state["watch"] = json!({
            "records": [],
            "calm": 0,
            "restarts_calm": 0,
            "restarts_far": episode(None),
            "grave": episode(sign),
        });
        (10..=last).step_by(10).for_each(|step| run.save(step));
        run
    }

    /// Steps that stay of such a run.
    fn kept(keep: usize, last: u64, best: Option<u64>, sign: Option<u64>) -> Vec<u64> {
        let dir = tempfile::tempdir().expect("a folder");
        let run = run(dir.path(), last, best, sign);
        let before = run.checkpoints();
        let planned = prunable(dir.path(), keep).expect("a plan");
        assert_eq!(run.checkpoints(), before, "a plan removes nothing");
        assert_eq!(prune(dir.path(), keep).expect("pruned"), planned);
        let left = run.checkpoints();
        assert_eq!(before.len() - left.len(), planned.folders.len());
        let again = prune(dir.path(), keep).expect("pruned");
        assert_eq!(again, Pruned::default(), "nothing is left to remove");
        let steps = left.iter().map(|name| checkpoint::step_at(Path::new(name)));
        steps.map(|step| step.expect("a checkpoint")).collect()
    }

    #[test]
    fn of_a_finished_run_the_newest_the_best_and_one_to_go_back_to_stay() {
        assert_eq!(kept(1, 200, None, None), [150, 200]);
        assert_eq!(kept(3, 200, None, None), [150, 180, 190, 200]);
        assert_eq!(kept(1, 200, Some(70), None), [70, 150, 200]);
        assert_eq!(kept(100, 200, None, None).len(), 20);
    }

    #[test]
    fn one_to_which_a_run_may_go_back_stays() {
        // Trouble is seen 50 iterations after it began.
        assert_eq!(kept(1, 120, None, None), [70, 120]);
        assert_eq!(kept(1, 200, None, Some(95)), [90, 200]);
        assert_eq!(kept(2, 120, Some(30), Some(45)), [30, 40, 110, 120]);
        assert_eq!(kept(1, 30, None, None), [30], "it would go to the start");
    }

    #[test]
    fn what_is_freed_is_what_the_files_took() {
        let dir = tempfile::tempdir().expect("a folder");
        run(dir.path(), 200, None, None);
        fs::create_dir(dir.path().join("checkpoints/step_000210.tmp")).expect("a folder");
        let before = DiskUsage::of(dir.path()).bytes;
        let pruned = prune(dir.path(), 1).expect("pruned");
        assert_eq!(pruned.folders.len(), 19);
        assert_eq!(before - DiskUsage::of(dir.path()).bytes, pruned.bytes);
        assert!(pruned.bytes > 18 * 1000, "{}", pruned.bytes);
    }

    #[test]
    fn a_run_that_is_trained_is_left_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let run = run(dir.path(), 200, None, None);
        let held = DirLock::take(dir.path()).expect("nobody trains there");
        for refused in [prunable(dir.path(), 1), prune(dir.path(), 1)] {
            assert!(matches!(refused, Err(TrainError::InUse { .. })));
        }
        assert_eq!(run.checkpoints().len(), 20);
        drop(held);
        assert_eq!(prune(dir.path(), 1).expect("pruned").folders.len(), 18);
        DirLock::take(dir.path()).expect("the lock is let go");
    }

    #[test]
    fn a_run_whose_wishes_cannot_be_read_is_left_alone() {
        let spoilt = [
            "config.toml",
            "checkpoints/step_000200/state.json",
            "checkpoints/step_000200/model.safetensors",
        ];
        for file in spoilt {
            let dir = tempfile::tempdir().expect("a folder");
            let run = run(dir.path(), 200, None, None);
            fs::write(dir.path().join(file), "{}").expect("written");
            let message = prune(dir.path(), 1).expect_err("refused").to_string();
            let name = file.rsplit('/').next().expect("a name");
            assert!(message.contains(name), "{message}");
            assert_eq!(run.checkpoints().len(), 20);
        }
    }

    #[test]
    fn a_run_without_a_checkpoint_loses_what_its_first_write_left_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a folder");
        let run = FakeRun::at(dir.path(), 200);
        let checkpoints = dir.path().join("checkpoints");
        for name in ["step_000010.tmp", "step_000020", "mine"] {
            fs::create_dir(checkpoints.join(name)).expect("a folder");
        }
        let pruned = prune(dir.path(), 1).expect("pruned");
        assert_eq!(pruned.folders, [checkpoints.join("step_000010.tmp")]);
        assert_eq!(run.checkpoints(), ["mine", "step_000020"]);
    }

    #[test]
    fn a_kill_at_any_moment_leaves_whole_what_stays() {
        for operations in 0.. {
            let dir = tempfile::tempdir().expect("a folder");
            let run = run(dir.path(), 40, Some(20), None);
            let path = dir.path().to_owned();
            let finished = crash::after(operations, || prune(&path, 1).expect("pruned"));
            for step in [20, 40] {
                let stays = path.join(format!("checkpoints/step_{step:06}"));
                checkpoint::read(&stays).expect("whole");
            }
            let latest = checkpoint::latest(&path).expect("readable");
            assert_eq!(latest.as_deref().and_then(checkpoint::step_at), Some(40));
            prune(&path, 1).expect("pruned");
            assert_eq!(run.checkpoints(), ["step_000020", "step_000040"]);
            if finished.is_some() {
                assert!(operations > 6, "{operations}");
                return;
            }
        }
    }
}
