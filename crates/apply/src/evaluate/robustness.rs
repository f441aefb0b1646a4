//! Let a model with classes read damaged images: how much of what it recognises it still does.

use core::fmt;
use core::sync::atomic::AtomicU64;

use ebm_core::pixels::{byte_of_pixel, pixel_of_byte};
use ebm_core::{Distribution, ImageShape, NoiseKey, PhiloxRng, Stream};
use ebm_data::Images;
use rand::RngExt;
use serde::Serialize;

use super::recognition::{Labelled, of_classified};
use crate::classify::{Classifier, ClassifyError};
use crate::trained::{Trained, Weights};

/// Keys of [`Stream::DataExamples`] for noise, for places and for ways to turn.
const NOISE: u32 = 20;
const PLACE: u32 = 21;
const WAY: u32 = 22;

/// The most classes of which examples are shown.
const MOST_EXAMPLES: usize = 10;

/// Damage of images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Damage {
    /// None.
    None,
    /// Gaussian noise of this σ, with pixels in [0, 1], to which it is clipped.
    Noise(f64),
    /// A black square at a random place, its side this share of the image's shorter one.
    Hidden(f64),
    /// Turned by this many degrees around its middle, one way or the other, black coming in.
    Turned(f64),
}

impl Damage {
    /// What is tried, of each kind from little to much.
    pub const ALL: [Self; 12] = [
        Self::None,
        Self::Noise(0.1),
        Self::Noise(0.2),
        Self::Noise(0.3),
        Self::Noise(0.5),
        Self::Hidden(0.25),
        Self::Hidden(0.375),
        Self::Hidden(0.5),
        Self::Turned(15.0),
        Self::Turned(30.0),
        Self::Turned(45.0),
        Self::Turned(60.0),
    ];

    /// The images with this damage, always the same of the same images.
    ///
    /// # Shapes
    /// - `pixels`: bytes `[n, channels, height, width]`, returns the same
    pub fn of(self, pixels: &[u8], shape: ImageShape) -> Vec<u8> {
        match self {
            Self::None => pixels.to_vec(),
            Self::Noise(std) => noisy(pixels, std),
            Self::Hidden(share) => hidden(pixels, shape, share),
            Self::Turned(degrees) => turned(pixels, shape, degrees),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(f, "none"),
            Self::Noise(std) => write!(f, "noise of {std}"),
            Self::Hidden(share) => write!(f, "hidden square of {share}"),
            Self::Turned(degrees) => write!(f, "turned by {degrees}°"),
        }
    }
}

fn noisy(pixels: &[u8], std: f64) -> Vec<u8> {
    let mut draws = vec![0.0; pixels.len()];
    NoiseKey::new(0, Stream::DataExamples, NOISE).fill(0, Distribution::Normal, &mut draws);
    let noisy = pixels.iter().zip(draws);
    noisy
        .map(|(&byte, draw)| byte_of_pixel(pixel_of_byte(byte) + std as f32 * draw))
        .collect()
}

fn hidden(pixels: &[u8], shape: ImageShape, share: f64) -> Vec<u8> {
    let ImageShape { height, width, .. } = shape;
    let side = (share * height.min(width) as f64).round() as usize;
    let mut out = pixels.to_vec();
    for (number, image) in (0..).zip(out.chunks_exact_mut(shape.pixels())) {
        let mut rng = PhiloxRng::new(NoiseKey::new(0, Stream::DataExamples, PLACE), number);
        let top = rng.random_range(0..=(height - side) as u32) as usize;
        let left = rng.random_range(0..=(width - side) as u32) as usize;
        for plane in image.chunks_exact_mut(height * width) {
            for row in plane.chunks_exact_mut(width).skip(top).take(side) {
                row[left..left + side].fill(0);
            }
        }
    }
    out
}

fn turned(pixels: &[u8], shape: ImageShape, degrees: f64) -> Vec<u8> {
    let mut out = Vec::with_capacity(pixels.len());
    for (number, image) in (0..).zip(pixels.chunks_exact(shape.pixels())) {
        let mut rng = PhiloxRng::new(NoiseKey::new(0, Stream::DataExamples, WAY), number);
        let degrees = if rng.random_bool(0.5) {
            degrees
        } else {
            -degrees
        };
        for plane in image.chunks_exact(shape.height * shape.width) {
            out.extend(turned_plane(
                plane,
                [shape.height, shape.width],
                degrees.to_radians(),
            ));
        }
    }
    out
}

/// A plane turned by an angle, each pixel bilinear between the four around where it comes from.
fn turned_plane(plane: &[u8], [height, width]: [usize; 2], angle: f64) -> Vec<u8> {
    let (sin, cos) = angle.sin_cos();
    let middle = |side: usize| (side as f64 - 1.0) / 2.0;
    let at = |row: f64, column: f64| {
        let is_inside =
            (0.0..height as f64).contains(&row) && (0.0..width as f64).contains(&column);
        match is_inside {
            true => f64::from(plane[row as usize * width + column as usize]),
            false => 0.0,
        }
    };
    let places = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
    let values = places.map(|(row, column)| {
        let (down, right) = (row as f64 - middle(height), column as f64 - middle(width));
        let from_row = middle(height) + cos * down - sin * right;
        let from_column = middle(width) + sin * down + cos * right;
        let (top, left) = (from_row.floor(), from_column.floor());
        let (below, beside) = (from_row - top, from_column - left);
        let upper = at(top, left) * (1.0 - beside) + at(top, left + 1.0) * beside;
        let lower = at(top + 1.0, left) * (1.0 - beside) + at(top + 1.0, left + 1.0) * beside;
        (upper * (1.0 - below) + lower * below).round() as u8
    });
    values.collect()
}

