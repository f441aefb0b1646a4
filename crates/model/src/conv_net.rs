//! Build an energy from strided convolutions and two dense layers.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::activation::Activation;
use crate::energy::{EnergyModel, ImageShape};
use crate::ops::{ConvGeometry, conv2d};

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
    fn before_and_after(self, size: usize, kernel: usize, stride: usize) -> (usize, usize) {
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

/// The law of initial weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initialization {
    /// Weights and biases uniform in ±1/√fan-in (PyTorch's default).
    FanInUniform,
    /// Weights normal with variance 2/fan-in, biases zero (He et al. 2015).
    HeNormal,
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

impl Initialization {
    fn weights<const D: usize>(
        self,
        shape: [usize; D],
        fan_in: usize,
        rng: &mut impl Rng,
    ) -> TensorData {
        let std = (2.0 / fan_in as f32).sqrt();
        let weights = (0..shape.iter().product()).map(|_| match self {
            Self::FanInUniform => uniform_of_fan_in(fan_in, rng),
            Self::HeNormal => std * standard_normal(rng),
        });
        TensorData::new(weights.collect::<Vec<f32>>(), shape)
    }

    fn biases(self, outputs: usize, fan_in: usize, rng: &mut impl Rng) -> TensorData {
        let biases = (0..outputs).map(|_| match self {
            Self::FanInUniform => uniform_of_fan_in(fan_in, rng),
            Self::HeNormal => 0.0,
        });
        TensorData::new(biases.collect::<Vec<f32>>(), [outputs])
    }
}

/// N(0, 1) by the polar form of two uniforms (Box & Muller 1958).
fn standard_normal(rng: &mut impl Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    radius * (core::f32::consts::TAU * rng.random::<f32>()).cos()
}

fn uniform_of_fan_in(fan_in: usize, rng: &mut impl Rng) -> f32 {
    let bound = 1.0 / (fan_in as f32).sqrt();
    rng.random_range(-bound..=bound)
}

/// E(x): convolutions, a dense layer, one number.
#[derive(Module, Debug)]
pub struct ConvNet {
    convs: Vec<Conv2d>,
    fc: Linear,
    out: Linear,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    centered_input: bool,
}

impl EnergyModel for ConvNet {
    fn energy(&self, x: Tensor<4>) -> Tensor<1> {
        let mut h = if self.centered_input {
            x * 2.0 - 1.0
        } else {
            x
        };
        for conv in &self.convs {
            h = self.activation.forward(convolve(conv, h)); // [batch, filters, height', width']
        }
        let h = self.activation.forward(dense(&self.fc, h.flatten(1, 3))); // [batch, hidden]
        dense(&self.out, h).squeeze_dim(1) // [batch]
    }
}

/// # Shapes
/// - `x`: `[batch, channels, height, width]`, returns `[batch, filters, height', width']`
fn convolve(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let PaddingConfig2d::Explicit(top, left, bottom, right) = layer.padding else {
        unreachable!("a ConvNet's padding is explicit")
    };
    let geometry = ConvGeometry {
        stride: layer.stride,
        padding: [(top, bottom), (left, right)],
    };
    let bias = layer
        .bias
        .as_ref()
        .expect("a ConvNet's convolutions have a bias");
    conv2d(x, layer.weight.val(), bias.val(), geometry)
}

/// A dense layer whose rows do not depend on how many there are: a product with a single row takes
/// another path on a CPU, which rounds differently, so that row is computed twice.
///
/// # Shapes
/// - `x`: `[batch, inputs]`, returns `[batch, outputs]`
fn dense(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    match x.dims()[0] {
        1 => layer.forward(x.repeat_dim(0, 2)).narrow(0, 0, 1),
        _ => layer.forward(x),
    }
}

#[cfg(test)]
mod tests {
    use burn::module::ModuleVisitor;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    const MNIST: ImageShape = ImageShape {
        channels: 1,
        height: 28,
        width: 28,
    };

    fn net(config: ConvNetConfig, shape: ImageShape) -> ConvNet {
        let mut rng = SmallRng::seed_from_u64(7);
        config.init(shape, &mut rng, &Device::flex()).expect("fits")
    }

    #[test]
    fn the_uva_network_has_77_thousand_parameters() {
        let expected = 416 + 4_640 + 18_496 + 36_928 + 16_448 + 65;
        assert_eq!(net(ConvNetConfig::uva(), MNIST).num_params(), expected);
    }

    #[test]
    fn mnist_net_reduces_28_to_14_to_7_to_4_with_same_padding() {
        let net = net(ConvNetConfig::mnist(), MNIST);
        assert_eq!(net.fc.weight.dims(), [4096, 128]);
        assert_eq!(Padding::Same.before_and_after(28, 4, 2), (1, 1));
        assert_eq!(Padding::Same.before_and_after(7, 4, 2), (1, 2));
        assert_eq!(Padding::Same.before_and_after(28, 3, 1), (1, 1));
        let convolutions = 576 + 64 + 65_536 + 64 + 131_072 + 128 + 524_288 + 256;
        assert_eq!(net.num_params(), convolutions + 4096 * 128 + 128 + 129);
    }

    #[test]
    fn a_small_network_can_be_computed_by_hand() {
        // 1×1 image, one 1×1 filter, one hidden unit: E = o·act(f·act(w·x + b) + c) + d.
        let config = ConvNetConfig {
            layers: vec![ConvLayer {
                filters: 1,
                kernel: 1,
                stride: 1,
                padding: Padding::Same,
            }],
            hidden: 1,
            activation: Activation::LeakyRelu,
            initialization: Initialization::FanInUniform,
            centered_input: true,
        };
        let net = net(config, ImageShape::new(1, 1, 1));
        struct Numbers(Vec<f32>);
        impl ModuleVisitor for Numbers {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.0.push(param.val().into_scalar::<f32>());
            }
        }
        let mut numbers = Numbers(Vec::new());
        net.visit(&mut numbers);
        let [w, b, f, c, o, d] = numbers.0[..] else {
            panic!("six numbers")
        };
        let act = |z: f32| if z > 0.0 { z } else { 0.2 * z };
        let x = 0.8;
        let expected = o * act(f * act(w * (2.0 * x - 1.0) + b) + c) + d;
        let energy = net.energy(Tensor::full([1, 1, 1, 1], x, &Device::flex()));
        assert!((energy.into_scalar::<f32>() - expected).abs() < 1e-6);
    }

    #[test]
    fn the_weights_follow_their_law() {
        let net = net(ConvNetConfig::mnist(), MNIST);
        let weights = net.convs[3].weight.val();
        let n = weights.shape().num_elements() as f32;
        let variance = weights.clone().square().mean().into_scalar::<f32>();
        let expected = 2.0 / (128.0 * 16.0);
        assert!((variance / expected - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
        assert!(weights.mean().into_scalar::<f32>().abs() < 5.0 * (expected / n).sqrt());
    }

    #[test]
    fn refuses_images_smaller_than_its_kernels() {
        let mut rng = SmallRng::seed_from_u64(7);
        let config = ConvNetConfig {
            layers: vec![ConvLayer {
                filters: 4,
                kernel: 5,
                stride: 1,
                padding: Padding::Each(0),
            }],
            ..ConvNetConfig::uva()
        };
        let error = config.init(ImageShape::new(1, 3, 9), &mut rng, &Device::flex());
        assert_eq!(
            error.err().map(|error| error.to_string()),
            Some(
                "layer 1: a kernel of 5×5 does not fit into an input of 3×9; use larger images"
                    .into()
            )
        );
    }
}
