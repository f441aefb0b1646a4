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
//!   within the bounds whatever the step size; see [`Method`]. `euler` and `heun` follow a [flow](#a-flow).
//! - A published recipe that works in [−1, 1] is converted once, in its preset: η/4, s/2, 2c
//!   (a gradient with respect to x is twice the one with respect to 2x − 1).
//! - Samples may end with x ← clip(x − σ₀²∇E(x)), σ₀ = `final_denoise_std`, which training never does. A
//!   published σ₀ is halved, as s is; after a flow it stays, as σ₀² is a time there.
//!
//! # A flow
//! Energies that regression has taught have ∇E(xₜ) = x₀ − x₁ on the straight paths xₜ = (1 − t)·x₀ + t·x₁ from
//! noise x₀ at t = 0 to data x₁ at t = 1 (Energy Matching, Balcerak et al. 2025; with a factor that falls to 0 at
//! the data, Equilibrium Matching, Wang & Du 2025), and are not given t. dx = −∇E·dt leads along such paths:
//! - Step number k of K covers the time h = τ/K from t = k·h on:
//!   x ← x − h∇E(x) + √(2hT)·ξ, then x ← clip(x, −m, 1 + m) where the step ends at t = 1 or later.
//!   τ = `flow_time`; T = `flow_temperature` in steps from t = τ* = `flow_heated_from` on, and 0 before.
//! - That is `euler`. `heun` takes ∇E as the mean of both ends of such a step, with the same ξ in both.
//! - x₀ ~ N(½, ¼I), not clipped.
//! - In published units, for images in [−1, 1], x₀ ~ N(0, I). With u = (x + 1)/2 the same flow is
//!   du = −∇E(u)·dt, E a quarter of the published energy at 2u − 1. So times stay, and a published temperature ε
//!   becomes ε/4.
//!
//! # A ladder
//! Energies that diffusion recovery likelihood has taught (Gao et al. 2021) are given a noise level t, and tell of
//! images with its noise, xₜ, given the same images with the noise of the next level, x̃ = xₜ₊₁ = ½ + a·(xₜ − ½) + σ·ε:
//! - U(y) = E(y, t)/s² + ‖y − x̃‖²/2σ² with y = ½ + a·(xₜ − ½), and chains y ← y − ½s²∇U(y) + s·ξ from x̃ on. At the
//!   top level nothing is tied, and y = xₜ.
//! - Samples start at x̃ ~ N(½, ¼I) above the top level, and come down level by level, xₜ = ½ + (y − ½)/a.
//! - In published units, for images in [−1, 1], σ and s are twice as long, and ½ is 0. E/s² is taken with that s in
//!   both, as E is the same number, so that 1/s² is `energy_scale` here and E(y, 0)/s² is −log p of images with the
//!   noise of level 0.
//!
//! # Reading order
//! `step` (the equation) → `sampler` (the loop over steps; [`sgld`], [`mala`], [`hmc`], [`euler`] and [`heun`]
//! are one step each, with its state and what it tells) → `constraint` (energies bound to what is known of an
//! image) → `ladder` (chains at noise levels) → `buffer` (persistent chains) → `start` (chains outside training);
//! `kernel` runs a step on a backend, `stats` records what chains do. Energies and random numbers are `ebm_core`'s.

mod buffer;
mod constraint;
mod kernel;
mod ladder;
mod sampler;
mod start;
mod stats;
mod step;

pub use buffer::{
    Augmentation, BufferConfig, BufferState, ByteImages, ByteRange, Chains, FirstChains,
    ReplayBuffer, Restart, RestartData, dequantise,
};
pub use constraint::{Known, Tied};
pub use kernel::{descend, perturb, reference};
pub use ladder::{Ladder, Level, sampler_of_level};
pub use sampler::{
    ChainRun, Dynamics, LangevinConfig, LastStep, Method, Sampler, StepCounter, adapted_scale,
    euler, heun, hmc, mala, sgld,
};
pub use start::{
    Stage, labels_in_shares, labels_in_turn, noise_images, noise_images_of, normal_images_of,
    normal_latents_of, sampler_outside_training, starts_of, to_bytes, warm_up, warm_up_gradients,
};
pub use stats::{ChainStats, StepStats};
pub use step::{Descent, Noise};
