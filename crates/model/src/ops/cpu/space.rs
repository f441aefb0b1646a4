//! Change the sides of flex images: halve them, double them, average all pixels.

use burn_flex::FlexTensor;
use ebm_kernels::{mean, pool, upsample};

use super::order::{in_order, order_of, tensor_in, values};

/// A kernel from the elements of images to those of others, for planes of a size.
type Kernel = fn(&[f32], [usize; 3], &mut [f32]);

/// The average of every 2×2 pixels.
pub(super) fn halve(x: FlexTensor) -> FlexTensor {
    let shape @ [batch, channels, height, width] = x.layout().shape().dims();
    let out = [batch, channels, height / 2, width / 2];
    resized(x, out, shape, pool::halve)
}

/// The gradient of the input, of `shape`, of a 2×2 average.
pub(super) fn halve_gradient(gradient: FlexTensor, shape: [usize; 4]) -> FlexTensor {
    resized(gradient, shape, shape, pool::halve_gradient)
}

/// Every pixel as a block of 2×2.
pub(super) fn double(x: FlexTensor) -> FlexTensor {
    let shape @ [batch, channels, height, width] = x.layout().shape().dims();
    let out = [batch, channels, 2 * height, 2 * width];
    resized(x, out, shape, upsample::double)
}

/// The gradient of the input, of `shape`, of blocks of 2×2.
pub(super) fn double_gradient(gradient: FlexTensor, shape: [usize; 4]) -> FlexTensor {
    resized(gradient, shape, shape, upsample::double_gradient)
}

/// The average of all pixels, `[batch, channels, 1, 1]`.
pub(super) fn mean(x: FlexTensor) -> FlexTensor {
    let shape @ [batch, channels, ..] = x.layout().shape().dims::<4>();
    resized(x, [batch, channels, 1, 1], shape, mean::mean)
}

/// The gradient of the input, of `shape`, of an average of all pixels.
pub(super) fn mean_gradient(gradient: FlexTensor, shape: [usize; 4]) -> FlexTensor {
    resized(gradient, shape, shape, mean::mean_gradient)
}

/// Images of shape `out` that a kernel makes of `x`, in its order. The kernel is told the planes of
/// images of `shape`.
fn resized(x: FlexTensor, out: [usize; 4], shape: [usize; 4], kernel: Kernel) -> FlexTensor {
    let order = order_of(&x);
    let x = in_order(x, order);
    let mut y = vec![0.0; order.len(out)];
    kernel(values(&x), order.plane(shape), &mut y);
    tensor_in(order, y, out)
}
