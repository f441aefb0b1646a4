//! Energies of stages of convolutions that are each averaged over space.

mod config;
mod net;
#[cfg(test)]
mod tests;

pub use config::PooledNetConfig;
pub use net::PooledNet;
