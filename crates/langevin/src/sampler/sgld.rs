//! Take Langevin steps without accept or reject: noise, then the clamped gradient, then the clip.

use burn::tensor::{Int, Tensor};

use super::{Dynamics, LastStep, Sampler};
use crate::gradient::Energy;
use crate::kernel::{descend, perturb};
use crate::philox::Distribution;
use crate::stats::StatsRecorder;
use crate::step::Noise;

/// The chains of a piece under [`Method::Sgld`](super::Method::Sgld).
pub(super) struct Sgld<'a, const D: usize, E> {
    sampler: &'a Sampler,
    /// `[batch]`.
    chains: Tensor<1, Int>,
    energy: &'a E,
    /// Whether the state holds the noise of the next step.
    is_perturbed: bool,
    last_step: Option<LastStep<D>>,
}

impl<'a, const D: usize, E> Sgld<'a, D, E> {
    pub(super) fn new(sampler: &'a Sampler, chains: Tensor<1, Int>, energy: &'a E) -> Self {
        Self {
            sampler,
            chains,
            energy,
            is_perturbed: false,
            last_step: None,
        }
    }

    /// The noise that precedes `step`; none after the last step, or where s = 0.
    fn noise(&self, step: usize) -> Option<Noise> {
        let config = &self.sampler.config;
        let scale = config.noise_std.at(step, config.num_steps) as f32;
        (step < config.num_steps && scale > 0.0).then(|| Noise {
            key: self.sampler.key.at_step(step as u32),
            distribution: Distribution::Normal,
            scale,
        })
    }
}

impl<const D: usize, E: Energy<D>> Dynamics<D> for Sgld<'_, D, E> {
    fn step(
        &mut self,
        x: Tensor<D>,
        step: usize,
        settle: bool,
        stats: Option<&mut StatsRecorder>,
    ) -> Tensor<D> {
        let x = match self.noise(step).filter(|_| !self.is_perturbed) {
            Some(noise) => perturb(x, &self.chains, noise),
            None => x,
        };
        let (_, gradient) = self.energy.energies_and_gradients(x.clone());
        let config = &self.sampler.config;
        let descent = self.sampler.descent(step);
        if let Some(stats) = stats {
            stats.record(&gradient, &descent, config.grad_norm_clip);
        }
        let gradient = config.shortened(gradient, descent.inverse_temperature);
        if self.sampler.keep_last_step && step + 1 == config.num_steps {
            let from = x.clone();
            self.last_step = Some(LastStep { from, descent });
        }
        let noise = self.noise(step + 1).filter(|_| !settle);
        self.is_perturbed = noise.is_some();
        descend(x, gradient, &self.chains, descent, noise)
    }

    fn last_step(&mut self) -> Option<LastStep<D>> {
        self.last_step.take()
    }
}
