//! Energies of strided convolutions and two dense layers.

mod config;
mod net;
#[cfg(feature = "wgpu")]
mod resident;
#[cfg(test)]
mod tests;

pub use config::{ConvLayer, ConvNetConfig, Padding};
pub use net::ConvNet;
