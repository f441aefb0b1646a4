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
//! Reading order: `energy` (what every model does) → `conv_net` (strided convolutions);
//! `ops` holds the CPU's kernels.
//! The convention for energies, images and steps stands in `ebm_langevin`'s documentation.

mod activation;
mod conv_net;
mod energy;
mod ops;

pub use activation::Activation;
pub use conv_net::{ConvLayer, ConvNet, ConvNetConfig, Initialization, InvalidNetwork, Padding};
pub use energy::{EnergyModel, ImageShape};
