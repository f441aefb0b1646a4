//! Tell how well a model's scores separate images of other kinds from the data.

use core::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::{Device, Tensor};
use ebm_core::{Energy, ImageShape};
use ebm_model::{Frozen, Network};
use serde::Serialize;
use thiserror::Error;

use super::detection::{Detection, detection};
use super::moments::mean;
use crate::score;
use crate::trained::{Trained, Weights};

/// Images of a set below which chance is warned of.
const FEW: usize = 100;

/// What can be said of how unusual an image is; the higher, the more unusual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// E(x).
    Energy,
    /// |E(x) − Ē|, Ē the mean over training images: an image may be too likely, too.
    FromMean,
    /// ‖∇E(x)‖, pixels in [0, 1]: how hard the energy pulls at the image.
    GradientNorm,
}

impl Score {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 3] = [Self::Energy, Self::FromMean, Self::GradientNorm];

    /// What it is, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Energy => "energy",
            Self::FromMean => "distance of the energy from the mean",
            Self::GradientNorm => "length of the gradient of the energy",
        }
    }

    /// Its formula.
    pub fn formula(self) -> &'static str {
        match self {
            Self::Energy => "E",
            Self::FromMean => "|E − Ē|",
            Self::GradientNorm => "‖∇E‖",
        }
    }
}

/// What a model finds of each image of a set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// E(x); of a model with classes the free energy −log Σ exp(−E(x, y)).
    pub energies: Vec<f64>,
    /// ‖∇E(x)‖, pixels in [0, 1].
    pub gradient_norms: Vec<f64>,
}

/// An energy, or its gradient, that is not finite.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the energy or the gradient of image {index} of {set} is not finite")]
pub struct NotFinite {
    /// The set of images.
    pub set: String,
    /// The image, from 0.
    pub index: usize,
}

impl Scores {
    /// Scores of images, bytes `[n, channels, height, width]`; `set` names them.
    ///
    /// # Errors
    /// Where one is not finite.
    ///
    /// # Panics
    /// If `pixels` are no whole number of images.
    pub fn of(
        energy: &dyn Energy<4>,
        pixels: &[u8],
        shape: ImageShape,
        device: &Device,
        set: &str,
    ) -> Result<Self, NotFinite> {
        Self::counted(energy, (pixels, shape), device, set, &AtomicU64::default())
    }

    /// The same; `done` counts the images.
    fn counted(
        energy: &dyn Energy<4>,
        (pixels, shape): (&[u8], ImageShape),
        device: &Device,
        set: &str,
        done: &AtomicU64,
    ) -> Result<Self, NotFinite> {
        let mut scores = Self::default();
        for images in score::chunks(pixels, shape, device) {
            let num = images.dims()[0];
            scores.add(energy, images);
            done.fetch_add(num as u64, Ordering::Relaxed);
        }
        scores.checked(set)
    }

    /// The same under a network given one class, or E(x) without one.
    ///
    /// # Errors
    /// Where one is not finite.
    ///
    /// # Panics
    /// If `pixels` are no whole number of images, or the model has no such class.
    pub fn under_class(
        model: &Frozen<Network>,
        class: Option<u32>,
        pixels: &[u8],
        shape: ImageShape,
        device: &Device,
        set: &str,
    ) -> Result<Self, NotFinite> {
        let mut scores = Self::default();
        for images in score::chunks(pixels, shape, device) {
            let energy = score::under_class(model, class, images.dims()[0], device);
            scores.add(energy.as_ref(), images);
        }
        scores.checked(set)
    }

    fn add(&mut self, energy: &dyn Energy<4>, images: Tensor<4>) {
        let pixels = images.dims()[1..].iter().product();
        let (energies, gradients) = score::energies_and_gradients(energy, images);
        self.energies.extend(energies.into_iter().map(f64::from));
        self.gradient_norms
            .extend(gradients.chunks_exact(pixels).map(norm));
    }

    fn checked(self, set: &str) -> Result<Self, NotFinite> {
        check_finite(set, &self.energies)?;
        check_finite(set, &self.gradient_norms)?;
        Ok(self)
    }

    /// Add the scores of further images.
    pub fn extend(&mut self, further: Self) {
        self.energies.extend(further.energies);
        self.gradient_norms.extend(further.gradient_norms);
    }

    /// Images.
    pub fn len(&self) -> usize {
        self.energies.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.energies.is_empty()
    }

    /// The mean of E(x).
    pub fn mean_energy(&self) -> f64 {
        mean(&self.energies)
    }

    /// One score of every image; `mean` is Ē.
    pub fn values(&self, score: Score, mean: f64) -> Vec<f64> {
        match score {
            Score::Energy => self.energies.clone(),
            Score::FromMean => self
                .energies
                .iter()
                .map(|energy| (energy - mean).abs())
                .collect(),
            Score::GradientNorm => self.gradient_norms.clone(),
        }
    }
}

/// Images that cannot be told from others.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OutOfDistributionError {
    /// A score is not finite.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
    /// There are none.
    #[error("{set} hold no image: there is nothing to tell from anything")]
    Empty {
        /// The set.
        set: String,
    },
}

/// How well scores separate a set of other images from the data.
#[derive(Clone, Debug, Serialize)]
pub struct Separation {
    /// What the others are.
    pub name: String,
    /// How many.
    pub images: usize,
    /// Their mean energy.
    pub mean_energy: f64,
    /// By E(x).
    pub energy: Detection,
    /// By |E(x) − Ē|.
    pub from_mean: Detection,
    /// By ‖∇E(x)‖.
    pub gradient_norm: Detection,
    /// The scores of each.
    #[serde(skip)]
    pub scores: Scores,
}

