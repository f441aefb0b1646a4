//! Energies E(x, z) of images and latent vectors.
//!
//! Reading order: `energy` (what such an energy does) → `bound` (the energy of z given x, of z alone, of x given z) →
//! `descent` and `inference` (the z that explains x) → `generator`, `prior` and `free` (the networks) → `net` (the model) →
//! `drawing` (samples).

mod bound;
mod config;
mod descent;
mod drawing;
mod energy;
mod free;
mod generator;
mod inference;
mod net;
mod prior;
#[cfg(test)]
mod tests;

pub use bound::{GivenLatent, LatentPrior, Posterior};
pub use config::LatentConfig;
pub use descent::{DescentSteps, Minimum, descend};
pub use drawing::{DrawnLatents, LatentDrawing, alternate};
pub use energy::{Generative, LatentEnergy, explained_energy};
pub use inference::{Inference, least_latents};
pub use net::LatentNet;
