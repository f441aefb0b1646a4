//! Recognise images with an energy that is given the class: of the classes, the one of least energy.

use core::sync::atomic::AtomicU64;

use ebm_data::Images;
use serde::Serialize;

use super::calibration::expected_calibration_error;
use crate::classify::{Classified, Classifier, ClassifyError};
use crate::trained::{Trained, Weights};

/// Images with classes, and what they are.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a> {
    /// The images.
    pub images: &'a Images,
    /// What they are, such as `test images`.
    pub name: &'static str,
}

/// How well a model with classes recognises images: argmin over y of E(x, y), as sure of it as
/// p(y | x) ∝ exp(−T·E(x, y)) is, with the T of its training, or 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recognition {
    /// What the images are: of those that it learned from it may know more.
    pub data: &'static str,
    /// Share of the images that it recognises, in [0, 1].
    pub accuracy: f64,
    /// Expected difference between its confidence and its accuracy, 15 bins, in [0, 1].
    pub calibration_error: f64,
    /// The classes, in the order of rows and columns of `confusion`.
    pub class_names: Vec<String>,
    /// Images of each class (rows) that it takes for each class (columns).
    pub confusion: Vec<Vec<usize>>,
    /// Images.
    pub images: usize,
}

/// Images of one class that are taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Their class.
    pub class: usize,
    /// What they are taken for.
    pub taken_for: usize,
    /// How many.
    pub images: usize,
}

impl Recognition {
    /// What is taken for something else, the most frequent first.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let rows = self.confusion.iter().enumerate();
        let all = rows.flat_map(|(class, row)| {
            row.iter()
                .enumerate()
                .map(move |(taken_for, &images)| Mistake {
                    class,
                    taken_for,
                    images,
                })
        });
        let mut mistakes: Vec<_> = all
            .filter(|it| it.class != it.taken_for && it.images > 0)
            .collect();
        // Stable: those of one number stay in the order of their classes.
        mistakes.sort_by_key(|it| core::cmp::Reverse(it.images));
        mistakes
    }
}

/// Let a model recognise labelled images of its own shape and classes. `done` counts the images.
///
/// # Errors
/// Where the model has no classes, or an energy is not finite.
///
/// # Panics
/// If there is no image, or images are not of the model's shape, or have fewer classes than the model.
pub fn recognise(
    trained: &Trained,
    weights: Weights,
    labelled: Labelled<'_>,
    done: &AtomicU64,
) -> Result<Recognition, ClassifyError> {
    let (expected, got) = (trained.shape(), labelled.images.shape);
    assert!(expected == got, "expected {expected} images, got {got}");
    let pixels = &labelled.images.pixels;
    let found = Classifier::of(trained, weights)?.classify_counted(pixels, done)?;
    Ok(of_classified(&found, labelled))
}

/// How often images were taken for what they are.
pub(super) fn of_classified(found: &[Classified], labelled: Labelled<'_>) -> Recognition {
    let Labelled { images, name } = labelled;
    let (labels, classes) = (&images.labels, images.class_names.len());
    let mut confusion = vec![vec![0; classes]; classes];
    let mut predictions = Vec::with_capacity(labels.len());
    for (found, &label) in found.iter().zip(labels) {
        let class = found.class as usize;
        confusion[label as usize][class] += 1;
        predictions.push((found.probabilities[class], found.class == label));
    }
    let right = predictions.iter().filter(|(_, is_right)| *is_right).count();
    Recognition {
        data: name,
        accuracy: right as f64 / labels.len() as f64,
        calibration_error: expected_calibration_error(&predictions),
        class_names: images.class_names.clone(),
        confusion,
        images: labels.len(),
    }
}

#[cfg(test)]
mod tests {
    use ebm_core::ImageShape;

    use super::*;
    use crate::classify::classified;

    fn images(labels: &[u32], class_names: &[&str]) -> Images {
        Images {
            pixels: vec![0_u8; labels.len()].into(),
            shape: ImageShape::new(1, 1, 1),
            labels: labels.to_vec(),
            class_names: class_names.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn the_class_of_least_energy_is_taken_as_surely_as_energies_differ() {
        // Sure and right; sure and wrong; a tie, which the first class wins.
        let energies = [0.0, 50.0, 50.0, 0.0, -3.0, -3.0];
        let found = classified(&energies, 2).unwrap();
        let images = images(&[0, 0, 1], &["a", "b"]);
        let name = "test images";
        let found = of_classified(
            &found,
            Labelled {
                images: &images,
                name,
            },
        );
        assert_eq!((found.data, found.images), (name, 3));
        assert_eq!(found.confusion, [[1, 1], [1, 0]]);
        assert!((found.accuracy - 1.0 / 3.0).abs() < 1e-12);
        // Bins: two of confidence 1, one right; one of ½, wrong.
        let expected = (1.0 + 0.5) / 3.0;
        assert!((found.calibration_error - expected).abs() < 1e-12);
    }

    #[test]
    fn mistakes_come_by_their_number_and_then_by_their_class() {
        let found = Recognition {
            data: "test images",
            accuracy: 0.0,
            calibration_error: 0.0,
            class_names: Vec::new(),
            confusion: vec![vec![90, 2, 0], vec![7, 80, 2], vec![0, 0, 70]],
            images: 251,
        };
        let mistakes = found.mistakes().into_iter();
        let told: Vec<_> = mistakes
            .map(|it| (it.class, it.taken_for, it.images))
            .collect();
        assert_eq!(told, [(1, 0, 7), (0, 1, 2), (1, 2, 2)]);
    }
}
