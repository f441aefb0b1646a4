//! Hold weights under spectral norm to their bound, by a singular value decomposition, and checkpoints
//! to the state that they were made from.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use ebm_core::Shard;
use ebm_data::{Batches, Images};
use ebm_model::{EnergyModel, Network};

use crate::checkpoint;
use crate::config::Config;
use crate::objective::{AnyObjective, AnyState};
use crate::parameters;
use crate::run::{calibrate, load_state, new_state};
use crate::state::{TrainState, constant_arrays};
use crate::trainer::Trainer;

/// The largest singular value of a matrix, by one-sided Jacobi rotations of its rows.
fn largest_singular_value(matrix: Tensor<2>) -> f64 {
    let [rows, columns] = matrix.dims();
    let values: Vec<f64> = matrix.into_data().iter::<f64>().collect();
    let mut rows_of: Vec<Vec<f64>> = values.chunks(columns).map(<[f64]>::to_vec).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for _sweep in 0..30 {
        for i in 0..rows {
            for j in i + 1..rows {
                let (a, b) = (dot(&rows_of[i], &rows_of[i]), dot(&rows_of[j], &rows_of[j]));
                let c = dot(&rows_of[i], &rows_of[j]);
                if c.abs() <= 1e-15 * (a * b).sqrt() {
                    continue;
                }
                let zeta = (b - a) / (2.0 * c);
                let t = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
                let cos = 1.0 / (1.0 + t * t).sqrt();
                let (sin, (left, right)) = (cos * t, rows_of.split_at_mut(j));
                for (x, y) in left[i].iter_mut().zip(&mut right[0]) {
                    (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
                }
            }
        }
    }
    let lengths = rows_of.iter().map(|row| dot(row, row).sqrt());
    lengths.fold(0.0, f64::max)
}

/// The largest singular value of any weight as the network uses it.
fn largest_norm(mut model: Network) -> f64 {
    let norms = model.spectral_norms();
    assert!(norms.len() > 3, "weights are under spectral norm");
    let values = norms
        .iter()
        .map(|weight| largest_singular_value(weight.normalized()));
    values.fold(0.0, f64::max)
}

type State = TrainState<Network, AnyState>;

/// A preset with other keys, its images, and a trainer before its first iteration.
fn start(preset: &str, overrides: &[&str]) -> (Config, Images, Trainer<Network, AnyObjective>) {
    let overrides: Vec<_> = overrides.iter().map(|key| (*key).to_owned()).collect();
    let config = Config::resolve(preset, None, &overrides).expect("resolves");
    let data = ebm_data::load(&config.data, 1).expect("drawn").train;
    let state = new_state(&config, (&data).into(), &Device::flex()).expect("fits");
    let trainer = Trainer::from_state(state, config.objective(), config.seed);
    let trainer = trainer.with_config(config.step());
    (config, data, trainer)
}

/// Train for some iterations. Returns the state, and how far the weight that moved most has moved.
fn train(
    mut trainer: Trainer<Network, AnyObjective>,
    config: &Config,
    data: &Images,
    iterations: usize,
) -> (State, f32) {
    let device = Device::flex();
    let mut batches = Batches::new(data, config.batches(), config.seed, &device);
    let before = parameters::flatten(&trainer.state.model);
    for _ in 0..iterations {
        trainer.step(&batches.at(trainer.key(), Shard::WHOLE));
    }
    let state = trainer.state;
    let moved = (parameters::flatten(&state.model) - before).abs().max();
    (state, moved.into_scalar())
}

/// The state that is read from a checkpoint of this one.
fn read_back(state: &State, config: &Config) -> State {
    let dir = tempfile::tempdir().expect("a folder");
    let files = state.to_files();
    let files = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.clone()));
    let files: Vec<_> = files.collect();
    let path = checkpoint::write(dir.path(), state.iteration, &files, 1).expect("written");
    let checkpoint = checkpoint::read(&path).expect("read");
    load_state(config, &checkpoint, &Device::flex()).expect("fits")
}

