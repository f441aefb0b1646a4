//! Learn by contrast: lower the energy of data, raise that of samples from persistent chains.
//!
//! Persistent contrastive divergence, ∇θL = E_data[∇θE] − E_model[∇θE] (Tieleman 2008), with the
//! buffer and the regulariser of Du & Mordatch (2019), alg. 1. Reading order: `gradient` → `loss` →
//! `sampling` → `kl` (the gradient through the sampler, optional) → `chains` (what is remembered) →
//! `terms` (what a user reads) → `config`.

mod chains;
mod config;
mod gradient;
mod kl;
mod loss;
mod sampling;
mod terms;
#[cfg(test)]
mod tests;

pub use chains::ChainState;
pub use config::Contrastive;
pub use kl::{KlConfig, LastStepTerm};
pub use loss::{EnergyL2, Loss, LossConfig, LossKind, loss};
