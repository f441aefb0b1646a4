//! Make images that are not of the data, from the data where they can be: what a good energy finds unusual.

use ebm_core::pixels::byte_of_pixel;
use ebm_core::{Distribution, ImageShape, NoiseKey, PhiloxRng, Stream};

/// Standard deviation, in pixels, of the blur of blurred data.
pub const BLUR: f64 = 1.0;

/// Patches along each side of an image whose patches are shuffled.
const PATCHES: usize = 4;

/// Keys of [`Stream::DataExamples`] for noise, constants and the order of patches.
const NOISE: u32 = 10;
const CONSTANT: u32 = 11;
const ORDER: u32 = 12;

/// Images that are not of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// Every byte uniform, by itself.
    Noise,
    /// Every plane of one uniform byte.
    Constant,
    /// Images of the data, blurred by a Gaussian of [`BLUR`] pixels.
    Blurred,
    /// Images of the data whose 4 × 4 patches are in a random order.
    Shuffled,
    /// Images of the data, 255 − each byte.
    Inverted,
    /// Images of the data, turned by a quarter clockwise.
    Rotated,
}

impl Anomaly {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Noise,
        Self::Constant,
        Self::Blurred,
        Self::Shuffled,
        Self::Inverted,
        Self::Rotated,
    ];

    /// Its name on a command line and in a report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Constant => "constant",
            Self::Blurred => "blurred",
            Self::Shuffled => "shuffled",
            Self::Inverted => "inverted",
            Self::Rotated => "rotated",
        }
    }

    /// As many such images as `data` has, always the same.
    ///
    /// # Shapes
    /// - `data`: bytes `[n, channels, height, width]`, returns the same. Images that are not square are turned
    ///   by a half.
    pub fn of(self, data: &[u8], shape: ImageShape) -> Vec<u8> {
        let plane = shape.height * shape.width;
        match self {
            Self::Noise => uniform_bytes(data.len(), NOISE),
            Self::Constant => {
                let values = uniform_bytes(data.len() / plane, CONSTANT);
                values
                    .into_iter()
                    .flat_map(|value| vec![value; plane])
                    .collect()
            }
            Self::Blurred => blurred(data, shape),
            Self::Shuffled => shuffled(data, shape),
            Self::Inverted => data.iter().map(|byte| 255 - byte).collect(),
            Self::Rotated => data
                .chunks_exact(plane)
                .flat_map(|plane| rotated(plane, shape))
                .collect(),
        }
    }
}

fn uniform_bytes(len: usize, key: u32) -> Vec<u8> {
    let mut draws = vec![0.0; len];
    NoiseKey::new(0, Stream::DataExamples, key).fill(0, Distribution::Uniform, &mut draws);
    draws.into_iter().map(byte_of_pixel).collect()
}

