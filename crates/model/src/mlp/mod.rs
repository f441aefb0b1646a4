//! Energies of dense layers.

mod config;
mod net;
#[cfg(test)]
mod tests;

pub use config::MlpConfig;
pub use net::Mlp;
