//! Let an objective that remembers nothing be its gradient alone.

use burn::tensor::Device;
use ebm_core::Shard;
use ebm_data::Batch;
use ebm_model::EnergyModel;

use super::{Gradient, Objective, StepContext};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::state::DataSummary;

/// An [`Objective`] that remembers nothing between steps, for any model.
pub trait Stateless: Sync {
    /// Whether it asks for numbers of other shards; see [`Objective::is_coupled`].
    fn is_coupled(&self) -> bool {
        false
    }

    /// The gradient of its loss on a batch of data; see [`Objective::gradient`].
    fn gradient_of<M: EnergyModel + Sync>(
        &self,
        model: &M,
        batch: &Batch,
        step: &StepContext,
    ) -> Gradient;
}

impl<M: EnergyModel + Sync, O: Stateless> Objective<M> for O {
    type State = ();

    fn init(&self, _: &DataSummary, _: u64, _: Shard, _: &Device) {}

    fn load(&self, _: &DataSummary, _: &Checkpoint, _: &Device) -> Result<(), CheckpointError> {
        Ok(())
    }

    fn is_coupled(&self) -> bool {
        Stateless::is_coupled(self)
    }

    fn gradient(&self, (): &mut (), model: &M, batch: &Batch, step: &StepContext) -> Gradient {
        self.gradient_of(model, batch, step)
    }
}
