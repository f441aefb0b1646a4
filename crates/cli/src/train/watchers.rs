//! Gather those who watch a run: its files and its progress, and whom the command line asks for.

use ebm_train::{MetricsFile, Observer, Outcome, TrainError};

#[cfg(feature = "live")]
use crate::live::Live;
use crate::output::Pictures;
use crate::progress::Progress;
use crate::stall::StallWatch;
use crate::tensorboard::TensorBoard;

/// All who watch a run.
pub(super) struct Watchers {
    pub(super) metrics: MetricsFile,
    pub(super) progress: Progress,
    pub(super) tensorboard: Option<TensorBoard>,
    /// Of a run on a GPU.
    pub(super) stall: Option<StallWatch>,
    #[cfg(feature = "live")]
    pub(super) live: Option<Live>,
    pub(super) pictures: Pictures,
}

impl Watchers {
    /// In the order in which they are told: what is kept comes before what is shown.
    pub(super) fn all(&mut self) -> Vec<&mut dyn Observer> {
        let mut all: Vec<&mut dyn Observer> =
            vec![&mut self.metrics, &mut self.progress, &mut self.pictures];
        all.extend(self.tensorboard.as_mut().map(|it| it as &mut dyn Observer));
        all.extend(self.stall.as_mut().map(|it| it as &mut dyn Observer));
        #[cfg(feature = "live")]
        all.extend(self.live.as_mut().map(|it| it as &mut dyn Observer));
        all
    }

    /// The run has ended, like this. Returns how far its last samples were from the data, where any were drawn.
    pub(super) fn end(self, outcome: &Result<Outcome, TrainError>) -> Option<f64> {
        self.progress.finish();
        #[cfg(feature = "live")]
        if let Some(live) = self.live {
            let failure = outcome.as_ref().err().map(TrainError::to_string);
            live.end(failure.as_deref());
        }
        #[cfg(not(feature = "live"))]
        let _ = outcome;
        self.progress.last_distance()
    }
}
