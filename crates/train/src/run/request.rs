//! Write a checkpoint whenever somebody asks for one, and change nothing else by it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::observer::Observers;
use super::training::Run;
use crate::error::TrainError;

/// What ranks say with a step: that one of them is asked to stop, and that one is asked for a checkpoint.
const STOP: u32 = 1;
const CHECKPOINT: u32 = 2;

impl<'a> Run<'a> {
    /// Write a checkpoint at the end of the iteration in which somebody sets `asked`, which is cleared then. It is like
    /// that of a run that is stopped: it goes at the next write, no run goes back to it, and a run ends with the same
    /// bytes whether any were asked for or not.
    pub fn with_checkpoint_requests(mut self, asked: &'a AtomicBool) -> Self {
        self.checkpoint_requests = Some(asked);
        self
    }

    /// Whether somebody has asked for a checkpoint since the last iteration; of several ranks, before its step.
    pub(super) fn is_asked_for_checkpoint(&self) -> bool {
        match self.team.world() {
            1 => self.take_request(),
            _ => self.team.agreed() & CHECKPOINT != 0,
        }
    }

    fn take_request(&self) -> bool {
        let asked = self.checkpoint_requests;
        asked.is_some_and(|asked| asked.swap(false, Ordering::Relaxed))
    }

    /// Whether the run is to end before the next iteration: it is asked to, or of several ranks, one was when it took
    /// the last step. What this one is asked for goes to the others with the next step.
    pub(super) fn is_asked_to_stop(&self, stop: &AtomicBool) -> bool {
        let stop = stop.load(Ordering::Relaxed);
        if self.team.world() == 1 {
            return stop;
        }
        let has_agreed = self.team.agreed() & STOP != 0;
        let asked = [(stop, STOP), (self.take_request(), CHECKPOINT)];
        let flags = asked.into_iter().filter(|(is_asked, _)| *is_asked);
        self.team.raise(flags.map(|(_, flag)| flag).sum());
        has_agreed
    }

