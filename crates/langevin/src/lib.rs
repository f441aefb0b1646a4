//! Sample images from an energy function with Langevin dynamics.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use ebm_langevin::{LangevinConfig, NoiseKey, Sampler, Schedule, Stream};
//!
//! // A bowl around grey: E(x) = Σ (x − ½)² / 2σ² with σ = 0.1, sampled at temperature 1.
//! let (step_size, sigma) = (1e-4_f64, 0.1_f64);
//! let config = LangevinConfig {
//!     num_steps: 200,
//!     step_size: Schedule::Constant(step_size),
//!     noise_std: Schedule::Constant((2.0 * step_size).sqrt()),
//!     ..LangevinConfig::default()
//! };
//! let bowl = |x: Tensor<4>| -> Tensor<1> {
//!     let distance: Tensor<2> = (x - 0.5).powi_scalar(2).flatten(1, 3);
//!     distance.sum_dim(1).squeeze_dim::<1>(1) / (2.0 * sigma * sigma)
//! };
//! let chains: Vec<u32> = (0..64).collect();
//! let start = Tensor::zeros([64, 1, 8, 8], &Device::flex());
//! let sampler = Sampler::new(config, NoiseKey::new(1, Stream::Sample, 0)).with_stats(true);
//! let run = sampler.run(start, &chains, bowl);
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
//!   x ← x + s·ξ, then x ← clip(x − η·clamp(∇E(x)/T, −c, c), 0, 1), with ξ ~ N(0, I).
//!   η = `step_size`, s = `noise_std`, T = `temperature` (1 unless given), c = `grad_clip` (optional).
//! - Without clamp and clip it samples exp(−E(x)/T′) as η → 0, T′ = T·s²/(2η).
//! - That is the method `sgld`. `mala` and `hmc` propose and accept or reject, and sample exp(−E(x)/T)
//!   within the bounds whatever the step size; see [`Method`].
//! - A published recipe that works in [−1, 1] is converted once, in its preset: η/4, s/2, 2c
//!   (a gradient with respect to x is twice the one with respect to 2x − 1).
//!
//! # Reading order
//! `step` (the equation) → `philox` (its noise) → `sampler` (the loop; `sgld` and `hamiltonian` are
//! what a step is) → `buffer` (persistent chains); `kernel` runs a step on a backend, `gradient` is
//! the only file that touches the tape, `pieces` spreads chains over cores.

mod buffer;
mod gradient;
mod kernel;
mod philox;
mod pieces;
mod rows;
mod sampler;
mod schedule;
mod stats;
mod step;

pub use buffer::{
    Augmentation, BufferConfig, BufferState, ByteImages, Chains, ReplayBuffer, Restart, RestartData,
};
pub use gradient::{Energy, energy_and_gradient};
pub use kernel::{descend, perturb, reference};
pub use philox::{Distribution, NoiseKey, PhiloxRng, Stream, normal, philox4x32_10, uniform};
pub use pieces::{MAX_CHAINS_OF_PIECE, chain_pieces, each_piece, is_cpu, pieces_for, pieces_of};
pub use sampler::{
    InvalidValue, LangevinConfig, LastStep, Method, Run, Sampler, adapted_scale, chain_tensor,
};
pub use schedule::{Schedule, Varying};
pub use stats::ChainStats;
pub use step::{Descent, Noise};
