//! Choose among the networks.

use burn::module::Module;
use burn::tensor::{DType, Device, Int, Tensor};
use ebm_core::ImageShape;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::conv_net::{ConvNet, ConvNetConfig};
use crate::energy::{EnergyContext, EnergyModel};
use crate::experts::{Constant, Experts, ExpertsConfig, Whitened};
use crate::invalid_network::InvalidNetwork;
use crate::latent::{LatentConfig, LatentEnergy, LatentNet};
use crate::layers::NormedWeight;
use crate::locality::Locality;
use crate::mlp::{Mlp, MlpConfig};
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
    /// Overcomplete experts on whitened patches.
    Experts(Experts),
    /// Dense layers.
    Mlp(Mlp),
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
    /// Overcomplete experts on whitened patches.
    Experts(ExpertsConfig),
    /// Dense layers.
    Mlp(MlpConfig),
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
            Self::Experts(config) => config.init(shape, rng, device).map(Network::Experts),
            Self::Mlp(config) => config.init(shape, rng, device).map(Network::Mlp),
            Self::Latent(config) => config.init(shape, rng, device).map(Network::Latent),
        }
    }
}

/// The same of whatever network it is.
macro_rules! whichever {
    ($network:expr, $net:ident => $found:expr) => {
        match $network {
            Self::Conv($net) => $found,
            Self::Res($net) => $found,
            Self::UNet($net) => $found,
            Self::Pooled($net) => $found,
            Self::Experts($net) => $found,
            Self::Mlp($net) => $found,
            Self::Latent($net) => $found,
        }
    };
}

impl Network {
    /// What convolutions and dense layers compute for the energy of one image of `shape`.
    pub fn work(&self, shape: ImageShape) -> Work {
        whichever!(self, net => net.work(shape))
    }

    /// How far ∇E sees, of an energy that is a sum over space; `None` for one of images of one size, or in which
    /// every pixel sees every other.
    pub fn locality(&self) -> Option<Locality> {
        match self {
            Self::UNet(net) => net.locality(),
            _ => None,
        }
    }

    /// The experts, of a network that is made of them.
    pub fn experts(&self) -> Option<&Experts> {
        match self {
            Self::Experts(net) => Some(net),
            _ => None,
        }
    }

    /// The dtype of its weights.
    fn dtype(&self) -> DType {
        whichever!(self, net => net.dtype())
    }
}

impl EnergyModel for Network {
    fn num_classes(&self) -> usize {
        whichever!(self, net => net.num_classes())
    }

    fn num_levels(&self) -> usize {
        whichever!(self, net => net.num_levels())
    }

    fn sees_noise(&self) -> bool {
        whichever!(self, net => net.sees_noise())
    }

    /// Computed in the dtype of the weights, returned in that of the images.
    fn energy_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<1> {
        let image_dtype = x.dtype();
        let x = x.cast(self.dtype());
        let energies = whichever!(self, net => net.energy_with(x, context));
        energies.cast(image_dtype)
    }

    fn energies_by_class_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<2> {
        let image_dtype = x.dtype();
        let x = x.cast(self.dtype());
        let energies = whichever!(self, net => net.energies_by_class_with(x, context));
        energies.cast(image_dtype)
    }

    fn fused_energy_and_gradient(
        &self,
        x: &Tensor<4>,
        y: Option<&Tensor<1, Int>>,
    ) -> Option<(Tensor<1>, Tensor<4>)> {
        whichever!(self, net => net.fused_energy_and_gradient(x, y))
    }

    fn fold(&self, factors: Factors) -> Self {
        match self {
            Self::Conv(net) => Self::Conv(net.fold(factors)),
            Self::Res(net) => Self::Res(net.fold(factors)),
            Self::UNet(net) => Self::UNet(net.fold(factors)),
            Self::Pooled(net) => Self::Pooled(net.fold(factors)),
            Self::Experts(net) => Self::Experts(net.fold(factors)),
            Self::Mlp(net) => Self::Mlp(net.fold(factors)),
            Self::Latent(net) => Self::Latent(net.fold(factors)),
        }
    }

    fn spectral_norms(&mut self) -> Vec<NormedWeight<'_>> {
        whichever!(self, net => net.spectral_norms())
    }

    fn calibrate(&mut self, images: Tensor<4>) -> Result<(), InvalidNetwork> {
        whichever!(self, net => net.calibrate(images))
    }

    fn constants(&mut self) -> Vec<Constant<'_>> {
        whichever!(self, net => net.constants())
    }

    fn whitened(&self) -> Option<&dyn Whitened> {
        whichever!(self, net => net.whitened())
    }

    fn latent(&self) -> Option<&dyn LatentEnergy> {
        whichever!(self, net => net.latent())
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
