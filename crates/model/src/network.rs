//! Choose among the networks.

use burn::module::Module;
use burn::tensor::{DType, Device, Int, Tensor};
use ebm_core::ImageShape;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::conv_net::{ConvNet, ConvNetConfig};
use crate::energy::{EnergyContext, EnergyModel};
use crate::invalid_network::InvalidNetwork;
use crate::latent::{LatentConfig, LatentEnergy, LatentNet};
use crate::layers::NormedWeight;
use crate::locality::Locality;
use crate::ops::Factors;
use crate::pooled_net::{PooledNet, PooledNetConfig};
use crate::res_net::{ResNet, ResNetConfig};
use crate::unet::{UNet, UNetConfig};
use crate::work::Work;

/// A network of one of the families.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // one per run
pub enum Network {
    /// Strided convolutions.
    Conv(ConvNet),
    /// Residual blocks.
    Res(ResNet),
    /// A U-Net.
    UNet(UNet),
    /// Averages of several scales.
    Pooled(PooledNet),
    /// Images and latent vectors.
    Latent(LatentNet),
}

/// The table from which a [`Network`] is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkConfig {
    /// Strided convolutions.
    Conv(ConvNetConfig),
    /// Residual blocks.
    Res(ResNetConfig),
    /// A U-Net.
    #[serde(rename = "unet")]
    UNet(UNetConfig),
    /// Averages of several scales.
    Pooled(PooledNetConfig),
    /// Images and latent vectors.
    Latent(LatentConfig),
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
            Self::UNet(config) => config.init(shape, rng, device).map(Network::UNet),
            Self::Pooled(config) => config.init(shape, rng, device).map(Network::Pooled),
            Self::Latent(config) => config.init(shape, rng, device).map(Network::Latent),
        }
    }
}

impl Network {
    /// What convolutions and dense layers compute for the energy of one image of `shape`.
    pub fn work(&self, shape: ImageShape) -> Work {
        match self {
            Self::Conv(net) => net.work(shape),
            Self::Res(net) => net.work(shape),
            Self::UNet(net) => net.work(shape),
            Self::Pooled(net) => net.work(shape),
            Self::Latent(net) => net.work(shape),
        }
    }

    /// How far ∇E sees, of an energy that is a sum over space; `None` for one of images of one size, or in which
    /// every pixel sees every other.
    pub fn locality(&self) -> Option<Locality> {
        match self {
            Self::UNet(net) => net.locality(),
            Self::Conv(_) | Self::Res(_) | Self::Pooled(_) | Self::Latent(_) => None,
        }
    }

    /// The dtype of its weights.
    fn dtype(&self) -> DType {
        match self {
            Self::Conv(net) => net.dtype(),
            Self::Res(net) => net.dtype(),
            Self::UNet(net) => net.dtype(),
            Self::Pooled(net) => net.dtype(),
            Self::Latent(net) => net.dtype(),
        }
    }
}

impl EnergyModel for Network {
    fn num_classes(&self) -> usize {
        match self {
            Self::Conv(net) => net.num_classes(),
            Self::Res(net) => net.num_classes(),
            Self::UNet(net) => net.num_classes(),
            Self::Pooled(net) => net.num_classes(),
            Self::Latent(net) => net.num_classes(),
        }
    }

    fn num_levels(&self) -> usize {
        match self {
            Self::Conv(net) => net.num_levels(),
            Self::Res(net) => net.num_levels(),
            Self::UNet(net) => net.num_levels(),
            Self::Pooled(net) => net.num_levels(),
            Self::Latent(net) => net.num_levels(),
        }
    }

    fn sees_noise(&self) -> bool {
        match self {
            Self::Conv(net) => net.sees_noise(),
            Self::Res(net) => net.sees_noise(),
            Self::UNet(net) => net.sees_noise(),
            Self::Pooled(net) => net.sees_noise(),
            Self::Latent(net) => net.sees_noise(),
        }
    }

