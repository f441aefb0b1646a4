//! Sample images from an energy function with Langevin dynamics.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use ebm_core::{NoiseKey, Stream};
//! use ebm_langevin::{LangevinConfig, Sampler};
//!
//! // A bowl around grey: E(x) = Σ (x − ½)² / 2σ² with σ = 0.1, sampled at temperature 1.
//! let (step_size, sigma) = (1e-4_f64, 0.1_f64);
//! let config = LangevinConfig::new(200)
//!     .with_step_size(step_size)
//!     .with_noise_std((2.0 * step_size).sqrt());
//! let bowl = |x: Tensor<4>| -> Tensor<1> {
//!     let distance: Tensor<2> = (x - 0.5).powi_scalar(2).flatten(1, 3);
//!     distance.sum_dim(1).squeeze_dim::<1>(1) / (2.0 * sigma * sigma)
//! };
//! let chains: Vec<u32> = (0..64).collect();
//! let start = Tensor::zeros([64, 1, 8, 8], &Device::flex());
//! let sampler = Sampler::new(config, NoiseKey::new(1, Stream::Sample, 0));
//! let run = sampler.run(start, &chains, &bowl);
//!
//! let std = run.x.var(0).mean().sqrt().into_scalar::<f32>();
//! assert!((std - 0.1).abs() < 0.01, "{std}");
//! ```
//!
//! # Convention
//! Stated here once, and the same in every crate:
//! - p(x) ∝ exp(−E(x)/T): a low energy is a likely image. Images live in [0, 1],
//!   `[batch, channels, height, width]`.
//! - One step, in the order of the 2019 release:
//!   x ← x + s·ξ, then x ← clip(x − η·clamp(∇E(x)/T, −c, c), −m, 1 + m), with ξ ~ N(0, I).
//!   η = `step_size`, s = `noise_std`, T = `temperature` (1 unless given), c = `grad_clip` (optional),
//!   m = `margin` (0 unless given).
//! - Without clamp and clip it samples exp(−E(x)/T′) as η → 0, T′ = T·s²/(2η).
//! - That is the method `sgld`. `mala` and `hmc` propose and accept or reject, and sample exp(−E(x)/T)
//!   within the bounds whatever the step size; see [`Method`].
//! - A published recipe that works in [−1, 1] is converted once, in its preset: η/4, s/2, 2c
//!   (a gradient with respect to x is twice the one with respect to 2x − 1).
//!
//! # Reading order
//! `step` (the equation) → `sampler` (the loop over steps; [`sgld`], [`mala`] and [`hmc`] are one step
//! each, with its state and what it tells) → `buffer` (persistent chains) → `start` (chains outside
//! training); `kernel` runs a step on a backend, `stats` records what chains do. Energies and random
//! numbers are `ebm_core`'s.

mod buffer;
mod kernel;
mod sampler;
mod start;
mod stats;
mod step;

pub use buffer::{
    Augmentation, BufferConfig, BufferState, ByteImages, ByteRange, Chains, ReplayBuffer, Restart,
    RestartData, dequantise,
};
pub use kernel::{descend, perturb, reference};
pub use sampler::{
    ChainRun, Dynamics, LangevinConfig, LastStep, Method, Sampler, StepCounter, adapted_scale, hmc,
    mala, sgld,
};
pub use start::{
    Stage, labels_in_shares, labels_in_turn, noise_images, noise_images_of,
    sampler_outside_training, to_bytes, warm_up, warm_up_gradients,
};
pub use stats::{ChainStats, StepStats};
pub use step::{Descent, Noise};
