//! Energy functions of images: networks that map an image to one scalar, lower for a likelier image.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use ebm_core::{NoiseKey, PhiloxRng, Stream};
//! use ebm_model::{ConvNetConfig, EnergyModel, ImageShape};
//!
//! let device = Device::flex();
//! let mut rng = PhiloxRng::new(NoiseKey::new(1, Stream::Weights, 0), 0);
//! let net = ConvNetConfig::uva().init(ImageShape::new(1, 28, 28), &mut rng, &device)?;
//! let images = Tensor::ones([5, 1, 28, 28], &device);
//! assert_eq!(net.energy(images).dims(), [5]);
//! # Ok::<(), ebm_model::InvalidNetwork>(())
//! ```
//!
//! Reading order: `energy` (what every model does) → `frozen` (a network that no longer changes, the
//! form in which samplers use it), `conditioned`, `sum` and `mixture` (energies made from others) → `conv_net`
//! (strided convolutions), `res_net` (residual blocks), `unet` (a network from images to images, and heads
//! that make an energy of it), `pooled_net` (averages of several scales), `experts` (Student's t experts on
//! whitened patches), `mlp` (dense layers) and `latent` (images and latent vectors), among which `network` chooses
//! → `layers` (what the networks are made of) → `ops` (their operations, with kernels for CPU and
//! GPU).
//! The convention for energies, images and Langevin steps stands in `ebm_langevin`'s documentation.

mod conditioned;
mod conv_net;
mod energy;
mod experts;
mod frozen;
mod invalid_network;
mod latent;
mod layers;
mod locality;
mod mixture;
mod mlp;
mod network;
mod ops;
mod pooled_net;
mod precision;
mod res_net;
mod sum;
mod terms;
#[cfg(test)]
mod testing;
mod unet;
mod work;

pub use conditioned::Conditioned;
pub use conv_net::{ConvLayer, ConvNet, ConvNetConfig, Padding};
pub use ebm_core::ImageShape;
pub use energy::{DropoutMask, EnergyContext, EnergyModel};
pub use experts::{
    Constant, Experts, ExpertsConfig, Filters, InCoordinates, Intensity, OverPatches, Whitened,
};
pub use frozen::Frozen;
pub use invalid_network::InvalidNetwork;
pub use latent::{
    DescentSteps, DrawnLatents, Generative, GivenLatent, Inference, LatentConfig, LatentDrawing,
    LatentEnergy, LatentNet, LatentPrior, Minimum, Posterior, alternate, descend, explained_energy,
    least_latents,
};
pub use layers::{Initialization, NormedWeight};
pub use locality::Locality;
pub use mixture::Mixture;
pub use mlp::{Mlp, MlpConfig};
pub use network::{Network, NetworkConfig};
pub use ops::{Activation, Factors};
pub use pooled_net::{PooledNet, PooledNetConfig};
pub use precision::{Precision, UnknownPrecision, UnsupportedPrecision};
pub use res_net::{ResNet, ResNetConfig, Stage};
pub use sum::Sum;
pub use unet::{Head, UNet, UNetConfig};
pub use work::Work;
