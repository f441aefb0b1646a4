//! Contrast data with where one trajectory of Hamiltonian dynamics leads from them, in whitened coordinates.
//!
//! Contrastive divergence with one step (Hinton 2002) of Hybrid Monte Carlo: how Teh, Welling, Osindero & Hinton,
//! *Energy-based models for sparse overcomplete representations* (2003), §5, train overcomplete experts.

use core::ops::Range;

use burn::tensor::{Device, Tensor};
use ebm_core::{Shard, Stream};
use ebm_data::Batch;
use ebm_langevin::{ChainStats, LangevinConfig, Method, Sampler, adapted_scale};
use ebm_model::{EnergyModel, Frozen, InCoordinates};
use serde::{Deserialize, Serialize};

use super::whitened;
use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::gradient::{Batched, through_folding};
use crate::objective::{Gradient, Objective, StepContext, halves, in_pieces};
use crate::state::{DataSummary, Persist};

/// Share of trajectories that are accepted, to which the size of their steps adapts.
const TARGET_ACCEPTANCE: f64 = 0.9;

/// Mean E(z₊) − mean E(z₋), z₊ the coordinates of data and z₋ where one trajectory leads from each, if it is accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WhitenedContrast {
    /// Leapfrog steps of a trajectory.
    pub leapfrog_steps: usize,
    /// Their size before it adapts, in standard deviations of the coordinates.
    pub step_size: f64,
    /// The most images for which a tape is held at a time; `None` for all.
    pub micro_batch: Option<usize>,
}

impl Default for WhitenedContrast {
    /// 20 steps of a tenth.
    fn default() -> Self {
        Self {
            leapfrog_steps: 20,
            step_size: 0.1,
            micro_batch: None,
        }
    }
}

/// How long the steps of trajectories have become.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrajectoryState {
    /// What their size is multiplied by.
    pub step_scale: f64,
}

const TRAJECTORIES: &str = "trajectories.json";

impl Persist for TrajectoryState {
    fn to_files(&self) -> Vec<(&'static str, Vec<u8>)> {
        vec![(TRAJECTORIES, checkpoint::to_json(self))]
    }
}

impl<M: EnergyModel + Sync> Objective<M> for WhitenedContrast {
    type State = TrajectoryState;

    fn init(&self, _: &DataSummary, _: u64, _: Shard, _: &Device) -> TrajectoryState {
        TrajectoryState { step_scale: 1.0 }
    }

    fn load(
        &self,
        _: &DataSummary,
        checkpoint: &Checkpoint,
        _: &Device,
    ) -> Result<TrajectoryState, CheckpointError> {
        checkpoint.json(TRAJECTORIES)
    }

    /// Tells `e_pos`, `e_neg`, `gap`, `loss`, `acceptance` and `step_scale`.
    ///
    /// # Panics
    /// If the model is no energy of whitened coordinates.
    fn gradient(
        &self,
        state: &mut TrajectoryState,
        model: &M,
        batch: &Batch,
        step: &StepContext,
    ) -> Gradient {
        let tracked = Frozen::tracked(model);
        let frozen = tracked.valid();
        let (device, size) = (batch.images.device(), batch.labels.len());
        let energy = whitened(&*frozen);
        let z_pos = energy.coordinates(batch.images.clone()); // [batch, dimensions]
        let used = state.step_scale;
        let sampler = self.sampler(used, step, &device);
        let places = step.shard.places(size);
        let run = sampler.run(z_pos.clone(), &places, &InCoordinates(energy));
        let acceptance = run.stats.as_ref().and_then(ChainStats::mean_acceptance);
        let acceptance = step.mean_over_shards(acceptance.unwrap_or(f64::NAN));
        state.step_scale = adapted_scale(used, acceptance, TARGET_ACCEPTANCE);

        let both = Tensor::cat(vec![z_pos, run.x], 0); // [2 · batch, dimensions]
        let batched = Batched {
            model: &frozen,
            device: device.clone(),
            images: 2 * size,
            micro_batch: self.micro_batch,
            step,
            energy: |model: &M, some: Range<usize>| {
                whitened(model).energy_of(both.clone().narrow(0, some.start, some.len()))
            },
        };
        let found = batched.separable_gradient(|energies| gap(&energies).neg());
        let loss = gap(&found.energies).neg();
        let scalar = |value: f64| Tensor::<1>::from_floats([value as f32], &device);
        let terms = match step.record {
            true => {
                let [e_pos, e_neg] = halves(&found.energies).map(Tensor::mean);
                vec![
                    ("e_pos", e_pos),
                    ("e_neg", e_neg),
                    ("gap", loss.clone().neg()),
                    ("loss", loss.clone()),
                    ("acceptance", scalar(acceptance)),
                    ("step_scale", scalar(used)),
                ]
            }
            false => Vec::new(),
        };
        Gradient {
            flat: through_folding(model, &tracked, found.gradient, None),
            loss,
            contrasted: None,
            terms,
        }
    }
}

impl WhitenedContrast {
    /// One trajectory each, which nothing bounds: coordinates are no pixels.
    fn sampler(&self, step_scale: f64, step: &StepContext, device: &Device) -> Sampler {
        let mut config = LangevinConfig::new(1)
            .with_method(Method::Hmc)
            .with_step_size(self.step_size)
            .with_bounds(None);
        config.leapfrog_steps = self.leapfrog_steps;
        let sampler = Sampler::new(config, step.key.stream(Stream::Langevin))
            .with_step_scale(step_scale)
            .with_stats(true);
        in_pieces(sampler, self.micro_batch, device)
    }
}

/// Mean of samples − mean of data, `[1]`.
fn gap(energies: &Tensor<1>) -> Tensor<1> {
    let [e_pos, e_neg] = halves(energies).map(Tensor::mean);
    e_neg - e_pos
}
