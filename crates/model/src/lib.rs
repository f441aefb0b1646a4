//! Energy functions of images: networks that map an image to one number, lower for a likelier image.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use ebm_langevin::{NoiseKey, PhiloxRng, Stream};
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
//! Reading order: `energy` (what every model does) → `conv_net` (strided convolutions) and `res_net`
//! (residual blocks) → `layers` (what they are made of); `network` chooses between the two, `ops`
//! holds the kernels.
//! The convention for energies, images and steps stands in `ebm_langevin`'s documentation.

mod activation;
mod conv_net;
mod energy;
mod layers;
mod network;
mod ops;
mod res_net;

pub use activation::Activation;
pub use conv_net::{ConvLayer, ConvNet, ConvNetConfig, Padding};
pub use energy::{DropoutMask, EnergyModel, Given, ImageShape, Work};
pub use layers::{Initialization, NormedWeight};
pub use network::{InvalidNetwork, Network, NetworkConfig};
pub use ops::Factors;
pub use res_net::{ResNet, ResNetConfig, Stage};
