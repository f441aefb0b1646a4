//! Gather what every algorithm needs to move chains: how, with which random numbers, under which energy.

use burn::tensor::{Device, Int, Tensor};
use ebm_core::{Energy, NoiseKey, index_tensor};

use super::config::LangevinConfig;
use crate::step::Descent;

/// What moves a batch of chains. The algorithms ([`sgld`](super::sgld), [`mala`](super::mala),
/// [`hmc`](super::hmc), [`euler`](super::euler), [`heun`](super::heun)) are functions of it and of a state.
pub struct Dynamics<'a, const D: usize> {
    pub(super) config: &'a LangevinConfig,
    key: NoiseKey,
    pub(super) ids: &'a [u32],
    /// `ids` on the device, `[batch]`.
    pub(super) index: Tensor<1, Int>,
    pub(super) energy: &'a dyn Energy<D>,
    step_scale: f64,
}

impl<'a, const D: usize> Dynamics<'a, D> {
    /// Move chains with these identities, which key their random numbers, under `energy`.
    pub fn new(
        config: &'a LangevinConfig,
        key: NoiseKey,
        ids: &'a [u32],
        energy: &'a dyn Energy<D>,
        device: &Device,
    ) -> Self {
        Self {
            config,
            key,
            ids,
            index: index_tensor(ids, device),
            energy,
            step_scale: 1.0,
        }
    }

    /// Multiply the step size η by `scale`.
    pub fn with_step_scale(mut self, scale: f64) -> Self {
        self.step_scale = scale;
        self
    }

    /// The random numbers of step number `step`.
    pub(super) fn key_of(&self, step: usize) -> NoiseKey {
        self.key.at_step(step as u32)
    }

    /// The descent of step number `step`, its size scaled.
    pub(super) fn descent(&self, step: usize) -> Descent {
        let descent = self.config.descent(step);
        Descent {
            step_size: (f64::from(descent.step_size) * self.step_scale) as f32,
            ..descent
        }
    }
}

/// An algorithm as the sampler's loop sees it.
pub(super) trait Algorithm<const D: usize> {
    /// What a chain is between two steps.
    type State;

    /// The state of chains at `x`.
    fn init(dynamics: &Dynamics<'_, D>, x: Tensor<D>) -> Self::State;

    /// The next step.
    fn step(
        dynamics: &Dynamics<'_, D>,
        state: Self::State,
        request: StepRequest,
    ) -> (Self::State, StepInfo<D>);

    /// Where the chains are, `[batch, ..]`.
    fn position(state: &Self::State) -> &Tensor<D>;
}

/// What the loop asks of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepRequest {
    /// Its number, from 0.
    pub(super) step: usize,
    /// Whether the new state must be one of the chain; else it may hold the noise of the next step
    /// already, as a fused kernel leaves it.
    pub(super) settled: bool,
    /// Whether to keep where the gradient was taken.
    pub(super) keep_from: bool,
}

/// What the loop records of a step.
pub(super) struct StepInfo<const D: usize> {
    /// ∇E where the step began, before anything limited it, `[batch, ..]`.
    pub(super) gradient: Tensor<D>,
    pub(super) descent: Descent,
    /// Logarithm of the acceptance ratio, of algorithms that may reject, `[batch]`.
    pub(super) log_ratio: Option<Tensor<1>>,
    /// Where `sgld` took the gradient, if asked for, `[batch, ..]`.
    pub(super) from: Option<Tensor<D>>,
}
