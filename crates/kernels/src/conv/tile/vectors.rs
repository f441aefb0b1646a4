//! Choose vector instructions that the CPU was found to have.

use crate::conv::cpu::{has_avx2, has_avx512, has_bf16_pairs};
use crate::conv::factors::Packing;
use crate::lanes::{MAX_WIDTH, MIN_WIDTH};

/// Vector instructions of the CPU at hand. The field is private and only this file makes values, so
/// a value proves that the CPU has the instructions.
#[derive(Clone, Copy, Debug)]
pub(in crate::conv) struct Vectors(Instructions);

/// Vector instructions for which there are tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instructions {
    Avx512,
    Avx2,
    /// AVX-512 BF16 on [pairs](Packing::Pairs), as wide as AVX-512.
    WidePairs,
    /// AVX-512 BF16 on pairs, as wide as AVX2.
    Pairs,
    /// None: arrays, for any CPU.
    Portable,
}

impl Vectors {
    /// The widest vectors that the CPU has, and that divide a number of lanes.
    ///
    /// # Panics
    ///
    /// When factors are packed in pairs and the CPU does not multiply pairs.
    pub(in crate::conv) fn for_lanes(lanes: usize, packing: Packing) -> Self {
        let wide = lanes.is_multiple_of(MAX_WIDTH);
        if packing == Packing::Pairs {
            assert!(has_bf16_pairs(), "expected a CPU with AVX-512 BF16");
            return Self(if wide {
                Instructions::WidePairs
            } else {
                Instructions::Pairs
            });
        }
        Self(if wide && has_avx512() {
            Instructions::Avx512
        } else if has_avx2() {
            Instructions::Avx2
        } else {
            Instructions::Portable
        })
    }

    /// Arrays, whatever the CPU has.
    #[cfg(test)]
    pub(super) fn portable() -> Self {
        Self(Instructions::Portable)
    }

    pub(super) fn instructions(self) -> Instructions {
        self.0
    }

    /// Elements of a vector.
    pub(in crate::conv) fn width(self) -> usize {
        match self.0 {
            Instructions::Avx512 | Instructions::WidePairs => MAX_WIDTH,
            Instructions::Avx2 | Instructions::Pairs | Instructions::Portable => MIN_WIDTH,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_divide_the_lanes_that_they_are_chosen_for() {
        let packings = [Packing::F32, Packing::Rounded, Packing::Pairs];
        for packing in packings.into_iter().take(2 + usize::from(has_bf16_pairs())) {
            for lanes in (MIN_WIDTH..=96).step_by(MIN_WIDTH) {
                let width = Vectors::for_lanes(lanes, packing).width();
                assert!(lanes.is_multiple_of(width), "{width} of {lanes} lanes");
            }
        }
    }
}
