//! Recognise images with an energy that is given the class: of the classes, the one of least energy.

use ebm_core::{each_piece, pieces_of};
use ebm_data::Images;
use ebm_model::EnergyModel;
use serde::Serialize;

use super::calibration::expected_calibration_error;
use crate::score;
use crate::trained::{Trained, Weights};

/// Images whose energies are computed at a time.
const BATCH: usize = 64;

/// How well a model with classes recognises images: argmin over y of E(x, y), as sure of it as
/// p(y | x) ∝ exp(−T·E(x, y)) is, with the T of its training, or 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recognition {
    /// Share of the images that it recognises, in [0, 1].
    pub accuracy: f64,
    /// Expected difference between its confidence and its accuracy, 15 bins, in [0, 1].
    pub calibration_error: f64,
    /// Images of each class (rows) that it takes for each class (columns).
    pub confusion: Vec<Vec<usize>>,
    /// Images.
    pub images: usize,
}

/// Let a model recognise labelled images of its own shape and classes.
///
/// # Panics
/// If the model has no classes, or there is no image.
pub fn recognise(trained: &Trained, weights: Weights, images: &Images) -> Recognition {
    let (model, device) = (trained.energy(weights), trained.device());
    let stride = images.shape.pixels();
    let sharpness = trained.config().objective.class_sharpness();
    let energies = each_piece(device, pieces_of(images.len(), BATCH), |some| {
        let bytes = &images.pixels[some.start * stride..some.end * stride];
        let x = score::images(bytes, images.shape, device);
        let by_class = model.energies_by_class(x).into_data();
        by_class
            .iter::<f64>()
            .map(|energy| energy * sharpness)
            .collect::<Vec<_>>()
    });
    of_energies(&energies.concat(), &images.labels, trained.num_classes())
}

/// What energies `[images, classes]` recognise.
fn of_energies(energies: &[f64], labels: &[u32], classes: usize) -> Recognition {
    let mut confusion = vec![vec![0; classes]; classes];
    let mut predictions = Vec::with_capacity(labels.len());
    for (of_image, &label) in energies.chunks_exact(classes).zip(labels) {
        let least = of_image.iter().copied().fold(f64::INFINITY, f64::min);
        let class = of_image
            .iter()
            .position(|&energy| energy == least)
            .unwrap_or(0);
        let total: f64 = of_image.iter().map(|energy| (least - energy).exp()).sum();
        confusion[label as usize][class] += 1;
        predictions.push((1.0 / total, class == label as usize));
    }
    let right = predictions.iter().filter(|(_, is_right)| *is_right).count();
    Recognition {
        accuracy: right as f64 / labels.len() as f64,
        calibration_error: expected_calibration_error(&predictions),
        confusion,
        images: labels.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_least_energy_is_taken_as_surely_as_energies_differ() {
        // Sure and right; sure and wrong; a tie, which the first class wins.
        let energies = [0.0, 50.0, 50.0, 0.0, -3.0, -3.0];
        let found = of_energies(&energies, &[0, 0, 1], 2);
        assert_eq!(found.confusion, [[1, 1], [1, 0]]);
        assert!((found.accuracy - 1.0 / 3.0).abs() < 1e-12);
        // Bins: two of confidence 1, one right; one of ½, wrong.
        let expected = (1.0 + 0.5) / 3.0;
        assert!((found.calibration_error - expected).abs() < 1e-12);
    }
}
