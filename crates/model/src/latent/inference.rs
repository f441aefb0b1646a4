//! Find the latent vector that explains an image, z* = argmin E(x, z), and say how chains of p(z | x) move.

use burn::tensor::{Device, Tensor};
use ebm_core::{Energy, chain_pieces, pieces_of};
use ebm_langevin::{LangevinConfig, StepCounter};

use super::descent::{DescentSteps, Minimum, descend};

/// How z is found for a given image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inference {
    /// The most steps of a descent to the least energy.
    pub steps: usize,
    /// η: the size of the first of them, and of those of chains of z given x.
    pub step_size: f64,
}

impl Inference {
    /// The steps of the descent.
    pub fn descent(&self) -> DescentSteps {
        DescentSteps {
            most: self.steps,
            first_size: self.step_size,
        }
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

/// z*, the least on a descent of the energy from z = 0; on the calling thread alone where `alone`, as in the work of a
/// piece of a batch.
///
/// # Shapes
/// - returns `[batch, latents]`
pub fn least_latents(
    energy: &dyn Energy<2>,
    inference: Inference,
    [batch, latents]: [usize; 2],
    device: &Device,
    alone: bool,
) -> Tensor<2> {
    let pieces = match alone {
        true => pieces_of(batch, batch),
        false => chain_pieces(device, batch),
    };
    let start = Tensor::zeros([batch, latents], device);
    let counter = StepCounter::default();
    let minima = descend(energy, &start, pieces, inference.descent(), &counter);
    Minimum::latents_of(&minima, latents, device)
}
