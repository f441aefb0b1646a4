//! Hold everything that training remembers: exactly what a checkpoint stores.

mod arrays;
mod best;
mod data;
mod files;
mod persist;
mod rollback;
#[cfg(test)]
mod tests;

use burn::tensor::{Device, Tensor};
use ebm_core::Shard;
use ebm_model::{EnergyModel, Frozen};

use crate::optimizer::Adam;
use crate::parameters;
use crate::watch::Watch;

pub use arrays::{constant_arrays, load_constants, named_arrays};
pub use best::Best;
pub use data::{DataSummary, Identity};
pub(crate) use files::{STATE, of_weights, with_weights};
pub use persist::Persist;
pub use rollback::Rollback;

/// Model, moving average, optimizer, what the objective remembers, and the step. Nothing else
/// remembers anything.
#[derive(Clone, Debug)]
pub struct TrainState<M, S> {
    /// The network, its weights on the tape.
    pub model: M,
    /// Moving average of the weights, `[parameters]`.
    pub ema: Tensor<1>,
    /// Moments of the gradients.
    pub optimizer: Adam,
    /// What the objective remembers of each of this worker's shards, in order.
    pub objective_states: Vec<OfShard<S>>,
    /// What the model learns from.
    pub data: DataSummary,
    /// Iterations done.
    pub iteration: u64,
    /// Iterations that had been done elsewhere when the run began: 0 unless it was imported.
    pub began_at: u64,
    /// 0, and one more after each rollback.
    pub attempt: u32,
    /// The times that the run went back, in order.
    pub rollbacks: Vec<Rollback>,
    /// What energies of the last iterations have shown.
    pub watch: Watch,
    /// Where samples were nearest to the data, in a run that keeps its best checkpoint.
    pub best: Option<Best>,
}

/// What an objective remembers of a shard.
#[derive(Clone, Debug)]
pub struct OfShard<S> {
    /// Which shard.
    pub shard: Shard,
    /// What is remembered.
    pub state: S,
}

impl<S> OfShard<S> {
    /// Of each of these shards, what `state` makes of it.
    pub fn each(shards: Vec<Shard>, mut state: impl FnMut(Shard) -> S) -> Vec<Self> {
        let of = |shard| Self {
            shard,
            state: state(shard),
        };
        shards.into_iter().map(of).collect()
    }
}

impl<M: EnergyModel, S> TrainState<M, S> {
    /// The state before the first iteration, of the only shard. `device` without autodiff.
    pub fn new(model: M, objective_state: S, data: DataSummary, device: &Device) -> Self {
        let only = OfShard {
            shard: Shard::WHOLE,
            state: objective_state,
        };
        Self::of_shards(model, vec![only], data, device)
    }

    /// The state before the first iteration, of some shards. `device` without autodiff.
    pub fn of_shards(
        model: M,
        objective_states: Vec<OfShard<S>>,
        data: DataSummary,
        device: &Device,
    ) -> Self {
        let ema = parameters::flatten(&model);
        Self {
            optimizer: Adam::new(ema.dims()[0], device),
            model,
            ema,
            objective_states,
            data,
            iteration: 0,
            began_at: 0,
            attempt: 0,
            rollbacks: Vec::new(),
            watch: Watch::default(),
            best: None,
        }
    }

    /// What the objective remembers of this worker's first shard.
    pub fn objective_state(&self) -> &S {
        &self.objective_states[0].state
    }

    /// The network with the averaged weights, as constants, with spectral norms of its own: an
    /// average of the vectors they are computed from would belong to no weights.
    pub fn ema_model(&self) -> Frozen<M> {
        let mut model = parameters::unflatten(self.model.valid(), &self.ema);
        for weight in &mut model.spectral_norms() {
            weight.converge();
        }
        Frozen::new(&model)
    }

    /// The network with the last weights, as constants.
    pub fn last_model(&self) -> Frozen<M> {
        Frozen::new(&self.model)
    }
}
