//! Learn by contrast: lower the energy of data, raise that of samples from persistent chains.
//!
//! Persistent contrastive divergence, ∇θL = E_data[∇θE] − E_model[∇θE] (Tieleman 2008), with the
//! buffer and the regulariser of Du & Mordatch (2019), alg. 1. Reading order: here → `loss` → `kl`
//! (the gradient through the sampler, optional) → `chains` (what is remembered).

mod chains;
mod kl;
mod loss;
mod terms;

use core::ops::Range;

use burn::tensor::{Device, Int, Tensor};
use ebm_core::{DeviceKind, MAX_CHAINS_OF_PIECE, Stream, index_tensor};
use ebm_data::Batch;
use ebm_langevin::{
    BufferConfig, ChainRun, Chains, LangevinConfig, LastStep, ReplayBuffer, RestartData, Sampler,
    adapted_scale,
};
use ebm_model::{EnergyModel, Frozen, Precision};

use super::{Gradient, Objective, StepContext};
use crate::dropout::Dropout;
use crate::gradient::{Batched, LossGradient};
use crate::parameters;
use crate::state::DataSummary;
use terms::Report;

pub use chains::ChainState;
pub use kl::{KlConfig, LastStepTerm};
pub use loss::{Kind, Loss, ObjectiveConfig, loss};

/// Contrastive divergence with persistent chains.
#[derive(Clone, Debug, PartialEq)]
pub struct Contrastive {
    /// How energies become a loss.
    pub loss: ObjectiveConfig,
    /// α: weight of the L2 penalty of energies, at least 0.
    pub energy_l2: f64,
    /// The gradient through the sampler.
    pub kl: KlConfig,
    /// How chains move.
    pub langevin: LangevinConfig,
    /// How chains persist.
    pub buffer: BufferConfig,
    /// Floating-point precision of the chains' copy of the weights.
    pub precision: Precision,
    /// Probability with which elements are dropped in networks with dropout, in [0, 1).
    pub dropout_prob: f64,
    /// The most images that a device works on at a time; `None` for whole batches.
    pub micro_batch: Option<usize>,
}

impl Default for Contrastive {
    fn default() -> Self {
        Self {
            loss: ObjectiveConfig::default(),
            energy_l2: 0.1,
            kl: KlConfig::default(),
            langevin: LangevinConfig::default(),
            buffer: BufferConfig::default(),
            precision: Precision::default(),
            dropout_prob: 0.0,
            micro_batch: None,
        }
    }
}

impl Contrastive {
    /// Chains that move like this.
    pub fn with_langevin(mut self, langevin: LangevinConfig) -> Self {
        self.langevin = langevin;
        self
    }

    /// Chains that persist like this.
    pub fn with_buffer(mut self, buffer: BufferConfig) -> Self {
        self.buffer = buffer;
        self
    }

    /// Energies that become a loss like this.
    pub fn with_loss(mut self, loss: ObjectiveConfig) -> Self {
        self.loss = loss;
        self
    }

    /// This weight of the L2 penalty of energies.
    pub fn with_energy_l2(mut self, energy_l2: f64) -> Self {
        self.energy_l2 = energy_l2;
        self
    }

    fn sampler(&self, step_scale: f64, step: &StepContext, device: &Device) -> Sampler {
        let sampler = Sampler::new(self.langevin.clone(), step.key.stream(Stream::Langevin))
            .with_stats(step.record || self.langevin.target_acceptance.is_some())
            .with_step_scale(step_scale)
            .with_last_step(self.kl.weight > 0.0);
        match self.micro_batch {
            Some(most) if DeviceKind::is_cpu(device) => {
                sampler.with_piece_size(most.min(MAX_CHAINS_OF_PIECE))
            }
            Some(most) => sampler.with_piece_size(most),
            None => sampler,
        }
    }
}

/// Samples of a step, and the chains that led to them.
struct Sampled {
    chains: Chains,
    run: ChainRun<4>,
    /// Classes of the chains, `[batch]`.
    classes: Tensor<1, Int>,
}

impl<M: EnergyModel + Sync> Objective<M> for Contrastive {
    type State = ChainState;

    fn init(&self, data: &DataSummary, seed: u64, device: &Device) -> ChainState {
        let (shape, frequencies) = (data.shape.dims(), data.class_frequencies.clone());
        ChainState {
            buffer: ReplayBuffer::new(self.buffer.clone(), shape, frequencies, seed, device),
            step_scale: 1.0,
        }
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
        let is_normed = !model.clone().spectral_norms().is_empty();
        let flat = if kl.is_some() || is_normed {
            let surrogate = kl.as_ref().map(|kl| kl.surrogate.clone() * self.kl.weight);
            through_folding(model, &tracked, &of_frozen.gradient, surrogate)
        } else {
            of_frozen.gradient.clone() // nothing stands between these weights and the model's
        };
        let report = Report {
            loss: self.loss_of(&of_frozen.energies),
            energies: of_frozen.energies,
            kl: kl.map(|kl| kl.value * self.kl.weight),
            state,
            adapts: self.langevin.target_acceptance.is_some(),
            stats: sampled.run.stats,
        };
        Gradient {
            flat,
            loss: report.total(),
            terms: if step.record {
                report.terms()
            } else {
                Vec::new()
            },
        }
    }
}

impl Contrastive {
    /// Draw chains from the buffer and run them.
    fn sample<M: EnergyModel + Sync>(
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
        let rounded = frozen.rounded(self.precision, &device);
        let energy = rounded.given(classes.clone());
        let sampler = self.sampler(state.step_scale, step, &device);
        let run = sampler.run(chains.x.clone(), &chains.ids, &energy);
        if let Some(target) = self.langevin.target_acceptance {
            let acceptance = run.stats.as_ref().and_then(|stats| stats.mean_acceptance());
            let acceptance = acceptance.unwrap_or(f64::NAN);
            state.step_scale = adapted_scale(state.step_scale, acceptance, target);
        }
        Sampled {
            chains,
            run,
            classes,
        }
    }

    /// The KL term of some of the samples.
    fn last_step_term<M: EnergyModel>(
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

    /// The loss of energies of data, then of as many samples, `[2 · batch]`.
    fn loss_of(&self, energies: &Tensor<1>) -> Loss {
        let size = energies.dims()[0] / 2;
        let [e_pos, e_neg] = [0, size].map(|at| energies.clone().narrow(0, at, size));
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
        let energy = |model: &M, some: Range<usize>| {
            let x = images.clone().narrow(0, some.start, some.len());
            let y = classes.clone().narrow(0, some.start, some.len());
            dropout.energy(model, x, &y, some.start)
        };
        let total = |energies: Tensor<1>| self.loss_of(&energies).total();
        let batched = Batched {
            model: frozen,
            device: images.device(),
            images: 2 * size,
            micro_batch: self.micro_batch,
            energy,
        };
        if self.loss.kind.is_separable() {
            batched.separable_gradient(total)
        } else {
            batched.coupled_gradient(total)
        }
    }
}

/// The gradient with respect to the model's own weights, of one with respect to the frozen weights that
/// were computed from them, and of what else depends on those.
fn through_folding<M: EnergyModel>(
    model: &M,
    tracked: &Frozen<M>,
    of_frozen: &Tensor<1>,
    surrogate: Option<Tensor<1>>,
) -> Tensor<1> {
    let weights = parameters::dot(&**tracked, of_frozen);
    let total = surrogate.into_iter().fold(weights, Tensor::add);
    parameters::flatten_gradients(model, &total.backward())
}

#[cfg(test)]
mod tests;
