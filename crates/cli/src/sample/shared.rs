//! Draw samples with the ranks of a job, and write them on the first.

use std::sync::Arc;

use anyhow::anyhow;
use ebm_apply::{PartSampler, SampleOptions, StepCounter, Trained, sample_counted};
use ebm_train::Team;

use super::outputs::Outputs;
use super::plan::Plan;
use super::results::Results;
use crate::progress::with_progress;
use crate::ranks;

/// Draw the samples, and write what was asked for.
///
/// # Errors
/// Where they cannot be drawn or written; on all ranks, but for the end of a file.
pub(super) fn draw(
    trained: &Trained,
    options: &SampleOptions,
    plan: &Plan,
    outputs: &Outputs,
    quiet: bool,
) -> anyhow::Result<()> {
    let ranks = ranks::collective();
    let team = Team::of_any(Arc::clone(&ranks));
    let results = team.is_first().then(|| Results::new(outputs, plan));
    let mut results = team.agree(results.transpose(), |rank, why| {
        anyhow!("rank {rank}: {why}")
    })?;
    let is_at_once = team.first(|| results.as_ref().is_some_and(Results::needs_all_at_once));
    if is_at_once && team.world() > 1 && !quiet {
        tell!(
            "one rank of {} draws: a picture shows all samples at once; ranks share those that --output writes \
             as an array or into a folder",
            team.world()
        );
    }
    let counter = StepCounter::default();
    let (gradients, taken) = (options.num_gradients(), counter.clone());
    let sampler = PartSampler::new(trained, options).with_counter(counter.clone());
    let sampler = sampler.with_ranks(ranks);
    let draw = || -> anyhow::Result<()> {
        match (is_at_once, &mut results) {
            (true, Some(results)) => results.add(sample_counted(trained, options, counter)?),
            (true, None) => Ok(()),
            // The first rank alone has results, and parts for them.
            (false, results) => sampler.draw(|part| {
                let mut results = results.iter_mut();
                results.try_for_each(|results| results.add_part(&part))
            }),
        }
    };
    with_progress("sampling", gradients, || taken.gradients(), quiet, draw)?;
    results.map_or(Ok(()), Results::finish)
}
