//! Recognise images with an energy that is given the class: of the classes, the one of least energy.

use ebm_data::Images;
use serde::Serialize;

use super::calibration::expected_calibration_error;
use crate::classify::{Classified, Classifier, ClassifyError};
use crate::trained::{Trained, Weights};

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
/// # Errors
/// Where the model has no classes, or an energy is not finite.
///
/// # Panics
/// If there is no image, or images are not of the model's shape.
pub fn recognise(
    trained: &Trained,
    weights: Weights,
    images: &Images,
) -> Result<Recognition, ClassifyError> {
    let (expected, got) = (trained.shape(), images.shape);
    assert!(expected == got, "expected {expected} images, got {got}");
    let found = Classifier::of(trained, weights)?.classify(&images.pixels)?;
    Ok(of_classified(&found, &images.labels, trained.num_classes()))
}

/// How often images of these labels were taken for what they are.
pub(super) fn of_classified(found: &[Classified], labels: &[u32], classes: usize) -> Recognition {
    let mut confusion = vec![vec![0; classes]; classes];
    let mut predictions = Vec::with_capacity(labels.len());
    for (found, &label) in found.iter().zip(labels) {
        let class = found.class as usize;
        confusion[label as usize][class] += 1;
        predictions.push((found.probabilities[class], found.class == label));
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
    use crate::classify::classified;

    #[test]
    fn the_class_of_least_energy_is_taken_as_surely_as_energies_differ() {
        // Sure and right; sure and wrong; a tie, which the first class wins.
        let energies = [0.0, 50.0, 50.0, 0.0, -3.0, -3.0];
        let found = classified(&energies, 2).unwrap();
        let found = of_classified(&found, &[0, 0, 1], 2);
        assert_eq!(found.confusion, [[1, 1], [1, 0]]);
        assert!((found.accuracy - 1.0 / 3.0).abs() < 1e-12);
        // Bins: two of confidence 1, one right; one of ½, wrong.
        let expected = (1.0 + 0.5) / 3.0;
        assert!((found.calibration_error - expected).abs() < 1e-12);
    }
}
