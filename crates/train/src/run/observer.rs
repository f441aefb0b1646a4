//! Watch a run: the progress bar, the file of metrics and the sample pictures are observers.

use std::error::Error;
use std::path::{Path, PathBuf};

use ebm_core::ImageShape;
use ebm_model::Network;

use super::metrics::Metrics;
use crate::objective::AnyState;
use crate::state::{Rollback, TrainState};

/// Why an observer cannot go on.
pub type ObserverError = Box<dyn Error + Send + Sync>;

/// Somebody who watches a run. An observer that fails is left out from then on, with one warning;
/// training goes on.
pub trait Observer {
    /// An iteration is done.
    ///
    /// # Errors
    /// Whatever keeps the observer from going on.
    fn on_step(&mut self, report: &StepReport<'_>) -> Result<(), ObserverError> {
        let _ = report;
        Ok(())
    }

    /// All that the run remembers after an iteration, told after [`on_step`](Self::on_step): its chains, its weights,
    /// their moving average. On a GPU, reading any of it waits for the device.
    ///
    /// # Errors
    /// Whatever keeps the observer from going on.
    fn on_state(&mut self, state: &TrainState<Network, AnyState>) -> Result<(), ObserverError> {
        let _ = state;
        Ok(())
    }

    /// Of `all` samples that the chains of a new buffer start at, `drawn` are drawn: told before the first, and after
    /// every batch. No iteration is done meanwhile. Of several ranks these are the samples of the first.
    ///
    /// # Errors
    /// Whatever keeps the observer from going on.
    fn on_first_chains(&mut self, drawn: usize, all: usize) -> Result<(), ObserverError> {
        let _ = (drawn, all);
        Ok(())
    }

    /// Samples were drawn.
    ///
    /// # Errors
    /// Whatever keeps the observer from going on.
    fn on_samples(&mut self, samples: &Samples) -> Result<(), ObserverError> {
        let _ = samples;
        Ok(())
    }

    /// A checkpoint was written.
    ///
    /// # Errors
    /// Whatever keeps the observer from going on.
    fn on_checkpoint(&mut self, path: &Path) -> Result<(), ObserverError> {
        let _ = path;
        Ok(())
    }

    /// The run has gone back to an earlier iteration, from which it goes on.
    ///
    /// # Errors
    /// Where the observer cannot go on.
    fn on_rollback(&mut self, rollback: &Rollback) -> Result<(), ObserverError> {
        let _ = rollback;
        Ok(())
    }

    /// The run has ended after `iteration` iterations, of its own accord or because it was stopped;
    /// its last checkpoint is written.
    ///
    /// # Errors
    /// Whatever keeps the observer from going on.
    fn on_end(&mut self, iteration: u64) -> Result<(), ObserverError> {
        let _ = iteration;
        Ok(())
    }
}

/// What an iteration tells.
#[derive(Clone, Copy, Debug)]
pub struct StepReport<'a> {
    /// Iterations done.
    pub iteration: u64,
    /// Iterations of the whole run.
    pub total: u64,
    /// What was measured, once per log interval.
    pub metrics: Option<&'a Metrics>,
}

/// Samples from noise under the averaged weights, and images of the data to compare them with.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Iterations done.
    pub iteration: u64,
    /// `[num, channels, height, width]`, a byte a pixel.
    pub samples: Vec<u8>,
    /// As many images of the data, of the same classes where the model has classes.
    pub data: Vec<u8>,
    /// Shape of an image.
    pub shape: ImageShape,
    /// Classes of the model, in turn from image to image; 0 for a model without.
    pub num_classes: usize,
    /// Where the run directory has the picture of these samples.
    pub path: PathBuf,
}

/// The observers of a run, without those that failed.
pub(super) struct Observers<'a, 'b> {
    watching: Vec<&'a mut (dyn Observer + 'b)>,
}

impl<'a, 'b> Observers<'a, 'b> {
    pub(super) fn new(observers: &'a mut [&'b mut (dyn Observer + 'b)]) -> Self {
        Self {
            watching: observers
                .iter_mut()
                .map(|observer| &mut **observer as _)
                .collect(),
        }
    }

    /// Whether there is any.
    pub(super) fn is_watched(&self) -> bool {
        !self.watching.is_empty()
    }

    /// Tell all of them.
    pub(super) fn tell(
        &mut self,
        mut event: impl FnMut(&mut dyn Observer) -> Result<(), ObserverError>,
    ) {
        self.watching
            .retain_mut(|observer| match event(&mut **observer) {
                Ok(()) => true,
                Err(error) => {
                    tracing::error!("{error}; training goes on without it");
                    false
                }
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts iterations, and fails at one of them.
    struct Counter {
        seen: u64,
        fails_at: u64,
    }

    impl Observer for Counter {
        fn on_step(&mut self, report: &StepReport<'_>) -> Result<(), ObserverError> {
            self.seen += 1;
            if report.iteration == self.fails_at {
                return Err("the disk is full".into());
            }
            Ok(())
        }
    }

    #[test]
    fn an_observer_that_fails_is_left_out_and_the_others_are_not() {
        let counter = |fails_at| Counter { seen: 0, fails_at };
        let (mut good, mut bad) = (counter(0), counter(2));
        let mut all: [&mut dyn Observer; 2] = [&mut bad, &mut good];
        let mut observers = Observers::new(&mut all);
        for iteration in 1..=5 {
            let report = StepReport {
                iteration,
                total: 5,
                metrics: None,
            };
            observers.tell(|observer| observer.on_step(&report));
        }
        assert_eq!((good.seen, bad.seen), (5, 2));
    }
}
