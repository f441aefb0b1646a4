//! Compute the gradient of a step: sample, contrast data with samples, differentiate.

use core::ops::Range;

use burn::tensor::{Device, Tensor};
use ebm_core::{Shard, Stream, index_tensor};
use ebm_data::Batch;
use ebm_model::{EnergyModel, Frozen};

use super::chains::ChainState;
use super::config::Contrastive;
use super::loss::{Loss, loss};
use super::sampling::Sampled;
use super::terms::Report;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::dropout::Dropout;
use crate::gradient::{Batched, LossGradient, through_folding};
use crate::objective::{Contrasted, Gradient, Objective, StepContext, halves};
use crate::state::DataSummary;

impl<M: EnergyModel + Sync> Objective<M> for Contrastive {
    type State = ChainState;

    fn init(&self, data: &DataSummary, seed: u64, shard: Shard, device: &Device) -> ChainState {
        ChainState::new(self, data, seed, shard, device)
    }

    fn load(
        &self,
        data: &DataSummary,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> Result<ChainState, CheckpointError> {
        ChainState::load(self, data, checkpoint, device)
    }
    fn is_coupled(&self) -> bool {
        !self.loss.kind.is_separable() || self.langevin.target_acceptance.is_some()
    }

    fn gradient(
        &self,
        state: &mut ChainState,
        model: &M,
        batch: &Batch,
        step: &StepContext,
    ) -> Gradient {
        let tracked = Frozen::tracked(model);
        let frozen = tracked.valid();
        let sampled = self.sample(state, &frozen, batch, step);
        let kl = sampled.run.last_step.as_ref();
        let kl = kl.map(|last| self.last_step_term(state, &tracked, &sampled, last, step));
        state.buffer.put(&sampled.chains, sampled.run.x.clone());

        let of_frozen = self.contrast(&frozen, batch, &sampled, step);
        let surrogate = kl.as_ref().map(|kl| kl.surrogate.clone() * self.kl.weight);
        let flat = through_folding(model, &tracked, of_frozen.gradient, surrogate);
        let contrasted = Contrasted {
            energies: of_frozen.energies.clone(),
            restarted: sampled.chains.ages.iter().map(|&age| age == 0).collect(),
        };
        let report = Report {
            loss: self.loss_of(&of_frozen.of_loss),
            energies: of_frozen.energies,
            kl: kl.map(|kl| kl.value * self.kl.weight),
            state,
            adapts: self.langevin.target_acceptance.is_some(),
            stats: sampled.run.stats,
        };
        Gradient {
            flat,
            loss: report.total(),
            contrasted: Some(contrasted),
            terms: if step.record {
                report.terms()
            } else {
                Vec::new()
            },
        }
    }
}

impl Contrastive {
    /// The loss of energies of data, then of as many samples, `[2 · batch]`.
    fn loss_of(&self, energies: &Tensor<1>) -> Loss {
        let [e_pos, e_neg] = halves(energies);
        loss(&self.loss, e_pos, e_neg, self.energy_l2)
    }

    /// Energies of data and samples, and the gradient of their loss with respect to frozen weights.
    fn contrast<M: EnergyModel + Sync>(
        &self,
        frozen: &Frozen<M>,
        batch: &Batch,
        sampled: &Sampled,
        step: &StepContext,
    ) -> LossGradient {
        let size = batch.labels.len();
        let y_pos = index_tensor(&batch.labels, &batch.images.device()); // [batch]
        let images = Tensor::cat(vec![batch.images.clone(), sampled.run.x.clone()], 0); // [2 · batch, ..]
        let classes = Tensor::cat(vec![y_pos, sampled.classes.clone()], 0); // [2 · batch]
        let dropout = Dropout::new(self.dropout_prob, step.key.stream(Stream::Dropout));
        let places = places(size, step.shard);
        let energy = |model: &M, some: Range<usize>| {
            let x = images.clone().narrow(0, some.start, some.len());
            let y = classes.clone().narrow(0, some.start, some.len());
            if self.marginal {
                return model.energy(x);
            }
            dropout.energy(model, x, &y, &places[some])
        };
        let total = |energies: Tensor<1>| self.loss_of(&energies).total();
        let batched = Batched {
            model: frozen,
            device: images.device(),
            images: 2 * size,
            micro_batch: self.micro_batch,
            step,
            energy,
        };
        if self.loss.kind.is_separable() {
            batched.separable_gradient(total)
        } else {
            batched.coupled_gradient(total)
        }
    }
}

/// Places of a worker's data, then of its samples, among those of all workers.
fn places(size: usize, shard: Shard) -> Vec<u32> {
    let data = shard.places(size);
    let of_samples = shard.world * size as u32;
    let samples = data.iter().map(|place| of_samples + place);
    data.iter().copied().chain(samples).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_drop_elements_of_places_of_their_own() {
        assert_eq!(places(2, Shard::WHOLE), [0, 1, 2, 3]);
        let of = |rank| places(2, Shard { rank, world: 2 });
        assert_eq!([of(0), of(1)].concat(), [0, 1, 4, 5, 2, 3, 6, 7]);
    }
}
