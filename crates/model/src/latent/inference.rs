//! Find the latent vector that explains an image: z* = argmin E(x, z), by Langevin dynamics without noise.

use burn::tensor::{Device, Tensor};
use ebm_core::{Energy, NoiseKey, Stream};
use ebm_langevin::{LangevinConfig, Sampler};

/// How z is found for a given image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inference {
    /// Steps of a descent to the least energy.
    pub steps: usize,
    /// η: their size, and that of the steps of chains of z given x.
    pub step_size: f64,
}

impl Inference {
    /// Steps z ← z − η∇E(x, z).
    pub fn descent(&self) -> LangevinConfig {
        LangevinConfig::new(self.steps)
            .with_step_size(self.step_size)
            .with_noise_std(0.0)
            .with_bounds(None)
    }

    /// `steps` steps of Langevin dynamics at temperature 1: z ← z + √(2η)·ξ, then z ← z − η∇E(x, z). That is the step
    /// of Pang et al. 2020 (eq. 10), s = √(2η) there.
    pub fn chains(&self, steps: usize) -> LangevinConfig {
        LangevinConfig::new(steps)
            .with_step_size(self.step_size)
            .with_noise_std((2.0 * self.step_size).sqrt())
            .with_bounds(None)
    }
}

/// z*, where a descent of the energy from z = 0 ends; on the calling thread alone where `alone`, as in the work of
/// a piece of a batch.
///
/// # Shapes
/// - returns `[batch, latents]`
pub fn least_latents(
    energy: &dyn Energy<2>,
    inference: Inference,
    shape: [usize; 2],
    device: &Device,
    alone: bool,
) -> Tensor<2> {
    descended_latents(energy, inference, Tensor::zeros(shape, device), alone)
}

/// Where descents of the energy from `start` end; on the calling thread alone where `alone`.
///
/// # Shapes
/// - `start`, and what returns: `[batch, latents]`
pub fn descended_latents(
    energy: &dyn Energy<2>,
    inference: Inference,
    start: Tensor<2>,
    alone: bool,
) -> Tensor<2> {
    let batch = start.dims()[0];
    // Without noise no random number is drawn.
    let sampler = Sampler::new(inference.descent(), NoiseKey::new(0, Stream::Posterior, 0));
    let sampler = if alone {
        sampler.with_piece_size(batch)
    } else {
        sampler
    };
    let ids: Vec<u32> = (0..batch as u32).collect();
    sampler.run(start, &ids, energy).x
}
