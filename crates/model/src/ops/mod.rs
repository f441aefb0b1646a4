//! Run the layers of an energy on the CPU with kernels made for its hot path: many small
//! convolutions whose weights stay as they are.
//!
//! The functions take tensors of any device; only f32 on flex takes the kernels of [`conv`] and
//! [`elementwise`], everything else Burn's own operations. An image's result never depends on its batch.

mod autodiff;
mod conv;
mod dense;
mod elementwise;
mod flex;
mod matrix;
mod pool;

use std::sync::Arc;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchDevice, backend_extension};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions};
use burn::tensor::{DType, Tensor, activation, module};
pub(crate) use conv::Layouts;

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
        layouts: Arc<Layouts>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self>;

    fn energy_swish(x: FloatTensor<Self>) -> FloatTensor<Self>;

    fn energy_leaky_relu(x: FloatTensor<Self>) -> FloatTensor<Self>;

    fn energy_halve(x: FloatTensor<Self>) -> FloatTensor<Self>;

    fn energy_dense(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// A convolution, with a bias or none. `layouts` keeps what the CPU makes of these weights, for whoever
/// convolves with them again.
///
/// # Shapes
/// - `x`: `[batch, channels_in, height, width]`, `bias`: `[channels_out]`
/// - `weight`: `[channels_out, channels_in, kernel_height, kernel_width]`
pub(crate) fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    layouts: Option<Arc<Layouts>>,
    geometry: ConvGeometry,
) -> Tensor<4> {
    if !has_kernels(&x) {
        let ConvGeometry { stride, padding } = geometry;
        let options = ConvOptions::new_with_padding(stride, padding, [1, 1], 1);
        return module::conv2d(x, weight, bias, options);
    }
    let device = x.device().inner();
    let bias = bias.unwrap_or_else(|| Tensor::zeros([weight.dims()[0]], &device));
    let y = Dispatch::energy_conv2d(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        layouts.unwrap_or_default(),
        geometry,
    );
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

/// The average of every 2×2 pixels; an odd last row or column is left out.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`, returns `[batch, channels, height/2, width/2]`
pub(crate) fn halve(x: Tensor<4>) -> Tensor<4> {
    match has_kernels(&x) {
        true => Tensor::from_dispatch(Dispatch::energy_halve(x.into_dispatch())),
        false => module::avg_pool2d(x, AvgPoolOptions::new([2, 2])),
    }
}

/// Rows times a matrix; on the CPU the bits of a row do not depend on the others.
///
/// # Shapes
/// - `x`: `[batch, inputs]`, `weight`: `[inputs, outputs]`, returns `[batch, outputs]`
pub(crate) fn dense(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    match has_kernels(&x) {
        true => {
            let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
            Tensor::from_dispatch(Dispatch::energy_dense(x, weight))
        }
        false => x.matmul(weight),
    }
}

fn has_kernels<const D: usize>(x: &Tensor<D>) -> bool {
    let device = x.device().inner();
    x.dtype() == DType::F32 && matches!(device.as_dispatch(), DispatchDevice::Flex(_))
}
