//! Compute the parameter gradients of a kernel that covers the image as a product of matrices.

use crate::conv::blocks::ROWS;
use crate::conv::factors::Packing;
use crate::conv::images::{ImageBatch, Order};
use crate::conv::shape::ConvShape;
use crate::conv::tile::{multiply, offsets_of};
use crate::lanes::MIN_WIDTH;

/// Whether [`gradients`] takes these images and weights.
pub(super) fn applies(shape: &ConvShape, images: [Order; 2], steps: [usize; 4]) -> bool {
    shape.is_dense()
        && images == [Order::Planes; 2]
        && steps == dense_steps(shape)
        && shape.channels_out.is_multiple_of(MIN_WIDTH)
}

/// Writes the gradient of the weights, and adds that of the bias.
///
/// A tile of [`TapGradient`](crate::conv::tile::TapGradient) sums over positions, but here an output
/// has one position only.
pub(super) fn gradients(
    shape: &ConvShape,
    x: ImageBatch,
    grad_out: ImageBatch,
    grad_weight: &mut [f32],
    grad_bias: &mut [f32],
) {
    for gradient in grad_out.values.chunks_exact(shape.channels_out) {
        let sums = grad_bias.iter_mut().zip(gradient);
        sums.for_each(|(sum, gradient)| *sum += gradient);
    }
    multiply_transposed(shape.batch, x.values, grad_out.values, grad_weight);
}

/// Steps of weights in the layout of a dense layer, `[(c_in, h, w), c_out]`.
fn dense_steps(shape: &ConvShape) -> [usize; 4] {
    let row = shape.width * shape.channels_out;
    [1, shape.height * row, row, shape.channels_out]
}

/// Writes `xᵀ · gradient`.
///
/// # Shapes
/// - `x` `[rows, inputs]`, `gradient` `[rows, outputs]`, `out` `[inputs, outputs]`
fn multiply_transposed(rows: usize, x: &[f32], gradient: &[f32], out: &mut [f32]) {
    let [inputs, outputs] = [x, gradient].map(|matrix| matrix.len() / rows.max(1));
    let mut packed = Vec::with_capacity(x.len());
    for first in (0..inputs).step_by(ROWS) {
        let block = first..(first + ROWS).min(inputs);
        for row in x.chunks_exact(inputs) {
            packed.extend_from_slice(&row[block.clone()]);
        }
    }
    let offsets = offsets_of(outputs, Packing::F32);
    let gradient = (gradient, outputs);
    multiply(
        Packing::F32,
        &packed,
        [inputs, rows],
        gradient,
        &offsets,
        out,
    );
}