/// Images blurred by a Gaussian of [`BLUR`] pixels, edges repeated, `[n, channels, height, width]`.
pub fn blurred(pixels: &[u8], shape: ImageShape) -> Vec<u8> {
    const REACH: isize = 3;
    let weights: Vec<f64> = (-REACH..=REACH)
        .map(|at| (-0.5 * (at as f64 / BLUR).powi(2)).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    let (height, width) = (shape.height, shape.width);
    let along = |plane: &[f64], len: usize, index: &dyn Fn(usize, usize) -> usize| {
        let mut out = vec![0.0; plane.len()];
        for line in 0..plane.len() / len {
            for at in 0..len {
                let sum: f64 = (-REACH..=REACH)
                    .zip(&weights)
                    .map(|(step, weight)| {
                        let from = (at as isize + step).clamp(0, len as isize - 1) as usize;
                        weight * plane[index(line, from)]
                    })
                    .sum();
                out[index(line, at)] = sum / total;
            }
        }
        out
    };
    let planes = pixels.chunks_exact(height * width).flat_map(|plane| {
        let plane: Vec<f64> = plane.iter().map(|&byte| f64::from(byte)).collect();
        let rows = along(&plane, width, &|row, column| row * width + column);
        let both = along(&rows, height, &|column, row| row * width + column);
        both.into_iter().map(|value| value.round() as u8)
    });
    planes.collect()
}

/// Images whose patches are in a random order, the same in all channels of an image. Rows and columns that
/// make no whole patch stay where they are.
fn shuffled(pixels: &[u8], shape: ImageShape) -> Vec<u8> {
    let ImageShape { height, width, .. } = shape;
    let (high, wide) = (height / PATCHES, width / PATCHES);
    let patches = PATCHES * PATCHES;
    let mut out = pixels.to_vec();
    let images = pixels
        .chunks_exact(shape.pixels())
        .zip(out.chunks_exact_mut(shape.pixels()));
    for (number, (image, out)) in images.enumerate() {
        let key = NoiseKey::new(0, Stream::DataExamples, ORDER);
        let order =
            rand::seq::index::sample(&mut PhiloxRng::new(key, number as u32), patches, patches);
        let planes = image
            .chunks_exact(height * width)
            .zip(out.chunks_exact_mut(height * width));
        for (plane, out) in planes {
            for (to, from) in order.iter().enumerate() {
                let corner = |patch: usize| (patch / PATCHES * high, patch % PATCHES * wide);
                let ((to_row, to_column), (row, column)) = (corner(to), corner(from));
                for line in 0..high {
                    let source = &plane[(row + line) * width + column..][..wide];
                    out[(to_row + line) * width + to_column..][..wide].copy_from_slice(source);
                }
            }
        }
    }
    out
}

/// A plane, turned.
fn rotated(plane: &[u8], shape: ImageShape) -> Vec<u8> {
    let ImageShape { height, width, .. } = shape;
    if height != width {
        return plane.iter().rev().copied().collect();
    }
    let at = |row: usize, column: usize| plane[(height - 1 - column) * width + row];
    (0..height)
        .flat_map(|row| (0..width).map(move |column| at(row, column)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blur_keeps_even_planes_and_spreads_a_point_evenly() {
        let shape = ImageShape::new(2, 5, 7);
        let even = vec![90; shape.pixels()];
        assert_eq!(blurred(&even, shape), even);
        let mut point = vec![0; shape.pixels()];
        point[2 * 7 + 3] = 255;
        let spread = blurred(&point, shape);
        assert_eq!(spread[2 * 7 + 2], spread[2 * 7 + 4]);
        assert_eq!(spread[7 + 3], spread[3 * 7 + 3]);
        // exp(0)²/Σ² of the seven weights.
        let sum: f64 = (-3..=3).map(|i: i32| (-0.5 * f64::from(i * i)).exp()).sum();
        assert_eq!(f64::from(spread[2 * 7 + 3]), (255.0 / (sum * sum)).round());
        assert!(spread[35..].iter().all(|&byte| byte == 0), "other planes");
    }

    #[test]
    fn patches_keep_their_pixels_and_change_their_places() {
        // Two images of two planes; every patch is two by two, and a fifth of a patch is left over.
        let shape = ImageShape::new(2, 9, 8);
        let data: Vec<u8> = (0..2 * shape.pixels()).map(|i| i as u8).collect();
        let found = Anomaly::Shuffled.of(&data, shape);
        assert_ne!(found, data);
        let sorted = |pixels: &[u8]| {
            let mut pixels = pixels.to_vec();
            pixels.sort_unstable();
            pixels
        };
        for (before, after) in data.chunks_exact(72).zip(found.chunks_exact(72)) {
            assert_eq!(sorted(before), sorted(after));
            assert_eq!(before[64..], after[64..], "the last row");
        }
        // The planes of an image move together, images by themselves.
        let moves = |image: usize, plane: usize| -> Vec<i32> {
            let first = (2 * image + plane) * 72;
            let differences = found[first..first + 64].iter().zip(&data[first..]);
            differences
                .map(|(a, b)| (i32::from(*a) - i32::from(*b)).rem_euclid(256))
                .collect()
        };
        assert_eq!(moves(0, 0), moves(0, 1));
        assert_ne!(moves(0, 0), moves(1, 0));
    }

    #[test]
    fn a_quarter_turn_clockwise_brings_the_first_column_to_the_top() {
        let square = ImageShape::new(1, 2, 2);
        assert_eq!(Anomaly::Rotated.of(&[1, 2, 3, 4], square), [3, 1, 4, 2]);
        let wide = ImageShape::new(1, 1, 3);
        assert_eq!(Anomaly::Rotated.of(&[1, 2, 3], wide), [3, 2, 1]);
    }

    #[test]
    fn every_anomaly_has_the_size_of_the_data_and_is_always_the_same() {
        let shape = ImageShape::new(3, 8, 8);
        let data: Vec<u8> = (0..5 * shape.pixels()).map(|i| (i * 7) as u8).collect();
        for anomaly in Anomaly::ALL {
            let found = anomaly.of(&data, shape);
            assert_eq!(found.len(), data.len(), "{anomaly:?}");
            assert_ne!(found, data, "{anomaly:?}");
            assert_eq!(found, anomaly.of(&data, shape), "{anomaly:?}");
        }
        let constant = Anomaly::Constant.of(&data, shape);
        let mut planes = constant.chunks_exact(64);
        assert!(planes.all(|plane| plane.iter().all(|byte| *byte == plane[0])));
    }
}
