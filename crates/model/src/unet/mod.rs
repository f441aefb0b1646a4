//! Energies of U-Nets: a network from images to images, and what makes one scalar of its result.

mod block;
mod config;
mod net;
#[cfg(test)]
mod tests;

pub use config::{Head, UNetConfig};
pub use net::UNet;
