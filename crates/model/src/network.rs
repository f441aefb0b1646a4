//! Choose among the networks.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand::Rng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::conv_net::{ConvNet, ConvNetConfig};
use crate::energy::{EnergyModel, Given, ImageShape};
use crate::layers::NormedWeight;
use crate::res_net::{ResNet, ResNetConfig};

/// A network of one of the families.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // one per run
pub enum Network {
    /// Strided convolutions.
    Conv(ConvNet),
    /// Residual blocks.
    Res(ResNet),
}

/// The table from which a [`Network`] is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkConfig {
    /// Strided convolutions.
    Conv(ConvNetConfig),
    /// Residual blocks.
    Res(ResNetConfig),
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

impl NetworkConfig {
    /// Build the network for images of `shape`, with weights drawn from `rng`: the same weights on
    /// every device.
    ///
    /// # Errors
    /// Where the table cannot be built for images of this shape.
    pub fn init(
        &self,
        shape: ImageShape,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Result<Network, InvalidNetwork> {
        match self {
            Self::Conv(config) => config.init(shape, rng, device).map(Network::Conv),
            Self::Res(config) => config.init(shape, rng, device).map(Network::Res),
        }
    }
}

impl EnergyModel for Network {
    fn num_classes(&self) -> usize {
        match self {
            Self::Conv(net) => net.num_classes(),
            Self::Res(net) => net.num_classes(),
        }
    }

    fn energy_with(&self, x: Tensor<4>, given: Given<'_>) -> Tensor<1> {
        match self {
            Self::Conv(net) => net.energy_with(x, given),
            Self::Res(net) => net.energy_with(x, given),
        }
    }

    fn folded(&self) -> Self {
        match self {
            Self::Conv(net) => Self::Conv(net.folded()),
            Self::Res(net) => Self::Res(net.folded()),
        }
    }

    fn spectral_norms(&mut self) -> Vec<NormedWeight<'_>> {
        match self {
            Self::Conv(net) => net.spectral_norms(),
            Self::Res(net) => net.spectral_norms(),
        }
    }
}
