//! Make the operands of a convolution.

use super::shapes::{Random, sizes};
use crate::conv::shape::ConvShape;
use crate::conv::weights::Weights;

/// Input, weights, bias and output gradient of random values.
pub(super) fn operands(shape: ConvShape, random: &mut Random) -> [Vec<f32>; 4] {
    let weights = shape.channels_out * shape.channels_in * shape.taps();
    let lens = [
        sizes(&shape)[0].iter().product(),
        weights,
        shape.channels_out,
        sizes(&shape)[1].iter().product(),
    ];
    lens.map(|len| random.values(len))
}

/// A view of contiguous weights.
pub(super) fn weights(shape: ConvShape, values: &[f32]) -> Weights<'_> {
    let [rows, columns] = shape.kernel;
    let kernels = shape.channels_in * shape.taps();
    Weights {
        values,
        size: [shape.channels_out, shape.channels_in, rows, columns],
        steps: [kernels, shape.taps(), columns, 1],
    }
}
