//! Make the state of a run from its configuration: a new one, or a checkpoint's.

use burn::tensor::Device;
use ebm_core::{Invalid, Shard};
use ebm_model::Network;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::config::{Config, initial_model};
use crate::objective::{AnyState, Objective};
use crate::state::{DataSummary, TrainState};
use crate::watch::Watch;

/// The state before the first iteration. `device` without autodiff.
///
/// # Errors
/// Where the network does not fit the data.
pub fn new_state(
    config: &Config,
    data: DataSummary,
    device: &Device,
) -> Result<TrainState<Network, AnyState>, Invalid> {
    let autodiff = device.clone().autodiff();
    let model = initial_model(config, data.shape, data.num_classes(), &autodiff)?;
    let objective = config.settings_of(0).config.objective();
    let of_objective =
        Objective::<Network>::init(&objective, &data, config.seed, Shard::WHOLE, device);
    Ok(TrainState::new(model, of_objective, data, device))
}

/// The state that a checkpoint holds. `device` without autodiff.
///
/// # Errors
/// Where the checkpoint is of another network, or something in it is missing.
pub fn load_state(
    config: &Config,
    checkpoint: &Checkpoint,
    device: &Device,
) -> Result<TrainState<Network, AnyState>, CheckpointError> {
    let data = DataSummary::of_checkpoint(checkpoint)?;
    let autodiff = device.clone().autodiff();
    let model = initial_model(config, data.shape, data.num_classes(), &autodiff)
        .map_err(|invalid| checkpoint.invalid("config.toml", invalid.to_string()))?;
    let objective = config.settings_of(checkpoint.step).config.objective();
    let of_objective = Objective::<Network>::load(&objective, &data, checkpoint, device)?;
    let mut state = TrainState::load(model, of_objective, checkpoint, device)?;
    if is_of_another_recipe(config, checkpoint) {
        state.watch = Watch::default(); // what it has seen may be what was mended
    }
    Ok(state)
}

fn is_of_another_recipe(config: &Config, checkpoint: &Checkpoint) -> bool {
    let stored = checkpoint.file("config.toml").ok();
    let stored = stored.and_then(|bytes| toml::from_slice::<Config>(bytes).ok());
    stored.is_some_and(|old| !config.changes_from(&old).is_empty())
}
