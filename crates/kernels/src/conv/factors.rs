//! Round the factors of products to bf16, and pack them as the CPU multiplies them.
//!
//! Sums stay in f32. A CPU with AVX-512 BF16 adds two products at a time: those of two neighbouring
//! channels, whose bf16 values share 32 bits. On other CPUs a rounded factor is an f32. The product
//! of two rounded factors is exact in f32, so both ways add the same products.

use super::blocks::ROWS;
use super::cpu::has_bf16_pairs;
use crate::per_cpu::per_cpu;

/// Precision of the factors that a convolution multiplies; it adds in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Factors {
    /// Not rounded.
    #[default]
    F32,
    /// Rounded to 8 significant bits, ties to even, in sums over an even number of channels.
    Bf16,
}

/// Storage of factors in a slice of f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Not rounded.
    F32,
    /// Rounded to bf16, one factor an element.
    Rounded,
    /// Rounded to bf16, two neighbouring channels an element, the first in the lower half.
    Pairs,
}

impl Packing {
    /// The fastest packing for sums over so many channels. An odd number of channels, such as that
    /// of a picture, makes no pairs and is not rounded.
    pub(super) fn for_factors(factors: Factors, channels: usize) -> Self {
        if factors == Factors::F32 || !channels.is_multiple_of(2) {
            Self::F32
        } else if has_bf16_pairs() {
            Self::Pairs
        } else {
            Self::Rounded
        }
    }

    /// Elements that so many factors take.
    pub(super) fn packed_len(self, factors: usize) -> usize {
        match self {
            Self::F32 | Self::Rounded => factors,
            Self::Pairs => factors / 2,
        }
    }

    /// Elements of scratch memory that [`Self::pack_or_borrow`] needs for so many factors.
    pub(super) fn scratch_len(self, factors: usize) -> usize {
        match self {
            Self::F32 => 0,
            Self::Rounded | Self::Pairs => self.packed_len(factors),
        }
    }

    /// Consecutive channels of `len` factors each, packed in `scratch`, or borrowed where packing
    /// changes nothing.
    pub(super) fn pack_or_borrow<'a>(
        self,
        channels: &'a [f32],
        len: usize,
        scratch: &'a mut [f32],
    ) -> &'a [f32] {
        if self == Self::F32 {
            return channels;
        }
        let packed = &mut scratch[..self.packed_len(channels.len())];
        self.pack(channels, len, packed);
        packed
    }

    /// Packs the factors of a matrix in blocks of [`ROWS`] rows, whose columns are channels.
    pub(super) fn pack_matrix(self, matrix: Vec<f32>, columns: usize) -> Vec<f32> {
        if self == Self::F32 {
            return matrix;
        }
        let mut packed = vec![0.0; self.packed_len(matrix.len())];
        let blocks = matrix.chunks((ROWS * columns).max(1));
        let to = packed.chunks_mut(self.packed_len(ROWS * columns).max(1));
        for (block, to) in blocks.zip(to) {
            self.pack(block, block.len() / columns, to);
        }
        packed
    }

    /// Packs consecutive matrices of one size, each as [`Self::pack_matrix`] does.
    pub(super) fn pack_matrices(self, matrices: Vec<f32>, [rows, columns]: [usize; 2]) -> Vec<f32> {
        if self == Self::F32 {
            return matrices;
        }
        let each = matrices.chunks_exact((rows * columns).max(1));
        let each = each.map(|matrix| self.pack_matrix(matrix.to_vec(), columns));
        each.collect::<Vec<_>>().concat()
    }

    /// Packs consecutive channels of `len` factors each into `to`.
    pub(super) fn pack(self, channels: &[f32], len: usize, to: &mut [f32]) {
        assert_eq!(to.len(), self.packed_len(channels.len()));
        match self {
            Self::F32 => to.copy_from_slice(channels),
            Self::Rounded => round(channels, to),
            Self::Pairs => pair(channels, len, to),
        }
    }
}

/// Bits of the nearest bf16 value, in the upper half of the word; NaN stays NaN.
#[inline(always)]
fn nearest(value: f32) -> u32 {
    let bits = value.to_bits();
    let even = (bits >> 16) & 1;
    if value.is_nan() {
        bits | 1 << 22
    } else {
        bits.wrapping_add(0x7fff + even)
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
    fn factors_are_rounded_to_the_nearest_bf16_value_and_to_even() {
        let ulp = 0.5f32.powi(7);
        let values = [1.0 + 0.5 * ulp, 1.0 + 1.5 * ulp, -1.0 - 0.51 * ulp, 3e38];
        let mut rounded = [0.0; 4];
        Packing::Rounded.pack(&values, 4, &mut rounded);
        assert_eq!(rounded[..3], [1.0, 1.0 + 2.0 * ulp, -1.0 - ulp]);
        assert!((rounded[3] / 3e38 - 1.0).abs() < 0.5 * ulp);
    }

    #[test]
    fn nan_stays_nan_and_what_exceeds_bf16_becomes_infinite() {
        let odd = [
            f32::NAN,
            f32::from_bits(0x7f80_0001),
            f32::INFINITY,
            f32::MAX,
        ];
        let mut rounded = [0.0; 4];
        Packing::Rounded.pack(&odd, 4, &mut rounded);
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
        let packed = Packing::Pairs.pack_matrix(matrix, 4);
        assert_eq!(packed.len(), 16);
        assert_eq!(halves(packed[7]), [at(1, 2), at(1, 3)]);
        assert_eq!(halves(packed[12]), [at(6, 0), at(6, 1)]);
        assert_eq!(halves(packed[15]), [at(7, 2), at(7, 3)]);
    }
}
