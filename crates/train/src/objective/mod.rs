//! Say what a training objective is: what gives the gradient of a step, and what it remembers.

pub mod contrastive;

use burn::tensor::{Device, Tensor};
use ebm_core::{Shard, StepKey};
use ebm_data::Batch;
use ebm_model::EnergyModel;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::state::DataSummary;

/// What an objective gives.
#[derive(Clone, Debug)]
pub struct Gradient {
    /// The gradient of the loss with respect to the weights, in the order of
    /// [`parameters::flatten`](crate::parameters::flatten), `[parameters]`.
    pub flat: Tensor<1>,
    /// What is minimised, `[1]`.
    pub loss: Tensor<1>,
    /// What a user reads about the step, `[1]` each, by name and in the order of reading.
    pub terms: Vec<(&'static str, Tensor<1>)>,
}

/// Which step it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct StepContext {
    /// Seed, attempt and iteration: what keys the random numbers of the step.
    pub key: StepKey,
    /// This worker's part of the batch.
    pub shard: Shard,
    /// Whether somebody will read the terms: those that cost something may be left out elsewhere.
    pub record: bool,
}

/// A way to learn an energy from data.
pub trait Objective<M: EnergyModel> {
    /// What it remembers between steps: persistent chains, say.
    type State: Persist;

    /// The state before the first step.
    fn init(&self, data: &DataSummary, seed: u64, device: &Device) -> Self::State;

    /// The gradient of its loss on a batch of data. `model` has its weights on the tape; every random
    /// number is a function of `step.key`.
    fn gradient(
        &self,
        state: &mut Self::State,
        model: &M,
        batch: &Batch,
        step: &StepContext,
    ) -> Gradient;
}

/// A state that checkpoints hold.
pub trait Persist {
    /// The files that hold it, by name.
    fn to_files(&self) -> Vec<(&'static str, Vec<u8>)>;

    /// Take over what a checkpoint holds, in place of what a new state has.
    ///
    /// # Errors
    /// Where something is missing or does not fit.
    fn load(&mut self, checkpoint: &Checkpoint) -> Result<(), CheckpointError>;
}

/// Nothing to remember.
impl Persist for () {
    fn to_files(&self) -> Vec<(&'static str, Vec<u8>)> {
        Vec::new()
    }

    fn load(&mut self, _: &Checkpoint) -> Result<(), CheckpointError> {
        Ok(())
    }
}