#[test]
fn no_weight_under_spectral_norm_stretches_after_training_in_the_average_or_after_loading() {
    for network in ["mnist", "resnet32"] {
        let overrides = [
            &format!("model.network={network}"),
            "model.filters=4",
            "batch_size=8",
            "lr=3e-4",
            "langevin.num_steps=2",
            "buffer.capacity=16",
            "data.train_images=32",
            "data.image_size=16",
        ];
        let (config, data, trainer) = start("digits", &overrides);
        let (state, moved) = train(trainer, &config, &data, 60);
        assert!(moved > 0.005, "the weights have moved");
        let norm = largest_norm(state.model.clone());
        assert!(
            norm < 1.01,
            "{network}: {norm}: one iteration a step follows the weights"
        );

        let mut average = parameters::unflatten(state.model.valid(), &state.ema);
        for weight in &mut average.spectral_norms() {
            weight.converge();
        }
        let norm = largest_norm(average);
        assert!(norm < 1.0 + 1e-3, "{network}: {norm} in the average");

        let loaded = read_back(&state, &config);
        assert_eq!(largest_norm(loaded.model), largest_norm(state.model));
    }
}

#[test]
fn a_state_comes_back_bit_for_bit() {
    let overrides = [
        "batch_size=8",
        "model.filters=4",
        "langevin.method=mala",
        "langevin.target_acceptance=0.6",
        "langevin.num_steps=3",
        "buffer.capacity=16",
        "data.train_images=48",
        "data.image_size=16",
    ];
    let (config, data, mut trainer) = start("digits-conditional", &overrides);
    trainer.state.attempt = 3;
    let (state, _) = train(trainer, &config, &data, 4);
    assert_ne!(
        state.objective_state().step_scale(),
        1.0,
        "the step size adapts"
    );
    let loaded = read_back(&state, &config);
    assert_eq!(loaded.to_files(), state.to_files());
    assert_eq!((loaded.attempt, loaded.iteration), (3, 4));
}

#[test]
fn what_a_network_has_measured_comes_back_and_neither_decay_nor_average_touches_it() {
    let overrides = [
        "model.network=experts",
        "model.spectral_norm=none",
        "model.dimensions=12",
        "objective.kind=whitened-cd",
        "batch_size=8",
        "lr=0.01",
        "optimizer.weight_decay=1.0",
        "data.train_images=48",
        "data.image_size=16",
    ];
    let (config, data, mut trainer) = start("digits", &overrides);
    calibrate(&mut trainer.state.model, &data, &Device::flex()).expect("data that vary");
    let before = constant_arrays(trainer.state.model.clone());
    assert_eq!(before.len(), 2);
    let (state, moved) = train(trainer, &config, &data, 4);
    assert!(moved > 0.0, "it has learned");
    assert!(constant_arrays(state.model.clone()) == before);
    let loaded = read_back(&state, &config);
    assert_eq!(loaded.to_files(), state.to_files());
    assert!(constant_arrays((*loaded.ema_model()).clone()) == before);
    let AnyState::Trajectories(trajectories) = loaded.objective_state() else {
        panic!("steps of trajectories");
    };
    assert_ne!(trajectories.step_scale, 1.0);
}

#[test]
fn networks_of_stages_train_and_come_back_bit_for_bit() {
    for network in ["model.network=unet", "model.network=pooled"] {
        let overrides = [
            network,
            "model.widths=[4, 6]",
            "batch_size=8",
            "langevin.num_steps=2",
            "buffer.capacity=16",
            "data.train_images=48",
            "data.image_size=16",
        ];
        let (config, data, trainer) = start("digits-conditional", &overrides);
        let (state, moved) = train(trainer, &config, &data, 3);
        assert!(moved > 0.0, "{network} has learned");
        let loaded = read_back(&state, &config);
        assert_eq!(loaded.to_files(), state.to_files(), "{network}");
    }
}
