//! Describe a network of convolutions by a table, and build it for images of any size.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::Device;
use rand::Rng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ConvNet;
use super::initialization::Initialization;
use crate::activation::Activation;
use crate::energy::ImageShape;

/// Zeros around the input of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// As many as make the output ⌈input / stride⌉, the odd one below and to the right
    /// (TensorFlow's 'SAME').
    Same,
    /// This many on every side.
    Each(usize),
}

impl Padding {
    /// Zeros before and after a side of `size`.
    pub(super) fn before_and_after(
        self,
        size: usize,
        kernel: usize,
        stride: usize,
    ) -> (usize, usize) {
        match self {
            Self::Each(zeros) => (zeros, zeros),
            Self::Same => {
                let span = (size.div_ceil(stride) - 1) * stride + kernel;
                let zeros = span.saturating_sub(size);
                (zeros / 2, zeros - zeros / 2)
            }
        }
    }
}

/// One convolution: `filters` square kernels of side `kernel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvLayer {
    /// Output channels.
    pub filters: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Distance between outputs, in input pixels.
    pub stride: usize,
    /// Zeros around the input.
    pub padding: Padding,
}

/// The table from which a [`ConvNet`] is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvNetConfig {
    /// Convolutions, each followed by the activation.
    pub layers: Vec<ConvLayer>,
    /// Width of the dense layer between the convolutions and the energy.
    pub hidden: usize,
    /// Nonlinearity after every layer but the last.
    pub activation: Activation,
    /// Law of the initial weights.
    pub initialization: Initialization,
    /// Whether the first layer sees 2x − 1 instead of x.
    pub centered_input: bool,
}

/// A network that cannot be built.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidNetwork {
    /// A convolution whose kernel exceeds its padded input.
    #[error(
        "layer {layer}: a kernel of {kernel}×{kernel} does not fit into an input of {height}×{width}; use larger images"
    )]
    InputTooSmall {
        /// Position of the layer, from 1.
        layer: usize,
        /// Side of its kernel.
        kernel: usize,
        /// Height of its padded input.
        height: usize,
        /// Width of its padded input.
        width: usize,
    },
    /// A number of filters, a width, a kernel or a stride of zero.
    #[error("layer {layer}: {what} must be at least 1")]
    Zero {
        /// Position of the layer, from 1; one more than the convolutions for the dense layer.
        layer: usize,
        /// Which number.
        what: &'static str,
    },
}

impl ConvNetConfig {
    /// The 77k-parameter network of the UvA deep learning tutorial 8 for 28×28 images:
    /// 5×5 and 3×3 kernels, stride 2, swish, inputs in [−1, 1].
    pub fn uva() -> Self {
        Self::uva_with_filters(16)
    }

    /// [`uva`](Self::uva) with `filters` in the first layer instead of 16.
    pub fn uva_with_filters(filters: usize) -> Self {
        let layer = |filters, kernel, zeros| ConvLayer {
            filters,
            kernel,
            stride: 2,
            padding: Padding::Each(zeros),
        };
        let layers = vec![
            layer(filters, 5, 4),
            layer(2 * filters, 3, 1),
            layer(4 * filters, 3, 1),
            layer(4 * filters, 3, 1),
        ];
        Self {
            layers,
            hidden: 4 * filters,
            activation: Activation::Swish,
            initialization: Initialization::FanInUniform,
            centered_input: true,
        }
    }

    /// MnistNet of IGEBM (Du & Mordatch 2019): 64 filters, 4×4 kernels with stride 2, leaky ReLU.
    pub fn mnist() -> Self {
        Self::mnist_with_filters(64)
    }

