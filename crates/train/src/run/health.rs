//! Judge what steps computed: what went wrong becomes an error, what may go wrong a warning.

use std::path::PathBuf;

use super::guard::{self, Divergence};
use super::ranks::told_by_first;
use super::training::Run;
use super::unread::ReadStep;
use crate::checkpoint;
use crate::error::TrainError;
use crate::watch::{Energies, Sign, Symptom};

impl Run<'_> {
    /// Read what steps have computed, and judge it.
    pub(super) fn read_steps(&mut self) -> Result<(), TrainError> {
        let (steps, _) = self.unread.read_with(Vec::new());
        self.take_in(steps)
    }

    /// Judge steps in their order.
    pub(super) fn take_in(&mut self, steps: Vec<ReadStep>) -> Result<(), TrainError> {
        let lowest = self.trainer.objective.lowest_of_data();
        for step in steps {
            let finite = guard::refuse_unless_finite("the loss", step.loss.into(), step.iteration);
            finite.map_err(|divergence| self.diverged(divergence))?;
            if step.energies.is_empty() {
                continue;
            }
            let (data, samples) = step.energies.split_at(step.energies.len() / 2);
            let energies = Energies {
                data,
                samples,
                restarted: &step.restarted,
            };
            let watch = &mut self.trainer.state.watch;
            match watch.observe(step.iteration, energies, lowest) {
                Some(sign) if sign.is_collapse => return Err(self.collapsed(step.iteration, &sign)),
                Some(sign) => tracing::warn!(
                    "iteration {}: {}; training may collapse",
                    step.iteration,
                    sign.describe()
                ),
                None => {}
            }
        }
        Ok(())
    }

    /// The checkpoint to go back to, where something went wrong in `iteration`.
    pub(super) fn last_good(&self, iteration: u64) -> Result<Option<PathBuf>, TrainError> {
        let until = self.state().watch.good_until(iteration);
        let every = self.config.output.checkpoint_every as u64;
        told_by_first(&self.team, || {
            Ok(checkpoint::latest_scheduled(self.dir.path(), until, every)?)
        })
    }

    fn collapsed(&self, iteration: u64, sign: &Sign) -> TrainError {
        self.collapse(iteration, sign.describe(), Some(sign.symptom))
    }

    /// Every image has this energy.
    pub(super) fn flat(&self, energy: f64) -> TrainError {
        let what = format!("the energy of every image, of data and of samples alike, is {energy}");
        self.collapse(self.iteration(), what, None)
    }

    fn collapse(&self, iteration: u64, what: String, symptom: Option<Symptom>) -> TrainError {
        match self.last_good(iteration) {
            Err(error) => error,
            Ok(last_good) => TrainError::Collapsed {
                iteration,
                what,
                symptom,
                seed: self.config.seed,
                last_good,
            },
        }
    }

    pub(super) fn diverged(&self, divergence: Divergence) -> TrainError {
        match self.latest_checkpoint() {
            Err(error) => error,
            Ok(last_good) => TrainError::Diverged {
                iteration: divergence.iteration,
                what: divergence.what,
                value: divergence.value,
                seed: self.config.seed,
                calmed_by: self
                    .config
                    .settings_of(divergence.iteration)
                    .config
                    .calmed_by(),
                last_good,
            },
        }
    }
}
