//! Come down a ladder of noise levels: chains at each of them, tied to the image with more noise.
//!
//! Diffusion recovery likelihood (Gao et al. 2021). Reading order: `levels` (how much noise, how long a step) →
//! `recovery` (the energy at a level, and the chains of a batch) → `descent` (from noise to samples).

mod descent;
mod levels;
mod recovery;

pub use descent::sampler_of_level;
pub use levels::{Ladder, Level};
