//! Transform kernels, once for all the steps in which they do not change.

use super::tiling::{Direction, Winograd};
use super::transform::kernel;
use crate::conv::blocks::position;
use crate::conv::weights::Weights;
use crate::lanes::MAX_WIDTH;

/// One element of each of some kernels.
type Lanes = [f64; MAX_WIDTH];
/// The most taps of a kernel along one axis.
const MAX_TAPS: usize = 3;

impl Winograd {
    /// The values of the kernels `[c_out, c_in, kh, kw]` at the points of a tile: for each point a
    /// packed matrix of outputs and inputs.
    pub(in crate::conv) fn weights(&self, weight: &Weights) -> Vec<f32> {
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let rows = kernel(self.points, self.taps); // [points, taps]
        let mut values = vec![0.0; self.weights_len()];
        for first in (0..outputs * inputs).step_by(MAX_WIDTH) {
            let kernels = first..(first + MAX_WIDTH).min(outputs * inputs);
            let mut taps = [[[0.0; MAX_WIDTH]; MAX_TAPS]; MAX_TAPS];
            for (lane, index) in kernels.clone().enumerate() {
                self.gather_taps(weight, position(index, [outputs, inputs]), lane, &mut taps);
            }
            for (i, row) in rows.iter().enumerate() {
                let half: [Lanes; MAX_TAPS] =
                    core::array::from_fn(|j| sum_of_products(row, |i| &taps[i][j]));
                for (j, row) in rows.iter().enumerate() {
                    let point = i * self.points + j;
                    let value = sum_of_products(row, |j| &half[j]);
                    let to = &mut values[point * outputs * inputs..][kernels.clone()];
                    to.iter_mut().zip(value).for_each(|(to, v)| *to = v as f32);
                }
            }
        }
        self.packing.pack_matrices(values, [outputs, inputs])
    }

    /// Copies the taps between an output and an input to a lane.
    fn gather_taps(
        &self,
        weight: &Weights,
        [output, input]: [usize; 2],
        lane: usize,
        taps: &mut [[Lanes; MAX_TAPS]; MAX_TAPS],
    ) {
        let stride = self.source.stride.max(self.target.stride);
        let phases = stride * stride;
        let (kernel, phase) = match self.direction {
            Direction::Forward => {
                let (channel, phase) = (input / phases, input % phases);
                (weight.kernel(output, channel), phase)
            }
            Direction::InputGradient => {
                let (channel, phase) = (output / phases, output % phases);
                (weight.kernel(input, channel), phase)
            }
        };
        let rotated = |tap: usize| match self.direction {
            Direction::Forward => tap,
            Direction::InputGradient => self.taps - 1 - tap,
        };
        for (i, taps) in taps.iter_mut().take(self.taps).enumerate() {
            let row = rotated(i) * stride + phase / stride;
            for (j, tap) in taps.iter_mut().take(self.taps).enumerate() {
                let column = rotated(j) * stride + phase % stride;
                tap[lane] = f64::from(kernel[row * weight.steps[2] + column * weight.steps[3]]);
            }
        }
    }
}

/// Σ fᵢ·vᵢ in every lane.
#[inline(always)]
fn sum_of_products<'a>(factors: &[f64], values: impl Fn(usize) -> &'a Lanes) -> Lanes {
    let mut sums = [0.0; MAX_WIDTH];
    for (i, factor) in factors.iter().enumerate() {
        for (sum, value) in sums.iter_mut().zip(values(i)) {
            *sum += factor * value;
        }
    }
    sums
}