    fn latent(&self) -> Option<&dyn LatentEnergy> {
        match self {
            Self::Latent(net) => net.latent(),
            Self::Conv(_) | Self::Res(_) | Self::UNet(_) | Self::Pooled(_) => None,
        }
    }

    /// Computed in the dtype of the weights, returned in that of the images.
    fn energy_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<1> {
        let image_dtype = x.dtype();
        let x = x.cast(self.dtype());
        let energies = match self {
            Self::Conv(net) => net.energy_with(x, context),
            Self::Res(net) => net.energy_with(x, context),
            Self::UNet(net) => net.energy_with(x, context),
            Self::Pooled(net) => net.energy_with(x, context),
            Self::Latent(net) => net.energy_with(x, context),
        };
        energies.cast(image_dtype)
    }

    fn energies_by_class(&self, x: Tensor<4>) -> Tensor<2> {
        let image_dtype = x.dtype();
        let x = x.cast(self.dtype());
        let energies = match self {
            Self::Conv(net) => net.energies_by_class(x),
            Self::Res(net) => net.energies_by_class(x),
            Self::UNet(net) => net.energies_by_class(x),
            Self::Pooled(net) => net.energies_by_class(x),
            Self::Latent(net) => net.energies_by_class(x),
        };
        energies.cast(image_dtype)
    }

    fn fused_energy_and_gradient(
        &self,
        x: &Tensor<4>,
        y: Option<&Tensor<1, Int>>,
    ) -> Option<(Tensor<1>, Tensor<4>)> {
        match self {
            Self::Conv(net) => net.fused_energy_and_gradient(x, y),
            Self::Res(net) => net.fused_energy_and_gradient(x, y),
            Self::UNet(net) => net.fused_energy_and_gradient(x, y),
            Self::Pooled(net) => net.fused_energy_and_gradient(x, y),
            Self::Latent(net) => net.fused_energy_and_gradient(x, y),
        }
    }

    fn fold(&self, factors: Factors) -> Self {
        match self {
            Self::Conv(net) => Self::Conv(net.fold(factors)),
            Self::Res(net) => Self::Res(net.fold(factors)),
            Self::UNet(net) => Self::UNet(net.fold(factors)),
            Self::Pooled(net) => Self::Pooled(net.fold(factors)),
            Self::Latent(net) => Self::Latent(net.fold(factors)),
        }
    }

    fn spectral_norms(&mut self) -> Vec<NormedWeight<'_>> {
        match self {
            Self::Conv(net) => net.spectral_norms(),
            Self::Res(net) => net.spectral_norms(),
            Self::UNet(net) => net.spectral_norms(),
            Self::Pooled(net) => net.spectral_norms(),
            Self::Latent(net) => net.spectral_norms(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn multiplications_are_those_of_the_table() {
        let count = |config: NetworkConfig, shape: ImageShape| {
            let mut rng = SmallRng::seed_from_u64(1);
            let net = config.init(shape, &mut rng, &Device::flex()).expect("fits");
            net.work(shape).multiply_adds
        };
        let mnist = NetworkConfig::Conv(ConvNetConfig::mnist());
        let convs = 9 * 64 * 784 + 16 * (64 * 64 * 196 + 64 * 128 * 49 + 128 * 256 * 16);
        let expected = convs + 4096 * 128 + 128;
        assert_eq!(count(mnist, ImageShape::new(1, 28, 28)), expected);
        let f = 4;
        let small = NetworkConfig::Res(ResNetConfig::resnet32_with_filters(f, 0));
        let (full, half, quarter, eighth) = (1024, 256, 64, 16);
        let blocks = [
            (full, 2 * f * f),
            (half, 2 * f * f),
            (half, 2 * f * f + 4 * f * f + 2 * f * f),
            (quarter, 8 * f * f),
            (quarter, 8 * f * f),
            (eighth, 8 * f * f),
        ];
        let blocks: usize = blocks
            .iter()
            .map(|(places, pairs)| 9 * places * pairs)
            .sum();
        let expected = 27 * f * 1024 + blocks + 2 * f;
        assert_eq!(count(small, ImageShape::new(3, 32, 32)), expected);
    }
}
