//! Run tiles with the CPU's vector instructions, after a check of all that they reach.

use std::ops::Range;

use super::outputs::{Offsets, Outputs};
use super::tap_gradient::{MAX_SUMS, TapGradient};
use super::unchecked::array;
#[cfg(target_arch = "x86_64")]
use super::unchecked::x86;
use super::vectors::{Instructions, Vectors};
use crate::conv::blocks::ROWS;

/// Weights above this number of elements, 256 KiB, are read once for all vectors of outputs. Fewer
/// stay in the cache and are read once for every few vectors.
const MANY_WEIGHTS: usize = 1 << 16;

impl Outputs<'_> {
    /// Writes the outputs of the first `channels` channels at `offsets`.
    ///
    /// # Panics
    ///
    /// When a slice is too short for them.
    pub(in crate::conv) fn write(
        &self,
        vectors: Vectors,
        channels: usize,
        offsets: &[Offsets],
        target: &mut [f32],
    ) {
        let whole = channels - channels % ROWS;
        let at_once = if self.depth * channels > MANY_WEIGHTS {
            2 * ROWS
        } else {
            whole.max(1)
        };
        for first in (0..whole).step_by(at_once) {
            let channels = first..(first + at_once).min(whole);
            write_channels(self, vectors, channels, offsets, target);
        }
        if whole < channels {
            write_channels(self, vectors, whole..channels, offsets, target);
        }
    }
}

/// Writes the outputs of `channels`, whole blocks or one smaller block.
fn write_channels(
    outputs: &Outputs,
    vectors: Vectors,
    channels: Range<usize>,
    offsets: &[Offsets],
    target: &mut [f32],
) {
    outputs.check(&channels, offsets, vectors.width(), target.len());
    // SAFETY: the slices hold what the tiles reach, as just checked, and `vectors` proves that the
    // CPU has the instructions.
    unsafe {
        match vectors.instructions() {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => x86::avx512(outputs, channels, offsets, target),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => x86::avx2(outputs, channels, offsets, target),
            #[cfg(target_arch = "x86_64")]
            Instructions::WidePairs => x86::wide_pairs(outputs, channels, offsets, target),
            #[cfg(target_arch = "x86_64")]
            Instructions::Pairs => x86::pairs(outputs, channels, offsets, target),
            _ => array::portable(outputs, channels, offsets, target),
        }
    }
}

impl TapGradient<'_> {
    /// Writes, for each pair of an output and an input channel, the sum of their products over
    /// outputs and lanes. A tile has up to 6 output and 2 input channels, or up to 8 and 1.
    ///
    /// # Panics
    ///
    /// When there is no such tile, a slice is too short, or vectors do not divide the lanes.
    pub(in crate::conv) fn sum(
        &self,
        vectors: Vectors,
        tile: [usize; 2],
        totals: &mut [f32; MAX_SUMS],
    ) {
        self.check(tile, vectors.width());
        // SAFETY: the slices hold what the tile reaches, as just checked, and `vectors` proves that
        // the CPU has the instructions.
        unsafe {
            match vectors.instructions() {
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx512 => x86::avx512_sums(self, tile, totals),
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx2 => x86::avx2_sums(self, tile, totals),
                _ => array::portable_sums(self, tile, totals),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::factors::Packing;
    use crate::lanes::MAX_WIDTH;

    /// Writes some channels of a product whose slices have room for twenty.
    fn write(channels: Range<usize>) {
        let (weights, source) = ([1.0; 20], [1.0; MAX_WIDTH]);
        let outputs = Outputs::of_product(&weights, 1, (&source, MAX_WIDTH));
        let vectors = Vectors::for_lanes(MAX_WIDTH, Packing::F32);
        let offsets = [Offsets {
            source: 0,
            target: 0,
        }];
        let mut target = [0.0; 20 * MAX_WIDTH];
        write_channels(&outputs, vectors, channels, &offsets, &mut target);
    }

    #[test]
    #[should_panic = "expected whole blocks of 6 channels or one smaller block, got 0..8"]
    fn refuses_a_block_and_a_part_of_the_next() {
        write(0..8);
    }

    #[test]
    #[should_panic = "expected whole blocks of 6 channels or one smaller block, got 3..9"]
    fn refuses_channels_that_begin_within_a_block() {
        write(3..9);
    }

    #[test]
    fn takes_whole_blocks_and_one_smaller_block() {
        for channels in [0..0, 0..5, 0..6, 6..18, 12..17] {
            write(channels);
        }
    }

    #[test]
    #[should_panic = "the extent of a tile fits in memory"]
    fn refuses_an_extent_that_overflows() {
        let outputs = Outputs {
            source_row_len: usize::MAX,
            kernel_row_len: 0,
            rows: 3,
            ..Outputs::of_product(&[1.0; 3], 1, (&[1.0; MAX_WIDTH], MAX_WIDTH))
        };
        outputs.check(&(0..1), &[], MAX_WIDTH, MAX_WIDTH);
    }

    #[test]
    #[should_panic = "assertion"]
    fn refuses_a_gradient_that_is_shorter_than_its_tile() {
        let gradient = TapGradient {
            gradient: &[0.0; 2 * MAX_WIDTH - 1],
            gradient_steps: [MAX_WIDTH; 2],
            source: &[0.0; 2 * MAX_WIDTH],
            source_steps: [MAX_WIDTH; 2],
            size: [1, 2],
            lanes: MAX_WIDTH,
        };
        gradient.sum(Vectors::portable(), [1, 1], &mut [0.0; MAX_SUMS]);
    }
}
