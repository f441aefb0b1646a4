//! Run the layers of an energy with kernels made for its hot path: many small convolutions whose
//! weights stay as they are.
//!
//! The functions take tensors of any device. f32 on a CPU takes the kernels of `ebm-kernels`; a GPU has
//! input gradients of its own for strided convolutions, and [`resident`] for whole small networks;
//! everything else is Burn's own operations. An image's result never depends on its batch.

#![allow(deprecated)] // upstream prefers flex to ndarray; users compare them

#[cfg(all(test, feature = "wgpu"))]
pub(crate) mod adapters;
mod autodiff;
mod flex;
mod host;
mod order;
#[cfg(feature = "wgpu")]
pub(crate) mod resident;
#[cfg(feature = "wgpu")]
mod strided;

use std::sync::Arc;
#[cfg(feature = "wgpu")]
use std::sync::OnceLock;

use autodiff::Branches;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchDevice, backend_extension};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions};
use burn::tensor::{DType, Tensor, activation, module};
use ebm_kernels::conv;
pub use ebm_kernels::conv::Factors;

/// What kernels make of weights that stay as they are, each at its first use.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    /// On a CPU.
    host: conv::Layouts,
    /// On a GPU, channels of a tap beside each other.
    #[cfg(feature = "wgpu")]
    channels_last: OnceLock<Tensor<4>>,
    /// On a GPU, see [`strided`].
    #[cfg(feature = "wgpu")]
    turned: OnceLock<Tensor<4>>,
}

impl Layouts {
    /// Of weights that a CPU multiplies in these numbers.
    pub(crate) fn new(factors: Factors) -> Self {
        Self {
            host: conv::Layouts::new(factors),
            ..Self::default()
        }
    }
}

/// Strides of a convolution, and the zeros around its input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvGeometry {
    /// Distance between outputs, rows and columns.
    pub stride: [usize; 2],
    /// Zeros before and after, rows and columns.
    pub padding: [(usize, usize); 2],
}

impl ConvGeometry {
    /// Rows and columns of the output of kernels for an input, both of such rows and columns.
    pub(crate) fn output(self, size: [usize; 2], kernel: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| {
            let (before, after) = self.padding[axis];
            (size[axis] + before + after - kernel[axis]) / self.stride[axis] + 1
        })
    }

    fn options(self) -> ConvOptions<2> {
        ConvOptions::new_with_padding(self.stride, self.padding, [1, 1], 1)
    }
}

