//! Make the judge of a run's evaluations, before anything is written.

use std::path::Path;

use anyhow::Context;
use ebm_apply::evaluate::FrechetJudge;
use ebm_data::Dataset;
use ebm_train::Config;

use crate::evaluate::features;
use crate::progress::Waiting;

/// A judge by the features that `ebm evaluate` takes for the run in `run`; `None` where the configuration has
/// no evaluations.
///
/// # Errors
/// Where there are no features of such images, or too few images.
pub(super) fn of_run(
    config: &Config,
    data: &Dataset,
    run: &Path,
    quiet: bool,
) -> anyhow::Result<Option<FrechetJudge>> {
    let (output, shape) = (&config.output, data.train.shape);
    if output.evaluate_every == 0 {
        return Ok(None);
    }
    let features = features::of_run(run, config.data.dataset, shape)?;
    let features = features.with_context(|| features::missing(run, shape))?;
    let waiting = Waiting::start("describing the data to compare samples with", quiet);
    let judge = FrechetJudge::new(features, data, output.evaluate_samples);
    waiting.end();
    let judge = judge?;
    let (asked, images) = (output.evaluate_samples, judge.num_images());
    if images < asked {
        tracing::warn!(
            "an evaluation draws {asked} samples and compares {images} of them, as many as there are held-out images; \
             output.evaluate_samples={images} is enough"
        );
    }
    Ok(Some(judge))
}
