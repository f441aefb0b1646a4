//! Say what a training objective is: what gives the gradient of a step, and what it remembers.

mod any;
mod classification;
pub mod contrastive;
mod coupling;
mod denoising;
mod flow;
#[cfg(test)]
mod gaussian;
#[cfg(all(test, feature = "wgpu"))]
mod gpu_tests;
mod jem;
mod latent;
mod recovery;
mod regression;
mod shards;
mod stateless;
#[cfg(test)]
mod tests;
mod whitened;

use burn::tensor::{Device, Int, Tensor};
use ebm_core::{DeviceKind, Distribution, MAX_CHAINS_OF_PIECE, Shard, StepKey, Stream};
use ebm_data::Batch;
use ebm_langevin::{Noise, Sampler, perturb};
use ebm_model::EnergyModel;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::collective::Meeting;
use crate::state::{DataSummary, Persist};

pub use any::{AnyObjective, AnyState};
pub use classification::Classification;
pub use coupling::Coupling;
pub use denoising::{Denoising, DenoisingError, NoiseSpacing};
pub use flow::{Flow, FlowContrast};
pub use jem::Jem;
pub use latent::Latent;
pub use recovery::Recovery;
#[cfg(test)]
pub(crate) use regression::DISPLACEMENT;
pub(crate) use shards::gradient_of_shards;
pub use stateless::Stateless;
pub use whitened::{ScoreMatching, TrajectoryState, WhitenedContrast};

/// What an objective gives.
#[derive(Clone, Debug)]
pub struct Gradient {
    /// The gradient of the loss with respect to the weights, in the order of
    /// [`parameters::flatten`](crate::parameters::flatten), `[parameters]`.
    pub flat: Tensor<1>,
    /// What is minimised, `[1]`.
    pub loss: Tensor<1>,
    /// Which energies were contrasted with those of persistent chains, where the objective does so: what is watched for
    /// signs of a collapse.
    pub contrasted: Option<Contrasted>,
    /// What a user reads about the step, `[1]` each, by name and in the order of reading. Of several shards it is the
    /// mean; the largest, where the name ends in `_max`; and of a name that ends in `_std` the standard deviation of
    /// all, beside the mean of the same name.
    pub terms: Vec<(&'static str, Tensor<1>)>,
}

impl Gradient {
    /// This loss and `weight` times another one: their gradients and what they tell, under `loss` the sum.
    fn plus(self, weight: f64, other: Self) -> Self {
        let loss = self.loss + other.loss * weight;
        let mut terms = self.terms;
        for (_, value) in terms.iter_mut().filter(|(name, _)| *name == "loss") {
            *value = loss.clone();
        }
        terms.extend(other.terms.into_iter().filter(|(name, _)| *name != "loss"));
        Self {
            flat: self.flat + other.flat * weight,
            loss,
            contrasted: self.contrasted,
            terms,
        }
    }
}

/// Energies of data and samples, before the update of the weights.
#[derive(Clone, Debug)]
pub struct Contrasted {
    /// Of data, then of as many samples, `[2 · batch]`.
    pub energies: Tensor<1>,
    /// Which of the samples were noise, or what else chains start from, before this step.
    pub restarted: Vec<bool>,
}

/// Which step it is, and for whom.
#[derive(Clone, Copy, Debug, Default)]
pub struct StepContext<'a> {
    /// Seed, attempt and iteration: what keys the random numbers of the step.
    pub key: StepKey,
    /// The part of the batch that the step is for.
    pub shard: Shard,
    /// Whether somebody will read the terms. If not, an objective may leave out those that cost
    /// something.
    pub record: bool,
    /// The other shards; `None` where there are none.
    others: Option<&'a dyn Meeting>,
}

impl<'a> StepContext<'a> {
    /// A step on whole batches.
    pub fn new(key: StepKey, record: bool) -> Self {
        Self {
            key,
            record,
            ..Self::default()
        }
    }