    /// Write the checkpoint that was asked for. Where it cannot be written, or its weights give no finite energy, that
    /// is said and no more: the run finds out by itself, when it would have without being asked.
    ///
    /// # Errors
    /// Where the iterations before it have diverged or collapsed.
    pub(super) fn save_as_asked(
        &mut self,
        observers: &mut Observers<'_, '_>,
    ) -> Result<Option<PathBuf>, TrainError> {
        self.read_steps()?;
        match self.save(observers) {
            Ok(path) => Ok(Some(path)),
            Err(error) => {
                if !self.team.is_first() {
                    return Ok(None); // the first rank says it for all
                }
                tracing::error!("the checkpoint that was asked for is not written: {error}");
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use burn::tensor::Device;

    use super::*;
    use crate::checkpoint;
    use crate::config::Config;
    use crate::run::{Observer, ObserverError, Outcome, RunOptions, StepReport};
    use crate::state::Rollback;

    const TINY: [&str; 11] = [
        "batch_size=8",
        "model.filters=4",
        "langevin.num_steps=2",
        "buffer.capacity=16",
        "data.train_images=32",
        "data.test_images=0",
        "data.image_size=16",
        "output.log_every=4",
        "output.sample_every=0",
        "output.checkpoint_every=5",
        "output.keep_checkpoints=2",
    ];

    /// Asks for checkpoints in these iterations, and keeps the steps of all that are written.
    struct Asker<'a> {
        asked: &'a AtomicBool,
        at: &'a [u64],
        written: Vec<u64>,
        rollbacks: usize,
    }

    impl Observer for Asker<'_> {
        fn on_step(&mut self, report: &StepReport<'_>) -> Result<(), ObserverError> {
            if self.at.contains(&report.iteration) {
                self.asked.store(true, Ordering::Relaxed);
            }
            Ok(())
        }

        fn on_checkpoint(&mut self, path: &Path) -> Result<(), ObserverError> {
            checkpoint::read(path)?;
            self.written.extend(checkpoint::step_at(path));
            Ok(())
        }

        fn on_rollback(&mut self, _: &Rollback) -> Result<(), ObserverError> {
            self.rollbacks += 1;
            Ok(())
        }
    }

    /// Train in `dir` while checkpoints are asked for `at` these iterations. Returns the steps of those that were written,
    /// and how often the run went back.
    fn train(dir: &Path, keys: &[&str], at: &[u64]) -> (Vec<u64>, usize) {
        let overrides: Vec<_> = TINY.iter().chain(keys).map(ToString::to_string).collect();
        let config = Config::resolve("digits", None, &overrides).expect("resolves");
        let data = ebm_data::load(&config.data, config.seed).expect("drawn");
        let asked = AtomicBool::new(false);
        let run = Run::open(&config, &data, &Device::flex(), &RunOptions::new(dir)).expect("opens");
        let run = run.with_checkpoint_requests(&asked);
        let mut asker = Asker {
            asked: &asked,
            at,
            written: Vec::new(),
            rollbacks: 0,
        };
        let outcome = run.train(&mut [&mut asker], &AtomicBool::new(false));
        let outcome = outcome.expect("trains");
        assert!(matches!(outcome, Outcome::Finished { .. }));
        let Asker {
            written, rollbacks, ..
        } = asker;
        assert!(!asked.load(Ordering::Relaxed), "every request is answered");
        (written, rollbacks)
    }

    /// Every file of the checkpoints of a run, with its bytes.
    fn checkpoints(dir: &Path) -> BTreeMap<String, Vec<u8>> {
        let entries = |path: &Path| {
            let entries = fs::read_dir(path).expect("a folder");
            entries.map(|entry| entry.expect("an entry").path())
        };
        let files = entries(&dir.join("checkpoints")).flat_map(|folder| entries(&folder));
        let named = files.map(|path| {
            let name = path.strip_prefix(dir).expect("below").display().to_string();
            (name, fs::read(&path).expect("a file"))
        });
        named.collect()
    }

    /// A run with these keys that is asked for checkpoints `at` these iterations ends as one that is not. Returns what
    /// [`train`] does of the one that is asked.
    fn assert_changes_nothing(keys: &[&str], at: &[u64]) -> (Vec<u64>, usize) {
        let [with, without] = [0; 2].map(|_| tempfile::tempdir().expect("a folder"));
        let found = train(with.path(), keys, at);
        let expected = train(without.path(), keys, &[]);
        assert_eq!(found.1, expected.1, "rollbacks");
        assert!(found.0.len() > expected.0.len(), "{found:?}");
        let [with, without] = [with, without].map(|dir| checkpoints(dir.path()));
        assert!(with.keys().eq(without.keys()), "{:?}", with.keys());
        assert!(with.len() > 6 && with == without, "checkpoints differ");
        found
    }

    #[test]
    fn a_run_that_is_asked_for_checkpoints_ends_as_one_that_is_not() {
        let (written, _) = assert_changes_nothing(&["iterations=12"], &[3, 4, 5, 11]);
        assert_eq!(written, [3, 4, 5, 10, 11, 12]);
    }

    #[test]
    fn so_does_one_that_goes_back() {
        let keys = [
            "iterations=12",
            "lr=1e38",
            "rollback.lr_factor=1e-41",
            "on_divergence=rollback",
        ];
        let (_, rollbacks) = assert_changes_nothing(&keys, &[1, 2, 3, 7, 11]);
        assert_eq!(rollbacks, 1);
    }

    #[test]
    fn a_checkpoint_that_was_asked_for_goes_at_the_next_write() {
        let dir = tempfile::tempdir().expect("a folder");
        let keys = ["iterations=7", "output.checkpoint_every=3"];
        let (written, _) = train(dir.path(), &keys, &[2, 4]);
        assert_eq!(written, [2, 3, 4, 6, 7]);
        let is_there = |step| {
            let name = format!("checkpoints/step_{step:06}");
            dir.path().join(name).exists()
        };
        let there: Vec<u64> = (1..=7).filter(|&step| is_there(step)).collect();
        assert_eq!(there, [3, 6, 7]);
    }
}
