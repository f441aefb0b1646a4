//! Sample weights instead of finding the best ones: p(θ | data) ∝ exp(−U(θ)), with the steps of Langevin dynamics as an
//! optimizer.
//!
//! Reading order: `weight_step` (the equations) → `config` (when weights have noise, and which are kept) → `kept` (the
//! files of those).

mod config;
mod kept;
#[cfg(test)]
mod tests;
mod weight_step;

pub use config::PosteriorConfig;
pub use kept::{KeptWeights, kept_weights};
pub(crate) use kept::{forget_beyond, keep};
pub use weight_step::WeightStep;
