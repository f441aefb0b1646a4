//! Round the factors of products to bf16, and lay them out as the CPU at hand multiplies them.
//!
//! Sums stay in f32. A CPU with AVX-512 BF16 adds two products at a time: of two neighbours among the
//! numbers that a kernel sees, which therefore share 32 bits. On others a rounded factor is an f32, whose
//! products with another are exact, so that either way the same products are added.

use super::tile::ROWS;
use crate::per_cpu::per_cpu;

/// The numbers that a convolution multiplies; what it adds up is f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Factors {
    /// As they are.
    #[default]
    F32,
    /// Rounded to 8 significant bits, to even where two are as near, where channels are even.
    Bf16,
}

/// How factors lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As they are.
    F32,
    /// Rounded, a number each.
    Rounded,
    /// Rounded, two channels in the bits of a number, the first in the lower half.
    Pairs,
}

impl Form {
    /// The quickest for sums over so many channels. Odd numbers of them, like those of a picture, make no
    /// pairs and are not rounded.
    pub(super) fn of(factors: Factors, channels: usize) -> Self {
        match factors {
            Factors::Bf16 if channels.is_multiple_of(2) => match multiplies_pairs() {
                true => Self::Pairs,
                false => Self::Rounded,
            },
            _ => Self::F32,
        }
    }

    /// The numbers in which so many channels lie.
    pub(super) fn numbers(self, channels: usize) -> usize {
        match self {
            Self::F32 | Self::Rounded => channels,
            Self::Pairs => channels / 2,
        }
    }

    /// The room that [`Self::lay_out`] needs for so many numbers.
    pub(super) fn room(self, numbers: usize) -> usize {
        match self {
            Self::F32 => 0,
            Self::Rounded | Self::Pairs => self.numbers(numbers),
        }
    }

    /// Channels of so many numbers, one after the other, in this form: as they lie or in `room`.
    pub(super) fn lay_out<'a>(
        self,
        channels: &'a [f32],
        len: usize,
        room: &'a mut [f32],
    ) -> &'a [f32] {
        if self == Self::F32 {
            return channels;
        }
        let room = &mut room[..self.numbers(channels.len())];
        self.channels(channels, len, room);
        room
    }

    /// A matrix in blocks of [`ROWS`] rows, whose columns are channels, in this form.
    pub(super) fn matrix(self, matrix: Vec<f32>, columns: usize) -> Vec<f32> {
        if self == Self::F32 {
            return matrix;
        }
        let mut packed = vec![0.0; self.numbers(matrix.len())];
        let blocks = matrix.chunks((ROWS * columns).max(1));
        let to = packed.chunks_mut(self.numbers(ROWS * columns).max(1));
        for (block, to) in blocks.zip(to) {
            self.channels(block, block.len() / columns, to);
        }
        packed
    }

    /// Matrices of this size one after the other, each as [`Self::matrix`] gives it.
    pub(super) fn matrices(self, matrices: Vec<f32>, [rows, columns]: [usize; 2]) -> Vec<f32> {
        if self == Self::F32 {
            return matrices;
        }
        let each = matrices.chunks_exact((rows * columns).max(1));
        let each = each.map(|matrix| self.matrix(matrix.to_vec(), columns));
        each.collect::<Vec<_>>().concat()
    }

    /// Writes channels of so many numbers, one after the other, in this form.
    pub(super) fn channels(self, channels: &[f32], len: usize, to: &mut [f32]) {
        assert_eq!(to.len(), self.numbers(channels.len()));
        match self {
            Self::F32 => to.copy_from_slice(channels),
            Self::Rounded => round(channels, to),
            Self::Pairs => pair(channels, len, to),
        }
    }
}

/// Whether the CPU adds products of two numbers at a time.
fn multiplies_pairs() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512vl")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// The bits of the nearest number of 8 significant bits, in the upper half; NaN stays NaN.
#[inline(always)]
fn nearest(number: f32) -> u32 {
    let bits = number.to_bits();
    let even = (bits >> 16) & 1;
    match number.is_nan() {
        true => bits | 1 << 22,
        false => bits.wrapping_add(0x7fff + even),
    }
}

#[inline(always)]
fn round_body(from: &[f32], to: &mut [f32]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = f32::from_bits(nearest(from) & 0xffff_0000);
    }
}

#[inline(always)]
fn pair_body(channels: &[f32], len: usize, to: &mut [f32]) {
    let twos = channels.chunks_exact((2 * len).max(1));
    for (two, to) in twos.zip(to.chunks_exact_mut(len.max(1))) {
        let (first, second) = two.split_at(len);
        for ((to, &first), &second) in to.iter_mut().zip(first).zip(second) {
            *to = f32::from_bits(nearest(first) >> 16 | nearest(second) & 0xffff_0000);
        }
    }
}

per_cpu!(round = [round_body, round_body], from: &[f32], to: &mut [f32]);
per_cpu!(pair = [pair_body, pair_body], channels: &[f32], len: usize, to: &mut [f32]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_the_nearest_and_to_even() {
        let ulp = 0.5f32.powi(7);
        let numbers = [1.0 + 0.5 * ulp, 1.0 + 1.5 * ulp, -1.0 - 0.51 * ulp, 3e38];
        let mut rounded = [0.0; 4];
        Form::Rounded.channels(&numbers, 4, &mut rounded);
        assert_eq!(rounded[..3], [1.0, 1.0 + 2.0 * ulp, -1.0 - ulp]);
        assert!((rounded[3] / 3e38 - 1.0).abs() < 0.5 * ulp);
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let odd = [
            f32::NAN,
            f32::from_bits(0x7f80_0001),
            f32::INFINITY,
            f32::MAX,
        ];
        let mut rounded = [0.0; 4];
        Form::Rounded.channels(&odd, 4, &mut rounded);
        assert!(rounded[0].is_nan() && rounded[1].is_nan());
        assert_eq!(rounded[2..], [f32::INFINITY; 2]);
    }

    #[test]
    fn a_pair_holds_two_channels_and_a_block_its_own_rows() {
        let halves = |pair: f32| {
            let bits = pair.to_bits();
            [bits << 16, bits & 0xffff_0000].map(f32::from_bits)
        };
        // [row, column] of a matrix of 8 rows and 4 columns: blocks of six rows and of two.
        let at = |row: usize, column: usize| (10 * row + column) as f32;
        let block = |rows: std::ops::Range<usize>| {
            (0..4).flat_map(move |column| rows.clone().map(move |row| at(row, column)))
        };
        let matrix: Vec<f32> = block(0..6).chain(block(6..8)).collect();
        let packed = Form::Pairs.matrix(matrix, 4);
        assert_eq!(packed.len(), 16);
        assert_eq!(halves(packed[7]), [at(1, 2), at(1, 3)]);
        assert_eq!(halves(packed[12]), [at(6, 0), at(6, 1)]);
        assert_eq!(halves(packed[15]), [at(7, 2), at(7, 3)]);
    }
}