    /// [`mnist`](Self::mnist) with `filters` in the first layer instead of 64.
    pub fn mnist_with_filters(filters: usize) -> Self {
        let layer = |filters, kernel, stride| ConvLayer {
            filters,
            kernel,
            stride,
            padding: Padding::Same,
        };
        let layers = vec![
            layer(filters, 3, 1),
            layer(filters, 4, 2),
            layer(2 * filters, 4, 2),
            layer(4 * filters, 4, 2),
        ];
        Self {
            layers,
            hidden: 2 * filters,
            activation: Activation::LeakyRelu,
            initialization: Initialization::HeNormal,
            centered_input: false,
        }
    }

    /// The network with this activation.
    pub fn with_activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// Build the network for images of `shape`, with weights drawn from `rng`: the same weights on
    /// every device.
    ///
    /// # Errors
    /// Where a kernel does not fit into its input, or a layer has no filters.
    pub fn init(
        &self,
        shape: ImageShape,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Result<ConvNet, InvalidNetwork> {
        let (mut channels, mut height, mut width) = (shape.channels, shape.height, shape.width);
        let mut convs = Vec::with_capacity(self.layers.len());
        for (i, layer) in self.layers.iter().enumerate() {
            layer.check(i + 1)?;
            let rows = layer
                .padding
                .before_and_after(height, layer.kernel, layer.stride);
            let columns = layer
                .padding
                .before_and_after(width, layer.kernel, layer.stride);
            let (padded_height, padded_width) =
                (height + rows.0 + rows.1, width + columns.0 + columns.1);
            if padded_height.min(padded_width) < layer.kernel {
                return Err(InvalidNetwork::InputTooSmall {
                    layer: i + 1,
                    kernel: layer.kernel,
                    height: padded_height,
                    width: padded_width,
                });
            }
            let padding = PaddingConfig2d::Explicit(rows.0, columns.0, rows.1, columns.1);
            convs.push(self.conv(channels, layer, padding, rng, device));
            channels = layer.filters;
            height = (padded_height - layer.kernel) / layer.stride + 1;
            width = (padded_width - layer.kernel) / layer.stride + 1;
        }
        if self.hidden == 0 {
            let layer = self.layers.len() + 1;
            return Err(InvalidNetwork::Zero {
                layer,
                what: "hidden",
            });
        }
        Ok(ConvNet {
            convs,
            fc: self.dense(channels * height * width, self.hidden, rng, device),
            out: self.dense(self.hidden, 1, rng, device),
            activation: self.activation,
            centered_input: self.centered_input,
        })
    }

    fn conv(
        &self,
        channels: usize,
        layer: &ConvLayer,
        padding: PaddingConfig2d,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Conv2d {
        let fan_in = channels * layer.kernel * layer.kernel;
        let shape = [layer.filters, channels, layer.kernel, layer.kernel];
        let mut conv = Conv2dConfig::new([channels, layer.filters], [layer.kernel; 2])
            .with_stride([layer.stride; 2])
            .with_padding(padding)
            .init(device);
        conv.weight = Param::from_data(self.initialization.weights(shape, fan_in, rng), device);
        let bias = self.initialization.biases(layer.filters, fan_in, rng);
        conv.bias = Some(Param::from_data(bias, device));
        conv
    }

    fn dense(&self, inputs: usize, outputs: usize, rng: &mut impl Rng, device: &Device) -> Linear {
        let mut dense = LinearConfig::new(inputs, outputs).init(device);
        let weights = self.initialization.weights([inputs, outputs], inputs, rng);
        dense.weight = Param::from_data(weights, device);
        let bias = self.initialization.biases(outputs, inputs, rng);
        dense.bias = Some(Param::from_data(bias, device));
        dense
    }
}

impl ConvLayer {
    fn check(&self, layer: usize) -> Result<(), InvalidNetwork> {
        let numbers = [
            ("filters", self.filters),
            ("kernel", self.kernel),
            ("stride", self.stride),
        ];
        match numbers.into_iter().find(|(_, number)| *number == 0) {
            Some((what, _)) => Err(InvalidNetwork::Zero { layer, what }),
            None => Ok(()),
        }
    }
}
