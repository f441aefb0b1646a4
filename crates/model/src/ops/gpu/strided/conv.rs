//! Convolve with strides on a GPU, with kernels of our own for the input gradient.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::strided_ops::StridedOps;
use crate::ops::geometry::ConvGeometry;
use crate::ops::layouts::Layouts;

/// A strided convolution, as [`conv2d`](crate::ops::conv2d).
pub(in crate::ops) fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    layouts: &Layouts,
    geometry: ConvGeometry,
) -> Tensor<4> {
    let turned = layouts.turned.get_or_init(|| {
        let constant = weight.clone().without_autodiff();
        turned(constant, geometry.stride)
    });
    // One on the tape is added by Burn, which knows its gradient.
    let (tracked, constant) = match bias {
        Some(bias) if !bias.is_autodiff() => (None, bias),
        bias => (bias, Tensor::zeros([weight.dims()[0]], &x.device().inner())),
    };
    let y = Tensor::from_dispatch(Dispatch::strided_conv2d(
        x.into_dispatch(),
        weight.into_dispatch(),
        constant.into_dispatch(),
        turned.clone().into_dispatch(),
        geometry,
    ));
    match tracked {
        Some(bias) => y + bias.reshape([1, -1, 1, 1]),
        None => y,
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
