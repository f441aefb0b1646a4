//! Turn a state into the files of a checkpoint, and back.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use ebm_model::EnergyModel;
use serde::{Deserialize, Serialize};

use super::arrays::{
    constant_arrays, load_constants, load_optimizer, load_spectral_norms, named_arrays,
    spectral_norm_arrays, take_vector,
};
use super::{Best, DataSummary, Identity, OfShard, Persist, Rollback, TrainState};
use crate::checkpoint::{self, Array, Checkpoint, CheckpointError};
use crate::parameters;
use crate::watch::Watch;

/// The file of a checkpoint that has everything but arrays.
pub(crate) const STATE: &str = "state.json";
const MODEL: &str = "model.safetensors";
const AVERAGE: &str = "ema.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";

/// The part of a state that is not an array.
#[derive(Serialize, Deserialize)]
struct Scalars {
    iteration: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began_at: Option<u64>,
    attempt: u32,
    optimizer_steps: u64,
    image_shape: [usize; 3],
    class_frequencies: Vec<f64>,
    class_names: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Identity>,
    #[serde(default)]
    rollbacks: Vec<Rollback>,
    #[serde(default)]
    watch: Watch,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    best: Option<Best>,
}

impl DataSummary {
    /// What a checkpoint tells of the data that its model learned from.
    ///
    /// # Errors
    /// Where the file is missing or makes no sense.
    pub fn of_checkpoint(checkpoint: &Checkpoint) -> Result<Self, CheckpointError> {
        Ok(checkpoint.json::<Scalars>(STATE)?.into())
    }
}

impl Identity {
    /// Which images a run has learned from, as its newest checkpoint remembers them; `None` where there is none, or
    /// nobody knows.
    ///
    /// # Errors
    /// Where the checkpoint cannot be read.
    pub fn of_run(run_dir: &Path) -> Result<Option<Self>, CheckpointError> {
        let Some(latest) = checkpoint::latest(run_dir)? else {
            return Ok(None);
        };
        let state = checkpoint::read_files(&latest, &[STATE])?;
        Ok(DataSummary::of_checkpoint(&state)?.identity)
    }
}

impl Best {
    /// The best checkpoint of a run, as one of its checkpoints remembers it.
    ///
    /// # Errors
    /// Where the file is missing or makes no sense.
    pub fn of_checkpoint(checkpoint: &Checkpoint) -> Result<Option<Self>, CheckpointError> {
        Ok(checkpoint.json::<Scalars>(STATE)?.best)
    }
}

impl Watch {
    /// What the energies before a checkpoint have shown.
    ///
    /// # Errors
    /// Where the file is missing or makes no sense.
    pub(crate) fn of_checkpoint(checkpoint: &Checkpoint) -> Result<Self, CheckpointError> {
        Ok(checkpoint.json::<Scalars>(STATE)?.watch)
    }
}

impl From<Scalars> for DataSummary {
    fn from(scalars: Scalars) -> Self {
        Self {
            shape: scalars.image_shape.into(),
            class_names: scalars.class_names,
            class_frequencies: scalars.class_frequencies,
            identity: scalars.data,
        }
    }
}

/// All that a network's energy depends on, by name.
pub(crate) fn of_weights(model: &impl EnergyModel) -> BTreeMap<String, Array> {
    let specs = parameters::specs(model);
    let mut arrays = named_arrays("", &specs, &parameters::flatten(model));
    arrays.extend(spectral_norm_arrays(model.clone()));
    arrays.extend(constant_arrays(model.clone()));
    arrays
}

/// The network with these arrays in place of its own.
///
/// # Errors
/// Where an array is missing, of another shape or one too many: they are of another network.
pub(crate) fn with_weights<M: EnergyModel>(
    mut model: M,
    mut arrays: BTreeMap<String, Array>,
    device: &Device,
) -> Result<M, CheckpointError> {
    let weights = take_vector(&mut arrays, "", &parameters::specs(&model), device)?;
    load_spectral_norms(&mut model, &mut arrays, device)?;
    load_constants(&mut model, &mut arrays, device)?;
    match arrays.into_keys().next() {
        Some(name) => Err(CheckpointError::ExtraArray { name }),
        None => Ok(parameters::unflatten(model, &weights)),
    }
}

impl<M: EnergyModel, S: Persist> TrainState<M, S> {
    /// The files of a checkpoint, read from the device: those of all ranks alike, and of this one's shards.
    pub fn to_files(&self) -> Vec<(String, Vec<u8>)> {
        [self.to_common_files(), self.to_shard_files()].concat()
    }

    /// What is the same on all ranks.
    pub(crate) fn to_common_files(&self) -> Vec<(String, Vec<u8>)> {
        let scalars = Scalars {
            iteration: self.iteration,
            began_at: (self.began_at > 0).then_some(self.began_at),
            attempt: self.attempt,
            optimizer_steps: self.optimizer.steps,
            image_shape: self.data.shape.dims(),
            class_frequencies: self.data.class_frequencies.clone(),
            class_names: self.data.class_names.clone(),
            data: self.data.identity,
            rollbacks: self.rollbacks.clone(),
            watch: self.watch.clone(),
            best: self.best.clone(),
        };
        let specs = parameters::specs(&self.model);
        let moments = [
            ("mean.", &self.optimizer.mean),
            ("mean_square.", &self.optimizer.mean_square),
        ];
        let moments = moments.map(|(prefix, vector)| named_arrays(prefix, &specs, vector));
        let average = named_arrays("", &specs, &self.ema);
        let files = [
            (STATE, checkpoint::to_json(&scalars)),
            (MODEL, checkpoint::encode(&of_weights(&self.model))),
            (AVERAGE, checkpoint::encode(&average)),
            (
                OPTIMIZER,
                checkpoint::encode(&moments.into_iter().flatten().collect()),
            ),
        ];
        files.map(|(name, bytes)| (name.to_owned(), bytes)).into()
    }

    /// What is remembered of the shards of this rank.
    pub(crate) fn to_shard_files(&self) -> Vec<(String, Vec<u8>)> {
        let of_shards = self
            .objective_states
            .iter()
            .map(|OfShard { shard, state }| {
                let files = state.to_files().into_iter();
                files.map(|(name, bytes)| (checkpoint::name_of_shard(name, *shard), bytes))
            });
        of_shards.flatten().collect()
    }

    /// The state that a checkpoint holds: `model` as it is before the first iteration, with what the checkpoint has in
    /// place of it, and what the objective remembers.
    ///
    /// # Errors
    /// Where an array is missing, of another shape or one too many: the checkpoint is of another network.
    pub fn load(
        model: M,
        objective_states: Vec<OfShard<S>>,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let mut scalars: Scalars = checkpoint.json(STATE)?;
        let specs = parameters::specs(&model);
        let model = with_weights(model, checkpoint.arrays(MODEL)?, device)?;
        let ema = take_vector(&mut checkpoint.arrays(AVERAGE)?, "", &specs, device)?;
        let (arrays, steps) = (checkpoint.arrays(OPTIMIZER)?, scalars.optimizer_steps);
        let optimizer = load_optimizer(arrays, &specs, steps, device)?;
        Ok(Self {
            model,
            ema,
            optimizer,
            objective_states,
            iteration: scalars.iteration,
            began_at: scalars.began_at.unwrap_or(0),
            attempt: scalars.attempt,
            rollbacks: std::mem::take(&mut scalars.rollbacks),
            watch: std::mem::take(&mut scalars.watch),
            best: scalars.best.take(),
            data: scalars.into(),
        })
    }
}