/// How well a model recognises images of one damage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfDamage {
    /// The damage.
    pub damage: String,
    /// Share of the images that it recognises, in [0, 1].
    pub accuracy: f64,
    /// Expected difference between its confidence and its accuracy, 15 bins, in [0, 1].
    pub calibration_error: f64,
    /// What it takes the examples for: an image of each of the first ten classes, in order.
    pub examples: Vec<u32>,
}

/// How well a model with classes recognises damaged images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Robustness {
    /// What the images are: of those that it learned from it may know more.
    pub data: &'static str,
    /// Images of each damage.
    pub images: usize,
    /// Each damage, none first.
    pub damages: Vec<OfDamage>,
}

/// Indices of images that are shown: one of each of the first classes.
fn examples(images: &Images) -> Vec<usize> {
    let classes: Vec<u32> = (0..images.class_names.len().min(MOST_EXAMPLES) as u32).collect();
    images.of_classes(&classes)
}

/// Damaged images, recognised.
#[derive(Clone, Debug, PartialEq)]
pub struct Damaged {
    /// How well.
    pub report: Robustness,
    /// The examples, those of a damage after those of the one before: bytes `[n, channels, height, width]`.
    pub examples: Vec<u8>,
}

/// Let a model recognise labelled images of its own shape and classes under every [`Damage`]. `done` counts the images
/// of each.
///
/// # Errors
/// Where the model has no classes, or an energy is not finite.
///
/// # Panics
/// If there is no image, or images are not of the model's shape, or have fewer classes than the model.
pub fn robustness(
    trained: &Trained,
    weights: Weights,
    labelled: Labelled<'_>,
    done: &AtomicU64,
) -> Result<Damaged, ClassifyError> {
    let images = labelled.images;
    let (expected, got) = (trained.shape(), images.shape);
    assert!(expected == got, "expected {expected} images, got {got}");
    let classifier = Classifier::of(trained, weights)?;
    let shown = examples(images);
    let (mut damages, mut examples) = (Vec::new(), Vec::new());
    for damage in Damage::ALL {
        let damaged = damage.of(&images.pixels, images.shape);
        let found = classifier.classify_counted(&damaged, done)?;
        let recognised = of_classified(&found, labelled);
        damages.push(OfDamage {
            damage: damage.to_string(),
            accuracy: recognised.accuracy,
            calibration_error: recognised.calibration_error,
            examples: shown.iter().map(|&index| found[index].class).collect(),
        });
        let stride = images.shape.pixels();
        let pixels = shown
            .iter()
            .flat_map(|index| &damaged[index * stride..][..stride]);
        examples.extend(pixels.copied());
    }
    let report = Robustness {
        data: labelled.name,
        images: images.len(),
        damages,
    };
    Ok(Damaged { report, examples })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_damage_keeps_the_size_is_always_the_same_and_changes_what_it_should() {
        let shape = ImageShape::new(3, 8, 12);
        let data: Vec<u8> = (0..5 * shape.pixels())
            .map(|i| 100 + (i % 50) as u8)
            .collect();
        for damage in Damage::ALL {
            let found = damage.of(&data, shape);
            assert_eq!(found.len(), data.len(), "{damage}");
            assert_eq!(found == data, damage == Damage::None, "{damage}");
            assert_eq!(found, damage.of(&data, shape), "{damage}");
        }
        assert_eq!(Damage::Turned(0.0).of(&data, shape), data);
    }

    #[test]
    fn noise_has_its_standard_deviation() {
        let shape = ImageShape::new(1, 100, 400);
        let std = 0.1;
        let found = Damage::Noise(std).of(&vec![128; shape.pixels()], shape);
        let differences = found.iter().map(|&byte| (f64::from(byte) - 128.0) / 256.0);
        let variance = differences.map(|it| it * it).sum::<f64>() / shape.pixels() as f64;
        // Bytes are whole, which adds a twelfth of a step's square; nothing is clipped within five σ.
        let expected = std * std + 1.0 / (12.0 * 256.0 * 256.0);
        let error = expected * (2.0 / shape.pixels() as f64).sqrt();
        assert!((variance - expected).abs() < 5.0 * error, "{variance}");
    }

    #[test]
    fn a_square_of_its_share_is_hidden_at_the_same_place_in_every_channel() {
        let shape = ImageShape::new(2, 16, 20);
        let found = Damage::Hidden(0.25).of(&vec![9; 2 * shape.pixels()], shape);
        let mut places = Vec::new();
        for image in found.chunks_exact(shape.pixels()) {
            let (one, other) = image.split_at(16 * 20);
            assert_eq!(one, other);
            let black: Vec<usize> = (0..one.len()).filter(|&at| one[at] == 0).collect();
            assert_eq!(black.len(), 16);
            let corner = black[0];
            let square = (0..16).map(|i| corner + i / 4 * 20 + i % 4);
            assert_eq!(black, square.collect::<Vec<_>>());
            places.push(corner);
        }
        assert_ne!(places[0], places[1]);
    }

    #[test]
    fn a_quarter_turn_moves_pixels_whole_and_an_eighth_keeps_the_middle() {
        let plane = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        let quarter = core::f64::consts::FRAC_PI_2;
        let turned = turned_plane(&plane, [3, 3], quarter);
        assert_eq!(turned, [7, 4, 1, 8, 5, 2, 9, 6, 3]);
        let back = turned_plane(&plane, [3, 3], -quarter);
        assert_eq!(back, [3, 6, 9, 2, 5, 8, 1, 4, 7]);
        let eighth = turned_plane(&[90; 9], [3, 3], quarter / 2.0);
        assert_eq!(eighth[4], 90);
        assert!(eighth[0] < 90, "black comes in at the corners: {eighth:?}");
    }
}
