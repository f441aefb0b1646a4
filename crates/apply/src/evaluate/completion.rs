//! Let a model complete images of which the lower half is missing, and ask a frozen classifier what they are.

use ebm_core::pixels::{byte_of_pixel, pixel_of_byte};
use ebm_core::{ImageShape, each_piece, pieces_of};
use ebm_data::{Images, Planes};
use ebm_langevin::StepCounter;
use rayon::prelude::*;
use serde::Serialize;
use thiserror::Error;

use super::features::{FeatureError, FeatureNetwork};
use super::vectors::squared_byte_distance;
use crate::denoise::Denoiser;
use crate::restore::{MOST_STEPS, Mask, MissingPixels, RestoreError};
use crate::trained::{Trained, Weights};

/// Images whose chains run at a time.
const CHUNK: usize = 500;

/// How images are completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletionOptions {
    /// Steps of every chain. An energy that has learned to denoise [draws](crate::restore::RestoreMethod::Draws) instead.
    pub steps: usize,
    /// Seed of the chains.
    pub seed: u64,
}

/// How many completed images a frozen classifier takes for what they are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Completion {
    /// Images.
    pub images: usize,
    /// Steps of every chain; none of an energy that has learned to denoise, which draws.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// The classifier.
    pub features: String,
    /// Share of the images that it reads as their own class where the model has completed them, in [0, 1].
    pub read: f64,
    /// The same where their missing pixels are those of the training image whose other pixels are nearest (L2).
    pub read_nearest: f64,
    /// The same of the whole images.
    pub read_whole: f64,
}

/// Completed images, in bytes of `[n, channels, height, width]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Completed {
    /// How well.
    pub report: Completion,
    /// What the model was given, missing pixels black.
    pub known: Vec<u8>,
    /// Completed by the model.
    pub completed: Vec<u8>,
    /// Completed by the nearest training image.
    pub nearest: Vec<u8>,
}

/// Images that cannot be completed and read.
#[derive(Debug, Error)]
pub enum CompletionError {
    /// The classifier knows other classes than the images have.
    #[error(
        "features `{features}` know the classes {}, and the images {}",
        known.join(", "),
        if classes.is_empty() { "have none".to_owned() } else { format!("have {}", classes.join(", ")) }
    )]
    OtherClasses {
        /// The classifier.
        features: String,
        /// Its classes.
        known: Vec<String>,
        /// The classes of the images.
        classes: Vec<String>,
    },
    /// It sees images of another shape.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// The model cannot complete images.
    #[error(transparent)]
    Restore(#[from] RestoreError),
}

/// Check that a classifier can read completed images of these classes, and the model complete them.
///
/// # Errors
/// Where it knows other classes, or the run is one of a flow or of noise levels.
pub fn check_completion(
    trained: &Trained,
    features: &FeatureNetwork,
    class_names: &[String],
) -> Result<(), CompletionError> {
    if !trained.is_denoiser() {
        MissingPixels::check(trained)?;
    }
    let known = &features.note().class_names;
    if known == class_names {
        return Ok(());
    }
    Err(CompletionError::OtherClasses {
        features: features.id(),
        known: known.clone(),
        classes: class_names.to_vec(),
    })
}

/// Complete the lower half of labelled images of the model's own shape by chains of the run's own steps, and
/// by the training image whose upper half is nearest; let a frozen classifier read both. `counter` counts to
/// [`completion_gradients`].
///
/// # Errors
/// As [`check_completion`], and where chains diverge.
///
/// # Panics
/// If there is no image, there is no training image, or they are not of the model's shape.
pub fn complete(
    (trained, weights): (&Trained, Weights),
    features: &FeatureNetwork,
    images: &Images,
    training: &[u8],
    options: CompletionOptions,
    counter: &StepCounter,
) -> Result<Completed, CompletionError> {
    let (expected, shape) = (trained.shape(), images.shape);
    assert!(expected == shape, "expected {expected} images, got {shape}");
    check_completion(trained, features, &images.class_names)?;
    let mask = lower_half(shape);
    let model = (trained, weights);
    let completed = match trained.is_denoiser() {
        true => by_draws(model, images, &mask, options.seed, counter)?,
        false => by_chains(model, images, &mask, options, counter)?,
    };
    // Known pixels are the bytes that they were.
    let with_missing_of = |others: &[u8]| -> Vec<u8> {
        let places = mask.missing.iter().cycle();
        let pixels = places.zip(images.pixels.iter().zip(others));
        pixels
            .map(|(&is_missing, (&own, &other))| if is_missing { other } else { own })
            .collect()
    };
    let completed = with_missing_of(&completed);
    let nearest = with_missing_of(&nearest_by_known(&images.pixels, training, shape, &mask));
    let read = |pixels: &[u8]| -> Result<f64, CompletionError> {
        let classes = features.describe(pixels, shape)?.classes;
        let right = classes
            .iter()
            .zip(&images.labels)
            .filter(|(read, own)| read == own);
        Ok(right.count() as f64 / images.len() as f64)
    };
    Ok(Completed {
        report: Completion {
            images: images.len(),
            steps: (!trained.is_denoiser()).then_some(options.steps),
            features: features.id(),
            read: read(&completed)?,
            read_nearest: read(&nearest)?,
            read_whole: read(&images.pixels)?,
        },
        known: with_missing_of(&vec![0; images.pixels.len()]),
        completed,
        nearest,
    })
}

