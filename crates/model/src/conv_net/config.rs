//! Describe a network of convolutions by a table, and build it for images of any size.

use burn::tensor::Device;
use ebm_core::ImageShape;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::net::{Condition, ConvNet};
use crate::invalid_network::InvalidNetwork;
use crate::layers::{Bound, ClassGain, Conv, ConvSpec, Dense, Initialization, InputBias};
use crate::ops::{Activation, ConvGeometry};

/// Side above which a last, halving convolution is repeated.
const LARGEST_FLATTENED: usize = 7;

/// Zeros around the input of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// As many as make the output ⌈input / stride⌉, an odd one below and to the right
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
///
/// The table is for the published image size. While a side is above 7 pixels after the last
/// convolution, and this convolution has a stride, it is repeated, so that larger images end as small.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvNetConfig {
    /// Convolutions, each followed by the activation.
    pub layers: Vec<ConvLayer>,
    /// Width of the dense layer between the convolutions and the energy.
    pub hidden: usize,
    /// Nonlinearity after every layer but the last.
    pub activation: Activation,
    /// Distribution of the initial weights.
    pub initialization: Initialization,
    /// Whether the first layer sees 2x − 1 instead of x.
    #[serde(default)]
    pub centered_input: bool,
    /// Whether every weight but the last is under spectral norm.
    #[serde(default)]
    pub spectral_norm: bool,
    /// Classes the energy is given; 0 for none. Every convolution but the first then has a bias of
    /// its input and a gain of its output for each class.
    #[serde(default)]
    pub num_classes: usize,
    /// Whether classes meet the network in its last layer alone, which then gives −E(x, y) of every class
    /// at once: the logits of a classifier (Grathwohl et al. 2020).
    #[serde(default)]
    pub class_head: bool,
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
            spectral_norm: false,
            num_classes: 0,
            class_head: false,
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
            spectral_norm: true,
            num_classes: 0,
            class_head: false,
        }
    }

    /// DspritesNet of IGEBM for 64×64 images, with `filters` (published: 64) in its second layer:
    /// 4×4 kernels with stride 2, swish.
    pub fn dsprites_with_filters(filters: usize) -> Self {
        let halving = |filters| ConvLayer {
            filters,
            kernel: 4,
            stride: 2,
            padding: Padding::Same,
        };
        let stem = ConvLayer {
            filters: filters.div_ceil(2),
            kernel: 3,
            stride: 1,
            padding: Padding::Same,
        };
        let wide = halving(2 * filters);
        Self {
            layers: vec![stem, halving(filters), wide, wide, wide],
            activation: Activation::Swish,
            ..Self::mnist_with_filters(filters)
        }
    }

    /// The network of the classifiers of grey images by which samples are compared with data (`digits` and `mnist` in
    /// `assets/features`), with `filters` (there: 32) in its first layer: 4×4 kernels with stride 2, swish.
    pub fn features_with_filters(filters: usize) -> Self {
        let published = Self::mnist_with_filters(filters);
        let mut layers = published.layers;
        layers[1].filters = filters;
        layers[3].filters = 2 * filters;
        Self {
            layers,
            activation: Activation::Swish,
            spectral_norm: false,
            ..published
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
        let (mut channels, mut size) = (shape.channels, [shape.height, shape.width]);
        let (mut convs, mut conditions): (Vec<Conv>, Vec<_>) = (Vec::new(), Vec::new());
        while let Some(layer) = self.layer(convs.len(), size) {
            let (spec, out) = self.place(convs.len() + 1, layer, channels, size)?;
            if self.num_classes > 0 && !self.class_head && !convs.is_empty() {
                conditions.push(Condition {
                    input_bias: InputBias::init(self.num_classes, channels, device),
                    gain: ClassGain::init(self.num_classes, layer.filters, device),
                });
            }
            convs.push(spec.init(rng, device));
            (channels, size) = (layer.filters, out);
        }
        if self.class_head && self.num_classes == 0 {
            return Err(InvalidNetwork::Zero {
                layer: convs.len() + 2,
                what: "classes",
            });
        }
        if self.hidden == 0 {
            return Err(InvalidNetwork::Zero {
                layer: convs.len() + 1,
                what: "hidden",
            });
        }
        let mut dense = |ends, bound| Dense::init(ends, self.initialization, bound, rng, device);
        let bound = self.spectral_norm.then_some(Bound::One);
        let outputs = if self.class_head { self.num_classes } else { 1 };
        Ok(ConvNet {
            convs,
            conditions,
            fc: dense([channels * size[0] * size[1], self.hidden], bound),
            out: dense([self.hidden, outputs], None),
            activation: self.activation,
            centered_input: self.centered_input,
            num_classes: self.num_classes,
            class_head: self.class_head,
            #[cfg(feature = "wgpu")]
            packed: None,
        })
    }

    /// The layer at `index`, for an input of `size`: from the table, or its last one again.
    fn layer(&self, index: usize, size: [usize; 2]) -> Option<ConvLayer> {
        let last = self.layers.last().filter(|layer| layer.stride > 1);
        let again = last.filter(|_| size[0].min(size[1]) > LARGEST_FLATTENED);
        self.layers.get(index).or(again).copied()
    }

    /// The specification of the layer at `index` (from 1), and the size of its output.
    fn place(
        &self,
        index: usize,
        layer: ConvLayer,
        channels: usize,
        size: [usize; 2],
    ) -> Result<(ConvSpec, [usize; 2]), InvalidNetwork> {
        layer.check(index)?;
        let ConvLayer { kernel, stride, .. } = layer;
        let padding = size.map(|side| layer.padding.before_and_after(side, kernel, stride));
        let padded = [0, 1].map(|axis| size[axis] + padding[axis].0 + padding[axis].1);
        if padded[0].min(padded[1]) < kernel {
            return Err(InvalidNetwork::InputTooSmall {
                layer: index,
                kernel,
                height: padded[0],
                width: padded[1],
            });
        }
        let geometry = ConvGeometry {
            stride: [stride; 2],
            padding,
        };
        let spec = ConvSpec {
            channels: [channels, layer.filters],
            kernel,
            geometry,
            bias: true,
            initialization: self.initialization,
            bound: self.spectral_norm.then_some(Bound::One),
        };
        Ok((spec, geometry.output(size, [kernel; 2])))
    }
}

impl ConvLayer {
    fn check(&self, layer: usize) -> Result<(), InvalidNetwork> {
        let settings = [
            ("filters", self.filters),
            ("kernel", self.kernel),
            ("stride", self.stride),
        ];
        match settings.into_iter().find(|(_, value)| *value == 0) {
            Some((what, _)) => Err(InvalidNetwork::Zero { layer, what }),
            None => Ok(()),
        }
    }
}
