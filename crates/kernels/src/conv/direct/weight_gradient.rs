//! Compute the gradients of weights and biases.
//!
//! ∂L/∂w of a tap is a sum of products over all outputs and images. The images are lanes, so nothing
//! is transposed: a tile of output and input channels sums vectors, and adds up their lanes at the
//! end. A band of a few rows is packed by the channels of a tile, so that the tile reads consecutive
//! elements.

use super::band::{Band, BandLayout, Sums};
use super::dense;
use crate::conv::images::ImageBatch;
use crate::conv::scratch::with_scratch;
use crate::conv::shape::ConvShape;

/// Writes the gradients with respect to the weights and to the bias, summed over the images, into
/// `grad_weight`, which has `steps` between neighbours along each axis, and `grad_bias`.
///
/// # Shapes
/// - `x` `[batch, c_in, h, w]`, `grad_out` `[batch, c_out, oh, ow]`
/// - `grad_weight` `[c_out, c_in, kh, kw]`, `grad_bias` `[c_out]`
///
/// # Panics
///
/// When images or a slice do not have the size that `shape` gives them.
pub fn parameter_gradients(
    shape: &ConvShape,
    x: ImageBatch,
    grad_out: ImageBatch,
    (grad_weight, steps): (&mut [f32], [usize; 4]),
    grad_bias: &mut [f32],
) {
    let [height, width] = shape.out();
    let [inputs, outputs] = [shape.channels_in, shape.channels_out];
    x.check([inputs, shape.height, shape.width]);
    grad_out.check([outputs, height, width]);
    assert_eq!(grad_weight.len(), outputs * inputs * shape.taps());
    assert_eq!(grad_bias.len(), outputs);
    grad_bias.fill(0.0);
    if dense::applies(shape, [x.order, grad_out.order], steps) {
        return dense::gradients(shape, x, grad_out, grad_weight, grad_bias);
    }
    grad_weight.fill(0.0);
    let layout = BandLayout::new(shape);
    let mut sums = Sums::new(shape, (grad_weight, steps), grad_bias);
    with_scratch(layout.scratch_lens(), |[source, gradient]| {
        for first in (0..height).step_by(layout.rows) {
            let rows = first..(first + layout.rows).min(height);
            let band = Band {
                layout: &layout,
                rows,
            };
            band.add_gradients(x, grad_out, [&mut *source, &mut *gradient], &mut sums);
        }
    });
}