    /// The same step, for a shard, which may meet the others.
    fn of_shard(self, shard: Shard, others: Option<&'a dyn Meeting>) -> Self {
        Self {
            shard,
            others,
            ..self
        }
    }

    /// Numbers of every shard, in the order of shards: how an objective learns of images that are not in its batch.
    /// Every shard has to call this, equally often.
    ///
    /// # Panics
    /// If the objective says that it is not [coupled](Objective::is_coupled), and there are several shards.
    pub fn gather(&self, own: Vec<f64>) -> Vec<Vec<f64>> {
        match self.others {
            Some(others) => others.gather(own),
            None if self.shard.world == 1 => vec![own],
            None => panic!("an objective whose shards meet is coupled"),
        }
    }

    /// The mean of a number of every shard.
    fn mean_over_shards(&self, own: f64) -> f64 {
        let all = self.gather(vec![own]);
        all.iter().flatten().sum::<f64>() / all.len() as f64
    }
}

/// A way to learn an energy from data.
///
/// The batch is one shard's, and the loss a mean over it: gradients of shards are averaged. A loss that is not a sum over
/// images asks for what it needs of the others with [`StepContext::gather`]. One that remembers nothing is [`Stateless`].
pub trait Objective<M: EnergyModel>: Sync {
    /// What it remembers between steps: persistent chains, say.
    type State: Persist + Send;

    /// The state before the first step, of a shard.
    fn init(&self, data: &DataSummary, seed: u64, shard: Shard, device: &Device) -> Self::State;

    /// The state of a shard that a checkpoint holds.
    ///
    /// # Errors
    /// Where something is missing or does not fit.
    fn load(
        &self,
        data: &DataSummary,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> Result<Self::State, CheckpointError>;

    /// Whether the gradient of a shard may ask for numbers of the others, with [`StepContext::gather`]. A rank that has
    /// several shards then runs each on a thread of its own.
    fn is_coupled(&self) -> bool {
        true
    }

    /// The gradient of its loss on a batch of data. `model` has its weights on the tape; every random
    /// number is a function of `step.key`.
    ///
    /// # Shapes
    /// - `batch.images`: `[batch, channels, height, width]`, in [0, 1]
    fn gradient(
        &self,
        state: &mut Self::State,
        model: &M,
        batch: &Batch,
        step: &StepContext,
    ) -> Gradient;
}

/// Images of a piece for which input gradients are taken, where `micro_batch` limits them.
fn piece_size(micro_batch: Option<usize>, device: &Device) -> Option<usize> {
    let most = micro_batch?;
    Some(match DeviceKind::is_cpu(device) {
        true => most.min(MAX_CHAINS_OF_PIECE),
        false => most,
    })
}

/// A sampler that moves no more chains at a time than `micro_batch` allows.
fn in_pieces(sampler: Sampler, micro_batch: Option<usize>, device: &Device) -> Sampler {
    match piece_size(micro_batch, device) {
        Some(chains) => sampler.with_piece_size(chains),
        None => sampler,
    }
}

/// Energies of data, and those of as many samples, which stand after them, `[batch]` each of `[2 · batch]`.
fn halves(energies: &Tensor<1>) -> [Tensor<1>; 2] {
    let size = energies.dims()[0] / 2;
    [0, size].map(|at| energies.clone().narrow(0, at, size))
}

/// u ~ U(0, 1) of every image: what level or time of noise it has, `[batch]`.
fn uniform_of_images(ids: &Tensor<1, Int>, key: StepKey) -> Tensor<1> {
    let uniform = Noise {
        key: key.stream(Stream::ObjectiveLevel),
        distribution: Distribution::Uniform,
        scale: 1.0,
    };
    let zeros = Tensor::<2>::zeros([ids.dims()[0], 1], &ids.device());
    perturb(zeros, ids, uniform).squeeze_dim(1)
}
