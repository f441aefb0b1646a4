//! Make the state of a run from its configuration: a new one, or a checkpoint's.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::pixels::pixel_of_byte;
use ebm_core::{Invalid, Shard};
use ebm_data::Images;
use ebm_model::{EnergyModel, Network};

use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::collective::Team;
use crate::config::{Config, initial_model};
use crate::objective::{AnyState, Objective};
use crate::state::{DataSummary, OfShard, TrainState};
use crate::watch::Watch;

/// The most images on which the constants of a network are measured.
const CALIBRATED_ON: usize = 20_000;

/// Measure what a network takes from the data before it learns ([`EnergyModel::calibrate`]), on images spread over them,
/// always the same. `device` without autodiff.
///
/// # Errors
/// Where the data do not determine it.
pub fn calibrate(
    model: &mut impl EnergyModel,
    data: &Images,
    device: &Device,
) -> Result<(), Invalid> {
    if model.constants().is_empty() {
        return Ok(());
    }
    let some = data.spread(CALIBRATED_ON.min(data.len()));
    let pixels: Vec<f32> = data.gather(&some).into_iter().map(pixel_of_byte).collect();
    let pixels = TensorData::new(pixels, data.shape.batch(some.len()));
    let measured = model.calibrate(Tensor::from_data(pixels, device));
    measured.map_err(|error| Invalid::new("model", error.to_string()))
}

/// The state before the first iteration, of a network that has [measured](calibrate) nothing yet. `device` without
/// autodiff.
///
/// # Errors
/// Where the network does not fit the data.
pub fn new_state(
    config: &Config,
    data: DataSummary,
    device: &Device,
) -> Result<TrainState<Network, AnyState>, Invalid> {
    new_state_of(config, data, device, &Team::alone(config.shards))
}

/// [`new_state`] of a rank.
pub(super) fn new_state_of(
    config: &Config,
    data: DataSummary,
    device: &Device,
    team: &Team,
) -> Result<TrainState<Network, AnyState>, Invalid> {
    let autodiff = device.clone().autodiff();
    let model = initial_model(config, data.shape, data.num_classes(), &autodiff)?;
    let objective = config.settings_of(0).config.objective();
    let states = OfShard::each(team.shards(), |shard| {
        Objective::<Network>::init(&objective, &data, config.seed, shard, device)
    });
    Ok(TrainState::of_shards(model, states, data, device))
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
    load_state_of(config, checkpoint, device, &Team::alone(config.shards))
}

/// The part of it that a rank goes on from.
///
/// # Errors
/// As [`read()`](checkpoint::read) and [`load_state`].
pub(super) fn read_state(
    config: &Config,
    path: &Path,
    device: &Device,
    team: &Team,
) -> Result<TrainState<Network, AnyState>, CheckpointError> {
    let checkpoint = checkpoint::read_for_shards(path, &team.shards())?;
    load_state_of(config, &checkpoint, device, team)
}

fn load_state_of(
    config: &Config,
    checkpoint: &Checkpoint,
    device: &Device,
    team: &Team,
) -> Result<TrainState<Network, AnyState>, CheckpointError> {
    let stored = config_of(checkpoint);
    if let Some(there) = stored.as_ref().map(|old| old.shards)
        && there != config.shards
    {
        return Err(CheckpointError::OtherShards {
            path: checkpoint.path.clone(),
            there,
            here: config.shards,
        });
    }
    let data = DataSummary::of_checkpoint(checkpoint)?;
    let autodiff = device.clone().autodiff();
    let model = initial_model(config, data.shape, data.num_classes(), &autodiff)
        .map_err(|invalid| checkpoint.invalid("config.toml", invalid.to_string()))?;
    let objective = config.settings_of(checkpoint.step).config.objective();
    let load = |shard: Shard| {
        let checkpoint = checkpoint.of_shard(shard);
        let state = Objective::<Network>::load(&objective, &data, &checkpoint, device)?;
        Ok(OfShard { shard, state })
    };
    let states: Result<Vec<_>, CheckpointError> = team.shards().into_iter().map(load).collect();
    let mut state = TrainState::load(model, states?, checkpoint, device)?;
    if stored.is_some_and(|old| !config.changes_from(&old).is_empty()) {
        state.watch = Watch::default(); // what it has seen may be what was mended
    }
    Ok(state)
}

/// The configuration under which a checkpoint was written, where it can be read.
fn config_of(checkpoint: &Checkpoint) -> Option<Config> {
    let stored = checkpoint.file("config.toml").ok()?;
    toml::from_slice(stored).ok()
}
