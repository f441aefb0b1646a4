//! Transform kernels, once for the steps in which they stay as they are.

use super::transform::kernel;
use super::{Direction, Winograd};
use crate::conv::Weights;
use crate::conv::tile::{LANES, position};

/// A number of each of some kernels.
type Lanes = [f64; LANES];
/// The most taps of a kernel along one axis.
const MAX_TAPS: usize = 3;

impl Winograd {
    /// The values of the kernels `[c_out, c_in, kh, kw]` at the points of a tile, for each of them a
    /// packed matrix of outputs and inputs.
    pub(in crate::conv) fn weights(&self, weight: &Weights) -> Vec<f32> {
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let rows = kernel(self.points, self.taps); // [points, taps]
        let mut values = vec![0.0; self.weights_len()];
        for first in (0..outputs * inputs).step_by(LANES) {
            let kernels = first..(first + LANES).min(outputs * inputs);
            let mut taps = [[[0.0; LANES]; MAX_TAPS]; MAX_TAPS];
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
        self.form.matrices(values, [outputs, inputs])
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
        let turned = |tap: usize| match self.direction {
            Direction::Forward => tap,
            Direction::InputGradient => self.taps - 1 - tap,
        };
        for (i, taps) in taps.iter_mut().take(self.taps).enumerate() {
            let row = turned(i) * stride + phase / stride;
            for (j, tap) in taps.iter_mut().take(self.taps).enumerate() {
                let column = turned(j) * stride + phase % stride;
                tap[lane] = f64::from(kernel[row * weight.steps[2] + column * weight.steps[3]]);
            }
        }
    }
}

/// Σ fᵢ·numbersᵢ in every lane.
#[inline(always)]
fn sum_of_products<'a>(factors: &[f64], numbers: impl Fn(usize) -> &'a Lanes) -> Lanes {
    let mut sums = [0.0; LANES];
    for (i, factor) in factors.iter().enumerate() {
        for (sum, number) in sums.iter_mut().zip(numbers(i)) {
            *sum += factor * number;
        }
    }
    sums
}