/// How many gradients completing `images` images takes, at most.
pub fn completion_gradients(trained: &Trained, images: usize, options: CompletionOptions) -> u64 {
    let of_image = match trained.is_denoiser() {
        true => MOST_STEPS as usize,
        false => MissingPixels::gradients_of(trained, None, options.steps),
    };
    (images * of_image) as u64
}

fn by_chains(
    (trained, weights): (&Trained, Weights),
    images: &Images,
    mask: &Mask,
    options: CompletionOptions,
    counter: &StepCounter,
) -> Result<Vec<u8>, RestoreError> {
    let chains = MissingPixels {
        trained,
        weights,
        class: None,
        mask,
        steps: options.steps,
        seed: options.seed,
        counter: counter.clone(),
    };
    let mut completed = Vec::with_capacity(images.pixels.len());
    let chunks = images.pixels.chunks(CHUNK * images.shape.pixels());
    for (first, chunk) in (0..).step_by(CHUNK).zip(chunks) {
        let pixels = chunk.iter().map(|&byte| pixel_of_byte(byte)).collect();
        completed.extend(chains.of(pixels, first)?.into_iter().map(byte_of_pixel));
    }
    Ok(completed)
}

fn by_draws(
    (trained, weights): (&Trained, Weights),
    images: &Images,
    mask: &Mask,
    seed: u64,
    counter: &StepCounter,
) -> Result<Vec<u8>, RestoreError> {
    let denoiser = Denoiser::of(trained, weights)?;
    let each = pieces_of(images.len(), 1);
    let drawn = each_piece(trained.device(), each, |one| {
        let pixels = images.image(one.start).iter();
        let image = Planes {
            pixels: pixels.map(|&byte| pixel_of_byte(byte)).collect(),
            shape: images.shape,
        };
        let drawn = denoiser.drawn(&image, mask, seed, one.start as u32)?;
        counter.add(MOST_STEPS as usize);
        Ok(drawn.pixels.into_iter().map(byte_of_pixel).collect())
    });
    let drawn: Vec<Vec<u8>> = drawn.into_iter().collect::<Result<_, RestoreError>>()?;
    Ok(drawn.concat())
}

/// What is missing: the rows from the middle on.
fn lower_half(shape: ImageShape) -> Mask {
    let size = [shape.height, shape.width];
    let first = shape.height / 2 * shape.width;
    Mask {
        missing: (0..shape.height * shape.width)
            .map(|place| place >= first)
            .collect(),
        size,
    }
}

/// For each image the training image whose known pixels are nearest, the first of several.
fn nearest_by_known(images: &[u8], training: &[u8], shape: ImageShape, mask: &Mask) -> Vec<u8> {
    let stride = shape.pixels();
    let known_of = |pixels: &[u8]| -> Vec<u8> {
        let places = mask.missing.iter().cycle().zip(pixels);
        places
            .filter(|(is_missing, _)| !**is_missing)
            .map(|(_, &byte)| byte)
            .collect()
    };
    let known = known_of(training);
    let len = known.len() / (training.len() / stride);
    let nearest = |image: &[u8]| {
        let own = known_of(image);
        let distances = known
            .chunks_exact(len)
            .map(|other| squared_byte_distance(&own, other));
        let (nearest, _) = (distances.enumerate().min_by_key(|(_, distance)| *distance))
            .expect("there is a training image");
        training[nearest * stride..][..stride].to_vec()
    };
    let found: Vec<Vec<u8>> = images.par_chunks_exact(stride).map(nearest).collect();
    found.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_training_image_is_that_whose_upper_half_differs_least() {
        let shape = ImageShape::new(2, 3, 1);
        let mask = lower_half(shape);
        assert_eq!(mask.missing, [false, true, true]);
        // Known are the first and the fourth byte, of one plane each.
        let training = [
            [10, 1, 1, 20, 1, 1],
            [12, 2, 2, 20, 2, 2],
            [12, 3, 3, 20, 3, 3],
        ];
        let images = [[12, 99, 99, 21, 99, 99], [9, 0, 0, 19, 0, 0]];
        let found = nearest_by_known(&images.concat(), &training.concat(), shape, &mask);
        assert_eq!(found, [training[1], training[0]].concat());
    }
}