/// How well a model tells images of other kinds from the data.
#[derive(Clone, Debug, Serialize)]
pub struct OutOfDistribution {
    /// What the data are: test images, where there are some.
    pub data: &'static str,
    /// How many.
    pub images: usize,
    /// Their mean energy.
    pub mean_energy: f64,
    /// Ē: the mean energy of training images.
    pub mean_energy_of_training: f64,
    /// Each kind of others.
    pub others: Vec<Separation>,
    /// What to know before these numbers are believed.
    pub warnings: Vec<String>,
    /// Scores of the data.
    #[serde(skip)]
    pub scores: Scores,
}

/// Sets of images, bytes `[n, channels, height, width]`.
#[derive(Clone, Copy, Debug)]
pub struct Sets<'a> {
    /// Training images, whose mean energy is Ē.
    pub training: &'a [u8],
    /// What others are told from.
    pub data: &'a [u8],
    /// What these are.
    pub data_name: &'static str,
    /// Others, each with a name.
    pub others: &'a [(String, Vec<u8>)],
}

impl Sets<'_> {
    /// Bytes of all images that are scored.
    pub fn num_bytes(&self) -> usize {
        let others = self.others.iter().map(|(_, pixels)| pixels.len());
        self.training.len() + self.data.len() + others.sum::<usize>()
    }
}

/// Let a model tell others from the data. `done` counts the images of all sets.
///
/// # Errors
/// Where an energy is not finite, or a set is empty.
///
/// # Panics
/// If a set is no whole number of images of the model's shape.
pub fn out_of_distribution(
    trained: &Trained,
    weights: Weights,
    sets: Sets<'_>,
    done: &AtomicU64,
) -> Result<OutOfDistribution, OutOfDistributionError> {
    let model = trained.energy(weights);
    let (shape, device) = (trained.shape(), trained.device());
    let of = |name: &str, pixels: &[u8]| {
        if pixels.is_empty() {
            let set = name.to_owned();
            return Err(OutOfDistributionError::Empty { set });
        }
        Ok(Scores::counted(
            &model,
            (pixels, shape),
            device,
            name,
            done,
        )?)
    };
    let training = of("the training images", sets.training)?;
    let data = of(sets.data_name, sets.data)?;
    let mean = training.mean_energy();
    let others = sets.others.iter().map(|(name, pixels)| {
        let found = of(name, pixels)?;
        Ok::<_, OutOfDistributionError>(separation(name, &data, found, mean))
    });
    let others: Vec<Separation> = others.collect::<Result<_, _>>()?;
    let few = others
        .iter()
        .filter(|other| other.images.min(data.len()) < FEW);
    let warnings = few.map(|other| {
        let (one, other_images) = (data.len() as f64, other.images as f64);
        // Of the rank sum where both are alike (Mann & Whitney 1947).
        let chance = ((one + other_images + 1.0) / (12.0 * one * other_images)).sqrt();
        format!(
            "{} of {} and {} of {}: where nothing tells them apart, AUROC is 0.5 ± {chance:.2}",
            data.len(),
            sets.data_name,
            other.images,
            other.name
        )
    });
    Ok(OutOfDistribution {
        data: sets.data_name,
        images: data.len(),
        mean_energy: data.mean_energy(),
        mean_energy_of_training: mean,
        warnings: warnings.collect(),
        others,
        scores: data,
    })
}

/// Refuse scores of which one is not finite.
pub(super) fn check_finite(set: &str, scores: &[f64]) -> Result<(), NotFinite> {
    match scores.iter().position(|score| !score.is_finite()) {
        Some(index) => Err(NotFinite {
            set: set.to_owned(),
            index,
        }),
        None => Ok(()),
    }
}

/// |v|.
fn norm(v: &[f32]) -> f64 {
    let squares = v.iter().map(|&value| f64::from(value).powi(2));
    squares.sum::<f64>().sqrt()
}

fn separation(name: &str, data: &Scores, others: Scores, mean: f64) -> Separation {
    let [energy, from_mean, gradient_norm] =
        Score::ALL.map(|score| detection(&data.values(score, mean), &others.values(score, mean)));
    Separation {
        name: name.to_owned(),
        images: others.len(),
        mean_energy: others.mean_energy(),
        energy,
        from_mean,
        gradient_norm,
        scores: others,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape::new(1, 1, 2);

    fn scores(
        pixels: &[u8],
        energy: impl Fn(Tensor<4>) -> Tensor<1> + Sync,
    ) -> Result<Scores, NotFinite> {
        Scores::of(&energy, pixels, SHAPE, &Device::flex(), "these")
    }

    /// Σ x.
    fn sum(x: Tensor<4>) -> Tensor<1> {
        x.flatten::<2>(1, 3).sum_dim(1).squeeze_dim(1)
    }

    #[test]
    fn too_likely_is_unusual_too() {
        let data = scores(&[100, 100, 110, 110, 120, 120], sum).expect("finite");
        let dark = scores(&[0, 0, 10, 10], sum).expect("finite");
        let found = separation("dark", &data, dark, data.mean_energy());
        assert_eq!((found.energy.auroc, found.from_mean.auroc), (0.0, 1.0));
        assert_eq!(found.images, 2);
        // The slope is √2 everywhere and tells nothing.
        assert_eq!(found.gradient_norm.auroc, 0.5);
        let norms = &data.gradient_norms;
        assert!(
            norms.iter().all(|norm| (norm - 2f64.sqrt()).abs() < 1e-6),
            "{norms:?}"
        );
    }

    #[test]
    fn an_energy_that_is_no_number_is_named() {
        let bad = scores(&[1, 1, 2, 2, 250, 250], |x| (sum(x) - 1.0).neg().log());
        let expected = NotFinite {
            set: "these".to_owned(),
            index: 2,
        };
        assert_eq!(bad, Err(expected));
    }
}
