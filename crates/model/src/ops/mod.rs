//! Run the layers of an energy on the CPU with kernels made for its hot path: many small
//! convolutions whose weights stay as they are.
//!
//! The functions take tensors of any device; only f32 on flex takes the kernels of [`conv`] and
//! [`elementwise`], everything else Burn's own operations. An image's result never depends on its batch.

mod autodiff;
mod conv;
mod elementwise;
mod flex;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchDevice, backend_extension};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Tensor, activation, module};

/// Strides of a convolution, and the zeros around its input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvGeometry {
    /// Distance between outputs, rows and columns.
    pub stride: [usize; 2],
    /// Zeros before and after, rows and columns.
    pub padding: [(usize, usize); 2],
}

/// The operations for which flex has kernels here.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait EnergyOps: Backend {
    fn energy_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self>;

    fn energy_swish(x: FloatTensor<Self>) -> FloatTensor<Self>;

    fn energy_leaky_relu(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// A convolution with bias.
///
/// # Shapes
/// - `x`: `[batch, channels_in, height, width]`, `bias`: `[channels_out]`
/// - `weight`: `[channels_out, channels_in, kernel_height, kernel_width]`
pub(crate) fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    geometry: ConvGeometry,
) -> Tensor<4> {
    if !has_kernels(&x) {
        let ConvGeometry { stride, padding } = geometry;
        let options = ConvOptions::new_with_padding(stride, padding, [1, 1], 1);
        return module::conv2d(x, weight, Some(bias), options);
    }
    let (weight, bias) = (weight.into_dispatch(), bias.into_dispatch());
    let y = Dispatch::energy_conv2d(x.into_dispatch(), weight, bias, geometry);
    Tensor::from_dispatch(y)
}

/// x·σ(x).
pub(crate) fn swish<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match has_kernels(&x) {
        true => Tensor::from_dispatch(Dispatch::energy_swish(x.into_dispatch())),
        false => activation::silu(x),
    }
}

/// x where positive, 0.2·x elsewhere.
pub(crate) fn leaky_relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match has_kernels(&x) {
        true => Tensor::from_dispatch(Dispatch::energy_leaky_relu(x.into_dispatch())),
        false => activation::leaky_relu(x, 0.2),
    }
}

fn has_kernels<const D: usize>(x: &Tensor<D>) -> bool {
    let device = x.device().inner();
    x.dtype() == DType::F32 && matches!(device.as_dispatch(), DispatchDevice::Flex(_))
}
