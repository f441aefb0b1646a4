//! Hold weights under spectral norm to their bound, by a singular value decomposition.

use burn::module::Module;

use super::*;
use crate::batches::Batches;
use crate::{data, trainer};

/// The largest singular value of a matrix, by one-sided Jacobi rotations of its rows.
fn largest_singular_value(matrix: Tensor<2>) -> f64 {
    let [rows, columns] = matrix.dims();
    let numbers: Vec<f64> = matrix.into_data().iter::<f64>().collect();
    let mut rows_of: Vec<Vec<f64>> = numbers.chunks(columns).map(<[f64]>::to_vec).collect();
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

#[test]
fn no_weight_under_spectral_norm_stretches_after_training_in_the_average_or_after_loading() {
    for network in ["mnist", "resnet32"] {
        let overrides = [
            &format!("model.network={network}"),
            "model.filters=4",
            "batch_size=8",
            "langevin.num_steps=2",
            "buffer.capacity=16",
            "data.train_images=32",
            "data.image_size=16",
        ];
        let config = Config::resolve("digits", None, &overrides.map(String::from));
        let config = config.expect("resolves");
        let dataset = data::load(&config.data, 1).expect("drawn");
        let device = Device::flex();
        let state = TrainState::new(&config, (&dataset.train).into(), &device);
        let mut state = state.expect("fits");
        let mut batches = Batches::new(&dataset.train, &config, &device);
        let before = parameters::flatten(&state.model);
        for iteration in 0..60 {
            trainer::step(&config, &mut state, batches.at(iteration), false);
        }
        let moved = (parameters::flatten(&state.model) - before).abs().max();
        assert!(moved.into_scalar::<f32>() > 0.005, "the weights have moved");
        let norm = largest_norm(state.model.clone());
        assert!(
            norm < 1.01,
            "{network}: {norm}: one iteration a step follows the weights"
        );

        let mut average = parameters::unflatten(state.model.valid(), &state.ema);
        average
            .spectral_norms()
            .iter_mut()
            .for_each(|weight| weight.settle());
        let norm = largest_norm(average);
        assert!(norm < 1.0 + 1e-3, "{network}: {norm} in the average");

        let (files, dir) = (
            state.to_files(&config),
            tempfile::tempdir().expect("a folder"),
        );
        let path = checkpoint::write(dir.path(), 60, &files, 1).expect("written");
        let checkpoint = checkpoint::read(&path).expect("read");
        let loaded = TrainState::load(&config, &checkpoint, &device).expect("fits");
        assert_eq!(largest_norm(loaded.model), largest_norm(state.model));
    }
}