/// The operations for which there are kernels here.
#[backend_extension(Flex, NdArray: cfg(feature = "ndarray"), Autodiff)]
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

    fn energy_add(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self>;

    fn energy_fork(x: FloatTensor<Self>, branches: Arc<Branches>) -> FloatTensor<Self>;

    fn energy_scale(x: FloatTensor<Self>, gains: FloatTensor<Self>) -> FloatTensor<Self>;

    fn energy_shift(x: FloatTensor<Self>, biases: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// A convolution, with a bias or none. `layouts` keeps what kernels make of these weights, for whoever
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
    #[cfg(feature = "wgpu")]
    if is_on_gpu(&x) {
        let weight = match &layouts {
            // Constants are laid out once, as convolutions read them.
            Some(layouts) if !weight.is_autodiff() => {
                let laid_out = || channels_last(weight.clone());
                layouts.channels_last.get_or_init(laid_out).clone()
            }
            _ => weight,
        };
        return match x.is_autodiff() && geometry.stride != [1, 1] {
            true => strided::conv2d(x, weight, bias, &layouts.unwrap_or_default(), geometry),
            false => module::conv2d(x, weight, bias, geometry.options()),
        };
    }
    if !has_kernels(&x) {
        return module::conv2d(x, weight, bias, geometry.options());
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

/// x + y, of the same shape.
pub(crate) fn add(x: Tensor<4>, y: Tensor<4>) -> Tensor<4> {
    match has_kernels(&x) {
        true => {
            let (x, y) = (x.into_dispatch(), y.into_dispatch());
            Tensor::from_dispatch(Dispatch::energy_add(x, y))
        }
        false => x + y,
    }
}

/// x twice, for two branches that both lead to the energy; their gradients are added as they lie.
pub(crate) fn fork(x: Tensor<4>) -> [Tensor<4>; 2] {
    if !has_kernels(&x) {
        return [x.clone(), x];
    }
    let branches = Arc::<Branches>::default();
    [x.clone(), x].map(|x| {
        let branch = Dispatch::energy_fork(x.into_dispatch(), branches.clone());
        Tensor::from_dispatch(branch)
    })
}

/// Every channel of every image times a number of its own, or of all images.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`, `gains`: `[batch or 1, channels, 1, 1]`
pub(crate) fn scale(x: Tensor<4>, gains: Tensor<4>) -> Tensor<4> {
    match has_kernels(&x) {
        true => {
            let (x, gains) = (x.into_dispatch(), gains.into_dispatch());
            Tensor::from_dispatch(Dispatch::energy_scale(x, gains))
        }
        false => x * gains,
    }
}

/// Every channel of every image plus a number of its own, or of all images.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`, `biases`: `[batch or 1, channels, 1, 1]`
pub(crate) fn shift(x: Tensor<4>, biases: Tensor<4>) -> Tensor<4> {
    match has_kernels(&x) {
        true => {
            let (x, biases) = (x.into_dispatch(), biases.into_dispatch());
            Tensor::from_dispatch(Dispatch::energy_shift(x, biases))
        }
        false => x + biases,
    }
}

/// Rows times a matrix, plus a bias. `layouts` as for [`conv2d`].
///
/// # Shapes
/// - `x`: `[batch, inputs]`, `weight`: `[inputs, outputs]`, `bias`: `[outputs]`
/// - returns `[batch, outputs]`
pub(crate) fn dense(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    layouts: Option<Arc<Layouts>>,
) -> Tensor<2> {
    let [batch, inputs] = x.dims();
    dense_of_images(x.reshape([batch, inputs, 1, 1]), weight, bias, layouts)
}

/// Whole images times a matrix, plus a bias; on the CPU a convolution whose kernel covers the image, so
/// that the bits of a row do not depend on the others. `layouts` as for [`conv2d`].
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`, `weight`: `[channels · height · width, outputs]`,
///   `bias`: `[outputs]`
/// - returns `[batch, outputs]`
pub(crate) fn dense_of_images(
    x: Tensor<4>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    layouts: Option<Arc<Layouts>>,
) -> Tensor<2> {
    if !has_kernels(&x) {
        return x.flatten(1, 3).matmul(weight) + bias.unsqueeze();
    }
    let ([batch, channels, height, width], [_, outputs]) = (x.dims(), weight.dims());
    let kernels = weight.reshape([channels, height, width, outputs]);
    let geometry = ConvGeometry {
        stride: [1, 1],
        padding: [(0, 0); 2],
    };
    let y = conv2d(
        x,
        kernels.permute([3, 0, 1, 2]),
        Some(bias),
        layouts,
        geometry,
    );
    y.reshape([batch, outputs])
}

/// The same numbers, the channels of a pixel or tap beside each other.
#[cfg(feature = "wgpu")]
fn channels_last(x: Tensor<4>) -> Tensor<4> {
    let last = x.permute([0, 2, 3, 1]);
    let shape = last.dims();
    // Numbers in another order than this are copied into it.
    last.flatten::<1>(0, 3).reshape(shape).permute([0, 3, 1, 2])
}

/// Whether a tensor is on a GPU.
#[cfg(feature = "wgpu")]
pub(crate) fn is_on_gpu<const D: usize>(x: &Tensor<D>) -> bool {
    let device = x.device().inner();
    matches!(device.as_dispatch(), DispatchDevice::Cube(_))
}

fn has_kernels<const D: usize>(x: &Tensor<D>) -> bool {
    let device = x.device().inner();
    let is_host = match device.as_dispatch() {
        DispatchDevice::Flex(_) => true,
        #[cfg(feature = "ndarray")]
        DispatchDevice::NdArray(_) => true,
        #[allow(unreachable_patterns)] // with flex alone
        _ => false,
    };
    x.dtype() == DType::F32 && is_host
}
