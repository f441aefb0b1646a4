//! Name the operations for which there are kernels on a CPU.

use std::sync::Arc;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType, backend_extension};

use crate::ops::geometry::ConvGeometry;
use crate::ops::layouts::Layouts;

/// What a convolution computes with.
#[derive(ExtensionType)]
pub(crate) struct ConvOperands<B: Backend> {
    /// `[batch, channels_in, height, width]`.
    pub(crate) x: FloatTensor<B>,
    /// `[channels_out, channels_in, kernel_height, kernel_width]`.
    pub(crate) weight: FloatTensor<B>,
    /// `[channels_out]`.
    pub(crate) bias: FloatTensor<B>,
}

/// The operations for which there are kernels on a CPU, of f32.
#[backend_extension(Flex, NdArray: cfg(feature = "ndarray"), Autodiff)]
pub(crate) trait EnergyOps: Backend {
    /// A convolution with a bias.
    fn energy_conv2d(
        #[extension_type] operands: ConvOperands<Self>,
        layouts: Arc<Layouts>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self>;

    /// x·σ(x).
    fn energy_swish(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// x where positive, 0.2·x elsewhere.
    fn energy_leaky_relu(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The average of every 2×2 pixels.
    fn energy_halve(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Every pixel as a block of 2×2.
    fn energy_double(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The average of all pixels, `[batch, channels, 1, 1]`.
    fn energy_mean(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The channels of x, and after them those of y.
    fn energy_join(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self>;

    /// x + y, of the same shape.
    fn energy_add(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self>;

    /// x twice, for two branches.
    fn energy_fork(x: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Every channel times a factor.
    fn energy_scale(x: FloatTensor<Self>, gains: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Every channel plus a bias.
    fn energy_shift(x: FloatTensor<Self>, biases: FloatTensor<Self>) -> FloatTensor<Self>;
}
