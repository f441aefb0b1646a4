//! Count what a network computes for the energy of one image.

use core::iter::Sum;
use core::ops::Add;

/// What a network computes for the energy of one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Multiplications, each with an addition.
    pub multiply_adds: usize,
    /// Elements of the layers' outputs.
    pub outputs: usize,
}

impl Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            multiply_adds: self.multiply_adds + other.multiply_adds,
            outputs: self.outputs + other.outputs,
        }
    }
}

impl Sum for Work {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}
