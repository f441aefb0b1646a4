//! Draw chains from the buffer, run them, and take the KL term of their last step.

use burn::tensor::{Device, Int, Tensor};
use ebm_core::{Energy, Stream, index_tensor};
use ebm_data::Batch;
use ebm_langevin::{ChainRun, Chains, LastStep, RestartData, Sampler, adapted_scale};
use ebm_model::{EnergyModel, Frozen};

use super::chains::ChainState;
use super::config::Contrastive;
use super::kl::LastStepTerm;
use crate::objective::{StepContext, in_pieces};

/// Samples of a step, and the chains that led to them.
pub(super) struct Sampled {
    pub(super) chains: Chains,
    pub(super) run: ChainRun<4>,
    /// Classes of the chains, `[batch]`.
    pub(super) classes: Tensor<1, Int>,
}

impl Contrastive {
    /// Draw chains from the buffer and run them.
    pub(super) fn sample<M: EnergyModel + Sync>(
        &self,
        state: &mut ChainState,
        frozen: &Frozen<M>,
        batch: &Batch,
        step: &StepContext,
    ) -> Sampled {
        let restart = RestartData {
            images: &batch.images,
            labels: &batch.labels,
        };
        let device = batch.images.device();
        let size = batch.labels.len();
        let chains = state.buffer.draw(size, step.key, step.shard, Some(restart));
        let classes = index_tensor(&chains.labels, &device); // [batch]
        let rounded = frozen.rounded(self.precision);
        let given = rounded.given(classes.clone());
        let energy: &dyn Energy<4> = if self.marginal { &rounded } else { &given };
        let sampler = self.sampler(state.step_scale, step, &device);
        let run = sampler.run(chains.x.clone(), &chains.ids, energy);
        if let Some(target) = self.langevin.target_acceptance {
            let acceptance = run.stats.as_ref().and_then(|stats| stats.mean_acceptance());
            let acceptance = step.mean_over_shards(acceptance.unwrap_or(f64::NAN));
            state.step_scale = adapted_scale(state.step_scale, acceptance, target);
        }
        Sampled {
            chains,
            run,
            classes,
        }
    }

    /// The KL term of some of the samples.
    pub(super) fn last_step_term<M: EnergyModel>(
        &self,
        state: &ChainState,
        tracked: &Frozen<M>,
        sampled: &Sampled,
        last: &LastStep<4>,
        step: &StepContext,
    ) -> LastStepTerm {
        let few = self.kl.samples.min(sampled.chains.slots.len());
        let last = LastStep {
            from: last.from.clone().narrow(0, 0, few),
            descent: last.descent,
        };
        let (slots, count) = (&sampled.chains.slots, self.kl.neighbors);
        let neighbours = state.buffer.neighbours(slots, count, step.key, step.shard);
        let x = sampled.run.x.clone().narrow(0, 0, few);
        let y = sampled.classes.clone().narrow(0, 0, few);
        LastStepTerm::of(tracked, &last, x, &y, neighbours, self.kl.entropy_weight)
    }

    fn sampler(&self, step_scale: f64, step: &StepContext, device: &Device) -> Sampler {
        let sampler = Sampler::new(self.langevin.clone(), step.key.stream(Stream::Langevin))
            .with_stats(step.record || self.langevin.target_acceptance.is_some())
            .with_step_scale(step_scale)
            .with_last_step(self.kl.weight > 0.0);
        in_pieces(sampler, self.micro_batch, device)
    }
}
