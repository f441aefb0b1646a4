//! Let the ranks of a job draw the samples that the first of them judges.

use anyhow::Context;
use ebm_apply::evaluate::keep_samples;
use ebm_apply::{PartSampler, StepCounter, Trained};

use super::{EvaluateArgs, Measure, Opened};
use crate::progress::with_progress;
use crate::ranks;

impl EvaluateArgs {
    /// Draw what the runs' folders of kept samples lack. The first rank finds them there when it measures the runs, and
    /// the others are done.
    ///
    /// # Errors
    /// Where samples cannot be drawn or kept; on all ranks.
    pub(super) fn share_samples(
        &self,
        opened: &[Opened<'_>],
        processor: &str,
        quiet: bool,
    ) -> anyhow::Result<()> {
        if !self.measures(Measure::Quality) {
            return Ok(());
        }
        for one in opened {
            let shared = self.share_samples_of(&one.trained, processor, quiet);
            shared.with_context(|| one.run.display().to_string())?;
        }
        Ok(())
    }

    fn share_samples_of(
        &self,
        trained: &Trained,
        processor: &str,
        quiet: bool,
    ) -> anyhow::Result<()> {
        let fingerprint = trained
            .fingerprint()
            .context("cannot read the checkpoint")?;
        let (options, folder) = self.samples_to_draw(trained, &fingerprint, processor)?;
        let counter = StepCounter::default();
        let (total, taken) = (options.num_gradients(), counter.clone());
        let sampler = PartSampler::new(trained, &options).with_counter(counter);
        let sampler = sampler.with_ranks(ranks::collective());
        let draw = || keep_samples(&sampler, &folder);
        with_progress("sampling", total, || taken.gradients(), quiet, draw)?;
        Ok(())
    }
}
