//! Energies of residual blocks and a sum over space.

mod block;
mod config;
mod net;
#[cfg(test)]
mod tests;

pub use config::{ResNetConfig, Stage};
pub use net::ResNet;
