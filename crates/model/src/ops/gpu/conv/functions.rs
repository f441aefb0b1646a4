//! Convolve on a GPU, with kernels of our own for outputs and gradients.

use std::sync::Arc;

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{Device, Tensor};
use cubecl::ir::FloatKind;

use super::conv_ops::ConvOps;
use super::tiled;
use crate::ops::geometry::ConvGeometry;
use crate::ops::layouts::Layouts;

/// Channels that a convolution to one has on the tape.
const FEW: usize = 8;

/// A convolution, as [`conv2d`](crate::ops::conv2d).
pub(in crate::ops) fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    layouts: &Layouts,
    geometry: ConvGeometry,
) -> Tensor<4> {
    let weight = if weight.is_autodiff() {
        if weight.dims()[0] == 1 {
            return of_one_channel(x, weight, bias, layouts, geometry);
        }
        weight
    } else {
        // Constants are laid out once, as the kernels read them.
        let laid_out = || channels_last(weight);
        layouts.channels_last.get_or_init(laid_out).clone()
    };
    let constant = || weight.clone().without_autodiff();
    let turned = if x.is_autodiff() {
        let turned = || turned(constant(), geometry.stride);
        layouts.turned.get_or_init(turned).clone()
    } else {
        constant() // not read without an input gradient
    };
    // One on the tape is added by Burn, which knows its gradient.
    let (tracked, bias) = match bias {
        Some(bias) if !bias.is_autodiff() => (None, bias),
        bias => {
            let (channels, options) = (weight.dims()[0], (&x.device().inner(), weight.dtype()));
            let none = || Tensor::zeros([channels], options);
            (bias, layouts.no_bias.get_or_init(none).clone())
        }
    };
    let y = Tensor::from_dispatch(Dispatch::gpu_conv2d(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        turned.into_dispatch(),
        geometry,
        layouts.factors,
    ));
    match tracked {
        Some(bias) => y + bias.reshape([1, -1, 1, 1]),
        None => y,
    }
}

/// A convolution to one channel, with weights on the tape, as the first of [`FEW`] channels, the others of zeros, as
/// a tile has as many anyway. What is left is copied: Burn's fused operations misread images of one channel that
/// lie as a convolution leaves them.
fn of_one_channel(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    layouts: &Layouts,
    geometry: ConvGeometry,
) -> Tensor<4> {
    let [_, channels, height, width] = weight.dims();
    let others = [FEW - 1, channels, height, width];
    let others = Tensor::zeros(others, (&weight.device(), weight.dtype()));
    let weight = Tensor::cat(vec![weight, others], 0);
    // The layer's own are those of one channel.
    let layouts = Layouts::new(layouts.factors);
    let y = conv2d(x, weight, None, &layouts, geometry).narrow(1, 0, 1);
    let [batch, _, rows, columns] = y.dims();
    let y: Tensor<2> = y.reshape([batch, rows * columns]);
    let y = y.reshape([batch, 1, rows, columns]);
    match bias {
        Some(bias) => y + bias.reshape([1, 1, 1, 1]),
        None => y,
    }
}

/// A dense layer, as [`dense_of_images`](crate::ops::dense_of_images): a convolution of images of one
/// pixel, to which the elements of an image are channels.
pub(in crate::ops) fn dense(
    x: Tensor<4>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    layouts: Option<Arc<Layouts>>,
) -> Tensor<2> {
    let ([batch, channels, height, width], [inputs, outputs]) = (x.dims(), weight.dims());
    let layouts = layouts.unwrap_or_default();
    // In the order in which convolutions leave the elements of an image.
    let x = x.permute([0, 2, 3, 1]).reshape([batch, inputs, 1, 1]);
    let is_constant = !weight.is_autodiff();
    let kernels = || {
        let weight: Tensor<4> = weight.reshape([channels, height, width, outputs]);
        let kernels = weight.permute([3, 1, 2, 0]);
        kernels.reshape([outputs, inputs, 1, 1])
    };
    let kernels = if is_constant {
        layouts.kernels.get_or_init(kernels).clone()
    } else {
        kernels()
    };
    let geometry = ConvGeometry {
        stride: [1, 1],
        padding: [(0, 0); 2],
    };
    let y = conv2d(x, kernels, Some(bias), &layouts, geometry);
    y.reshape([batch, outputs])
}

/// The same elements, the channels of a pixel or tap beside each other.
fn channels_last(x: Tensor<4>) -> Tensor<4> {
    let last = x.permute([0, 2, 3, 1]);
    let shape = last.dims();
    // Flattening copies elements that are in another order.
    last.flatten::<1>(0, 3).reshape(shape).permute([0, 3, 1, 2])
}

/// Whether a device has matrix units that multiply values of bf16.
pub(crate) fn has_bf16_units(device: &Device) -> bool {
    match device.clone().inner().as_dispatch() {
        DispatchDevice::Cube(device) => tiled::has_matrix_units(&device.client(), FloatKind::BF16),
        _ => false,
    }
}

/// Every s-th tap, in turned order, of each phase.
///
/// # Shapes
/// - `weight`: `[channels_out, channels_in, kh, kw]`
/// - returns: `[stride · stride · channels_in, channels_out, ⌈kh/stride⌉, ⌈kw/stride⌉]`
pub(super) fn turned(weight: Tensor<4>, [down, across]: [usize; 2]) -> Tensor<4> {
    let [outputs, inputs, height, width] = weight.dims();
    let [rows, columns] = [height.div_ceil(down), width.div_ceil(across)];
    let whole = Tensor::zeros(
        [outputs, inputs, rows * down, columns * across],
        (&weight.device(), weight.dtype()),
    );
    let whole = whole.slice_assign([0..outputs, 0..inputs, 0..height, 0..width], weight);
    let apart: Tensor<6> = whole.reshape([outputs, inputs, rows, down, columns, across]);
    let phases = apart.flip([2, 4]).permute([3, 5, 1, 2, 4, 0]);
    let channels_last = phases.reshape([down * across * inputs, rows, columns, outputs]);
    channels_last.permute([0, 3, 1, 2])
}
