//! Pack four 8-bit pixels into a 32-bit word on any device, and unpack them.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use ebm_core::pixels::{BYTE_WIDTH, byte_of_pixel, pixel_of_byte};
use ebm_core::{Distribution, NoiseKey};

use crate::kernel::perturb;
use crate::step::Noise;

/// The pixels for which bytes stand: 0 for those from the lowest on, 255 for those up to the highest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ByteRange {
    pub(super) low: f32,
    pub(super) high: f32,
}

impl ByteRange {
    /// That of an image.
    pub const UNIT: Self = Self {
        low: 0.0,
        high: 1.0,
    };

    /// From the lowest pixel to the highest.
    pub fn of([low, high]: [f64; 2]) -> Self {
        Self {
            low: low as f32,
            high: high as f32,
        }
    }

    /// Pixels of this range as shares of it, in [0, 1].
    pub(super) fn to_unit<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        if self == Self::UNIT {
            return x;
        }
        (x - self.low) / (self.high - self.low)
    }

    /// Shares of this range as pixels.
    pub(super) fn of_unit<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        if self == Self::UNIT {
            return x;
        }
        x * (self.high - self.low) + self.low
    }

    /// What a byte of another range is in this one.
    pub fn recode(self, byte: u8, other: Self) -> u8 {
        if self == other {
            return byte;
        }
        let pixel = other.low + pixel_of_byte(byte) * (other.high - other.low);
        byte_of_pixel((pixel - self.low) / (self.high - self.low))
    }
}

/// Images of so many bytes, one after the other, as words on a device, `[images, bytes / 4 rounded up]` i32.
pub(super) fn words_of_images(pixels: &[u8], image: usize, device: &Device) -> Tensor<2, Int> {
    let images = pixels.chunks_exact(image);
    let size = [images.len(), image.div_ceil(4)];
    let words = images.flat_map(|image| image.chunks(4).map(word_of_bytes));
    let data = TensorData::new(words.collect::<Vec<i32>>(), size);
    Tensor::from_data(data, (device, DType::I32))
}

/// Up to four bytes as a word, the first in the lowest byte.
fn word_of_bytes(bytes: &[u8]) -> i32 {
    let mut word = [0; 4];
    word[..bytes.len()].copy_from_slice(bytes);
    i32::from_le_bytes(word)
}

/// `[batch, words]` i32 to byte values `[batch, pixels]`.
pub(super) fn unpack(words: Tensor<2, Int>, pixels: usize) -> Tensor<2> {
    let ([batch, columns], device) = (words.dims(), words.device());
    let shifts = Tensor::<1, Int>::from_data([0, 8, 16, 24], (&device, DType::I32));
    let of_each_byte = [batch, columns, 4];
    let words = words.unsqueeze_dim::<3>(2).expand(of_each_byte);
    let bytes = words.bitwise_right_shift(shifts.expand(of_each_byte));
    let bytes = bytes.bitwise_and_scalar(0xFF).reshape([batch, columns * 4]);
    bytes.narrow(1, 0, pixels).float()
}

/// Byte values q as pixels (q + u)/256, with the fractions u ~ U(0, 1) of `ids`.
///
/// # Shapes
/// - `bytes`, and what returns: `[batch, channels, height, width]`; `ids`: `[batch]`
pub fn dequantise(bytes: Tensor<4>, ids: &Tensor<1, Int>, key: NoiseKey) -> Tensor<4> {
    let fraction = Noise {
        key,
        distribution: Distribution::Uniform,
        scale: BYTE_WIDTH,
    };
    perturb(bytes.mul_scalar(BYTE_WIDTH), ids, fraction)
}

/// Pixels `[batch, pixels]` in [0, 1] to `[batch, words]` i32.
pub(super) fn pack(x: Tensor<2>) -> Tensor<2, Int> {
    let [batch, pixels] = x.dims();
    let columns = pixels.div_ceil(4);
    let bytes = x.mul_scalar(256.0).floor().clamp(0.0, 255.0);
    let bytes = match columns * 4 - pixels {
        0 => bytes,
        missing => {
            let padding = Tensor::zeros([batch, missing], &bytes.device());
            Tensor::cat(vec![bytes, padding], 1)
        }
    };
    let bytes: Tensor<3, Int> = bytes.reshape([batch, columns, 4]).int().cast(DType::I32);
    let byte = |i: usize| -> Tensor<2, Int> { bytes.clone().narrow(2, i, 1).squeeze_dim(2) };
    // The top byte as a signed number, so that no shift leaves the range of i32.
    let top = (byte(3) + 128).bitwise_and_scalar(0xFF) - 128;
    let low = byte(0) + byte(1).bitwise_left_shift_scalar(8);
    low + byte(2).bitwise_left_shift_scalar(16) + top.bitwise_left_shift_scalar(24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_of_another_range_is_the_one_of_its_pixel() {
        let wide = ByteRange::of([-0.5, 1.5]);
        for byte in 0..=255 {
            assert_eq!(ByteRange::UNIT.recode(byte, ByteRange::UNIT), byte);
            // Twice as wide: two bytes become one, in the middle half.
            assert_eq!(wide.recode(byte, ByteRange::UNIT), 64 + byte / 2);
        }
        assert_eq!(
            [0, 255].map(|byte| ByteRange::UNIT.recode(byte, wide)),
            [0, 255]
        );
    }
}
