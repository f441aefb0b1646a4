//! Tell the class of images with an energy that is given the class: of the classes, the one of least energy.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::{Device, Tensor};
use ebm_core::{ImageShape, each_piece, pieces_of};
use ebm_model::{EnergyModel, Frozen, Network};
use thiserror::Error;

use crate::score;
use crate::trained::{Trained, UnknownClass, Weights};

/// Images whose energies are computed at a time.
const BATCH: usize = 64;

/// What a model takes an image for: argmin over y of E(x, y), as sure of it as p(y | x) ∝ exp(−T·E(x, y)) is, with
/// the T of its training, or 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Classified {
    /// The class of least energy, the first of several.
    pub class: u32,
    /// T times the energy of the next best class, less T times that of the best, in nats: the logarithm of how many
    /// times likelier the best is. Infinite where there is one class alone.
    pub margin: f64,
    /// p(y | x) of every class; their sum is 1.
    pub probabilities: Vec<f64>,
}

/// Images that cannot be classified.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ClassifyError {
    /// The model knows no classes.
    #[error(transparent)]
    Class(#[from] UnknownClass),
    /// An energy is not finite.
    #[error("an energy of image {index} is not finite")]
    NotFinite {
        /// The image, from 0.
        index: usize,
    },
}

/// A trained energy as a classifier.
#[derive(Debug)]
pub struct Classifier<'a> {
    trained: &'a Trained,
    model: Frozen<Network>,
    /// T.
    sharpness: f64,
}

impl<'a> Classifier<'a> {
    /// The classifier of a run.
    ///
    /// # Errors
    /// Where the model has no classes.
    pub fn of(trained: &'a Trained, weights: Weights) -> Result<Self, UnknownClass> {
        if trained.num_classes() == 0 {
            return Err(UnknownClass::NoClasses);
        }
        Ok(Self {
            trained,
            model: trained.energy(weights),
            sharpness: trained.config().objective.class_sharpness(),
        })
    }

    /// Tell the class of each image.
    ///
    /// # Shapes
    /// - `bytes`: `[num, channels, height, width]` of the model's shape, row-major
    /// - returns: `num`
    ///
    /// # Errors
    /// Where an energy is not finite.
    ///
    /// # Panics
    /// If `bytes` are no whole number of images.
    pub fn classify(&self, bytes: &[u8]) -> Result<Vec<Classified>, ClassifyError> {
        self.classify_counted(bytes, &AtomicU64::default())
    }

    /// The same; `done` counts the images.
    ///
    /// # Shapes
    /// - `bytes`: `[num, channels, height, width]` of the model's shape, row-major
    /// - returns: `num`
    ///
    /// # Errors
    /// Where an energy is not finite.
    ///
    /// # Panics
    /// If `bytes` are no whole number of images.
    pub fn classify_counted(
        &self,
        bytes: &[u8],
        done: &AtomicU64,
    ) -> Result<Vec<Classified>, ClassifyError> {
        let energies = self.sharpened_energies(bytes, done);
        classified(&energies, self.trained.num_classes())
    }

    /// T·E(x, y) of every image under every class, `[images, classes]`.
    fn sharpened_energies(&self, bytes: &[u8], done: &AtomicU64) -> Vec<f64> {
        let (device, shape) = (self.trained.device(), self.trained.shape());
        let by_class = |x, places: Range<usize>| {
            let energies = self.model.energies_by_class(x);
            done.fetch_add(places.len() as u64, Ordering::Relaxed);
            energies
        };
        let mut energies = energies_by_class(bytes, shape, device, by_class);
        energies
            .iter_mut()
            .for_each(|energy| *energy *= self.sharpness);
        energies
    }
}

/// E(x, y) of every image under every class, `[images, classes]`, as `by_class` gives them of the images at some places.
///
/// # Panics
/// If `bytes` are no whole number of images.
pub(crate) fn energies_by_class(
    bytes: &[u8],
    shape: ImageShape,
    device: &Device,
    by_class: impl Fn(Tensor<4>, Range<usize>) -> Tensor<2> + Sync,
) -> Vec<f64> {
    let stride = shape.pixels();
    // The last piece has a part of an image, if there is one, and is refused.
    let pieces = pieces_of(bytes.len().div_ceil(stride), BATCH);
    let energies = each_piece(device, pieces, |some| {
        let end = (some.end * stride).min(bytes.len());
        let x = score::images(&bytes[some.start * stride..end], shape, device);
        let by_class = by_class(x, some).into_data();
        by_class.iter::<f64>().collect::<Vec<_>>()
    });
    energies.concat()
}

/// What energies `[images, classes]`, times T, say of each image.
///
/// # Errors
/// Where one is not finite.
pub(crate) fn classified(
    energies: &[f64],
    classes: usize,
) -> Result<Vec<Classified>, ClassifyError> {
    if let Some(place) = energies.iter().position(|energy| !energy.is_finite()) {
        let index = place / classes;
        return Err(ClassifyError::NotFinite { index });
    }
    Ok(energies.chunks_exact(classes).map(of_image).collect())
}

/// What the finite energies of one image say.
fn of_image(energies: &[f64]) -> Classified {
    let (mut class, mut least, mut second) = (0, f64::INFINITY, f64::INFINITY);
    for (place, &energy) in energies.iter().enumerate() {
        if energy < least {
            (class, least, second) = (place, energy, least);
        } else {
            second = second.min(energy);
        }
    }
    let likelihoods: Vec<f64> = energies
        .iter()
        .map(|energy| (least - energy).exp())
        .collect();
    let total: f64 = likelihoods.iter().sum();
    Classified {
        class: class as u32,
        margin: second - least,
        probabilities: likelihoods.iter().map(|it| it / total).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_least_energy_is_taken_as_surely_as_energies_differ() {
        let energies = [2.0, 0.5, 1.0, -3.0, -3.0, 7.0];
        let found = classified(&energies, 3).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].class, found[0].margin), (1, 0.5));
        let sum = (-1.5_f64).exp() + 1.0 + (-0.5_f64).exp();
        let expected = [(-1.5_f64).exp() / sum, 1.0 / sum, (-0.5_f64).exp() / sum];
        for (found, expected) in found[0].probabilities.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-15);
        }
        // Of a tie, the first.
        assert_eq!((found[1].class, found[1].margin), (0, 0.0));
        let total: f64 = found[1].probabilities.iter().sum();
        assert!((total - 1.0).abs() < 1e-15);
    }

    #[test]
    fn the_margin_is_to_the_next_best_class_wherever_it_stands() {
        for energies in [
            [1.0, 3.0, 8.0],
            [3.0, 1.0, 8.0],
            [8.0, 3.0, 1.0],
            [3.0, 8.0, 1.0],
        ] {
            assert_eq!(of_image(&energies).margin, 2.0, "{energies:?}");
        }
        let only = of_image(&[4.0]);
        assert_eq!((only.class, only.margin), (0, f64::INFINITY));
        assert_eq!(only.probabilities, [1.0]);
    }

    #[test]
    fn energies_far_apart_give_a_probability_of_one_and_not_an_overflow() {
        assert_eq!(of_image(&[-1e6, 1e6]).probabilities, [1.0, 0.0]);
        assert_eq!(of_image(&[1e6, -1e6]).probabilities, [0.0, 1.0]);
    }

    #[test]
    fn an_energy_that_is_not_finite_is_told_with_its_image() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let found = classified(&[0.0, 1.0, 2.0, bad], 2);
            assert_eq!(found, Err(ClassifyError::NotFinite { index: 1 }));
        }
    }
}
