//! Take Langevin steps without accept or reject: noise, then the clamped gradient, then the clip.
//!
//! Stochastic gradient Langevin dynamics (Welling & Teh 2011) in the order of Du & Mordatch (2019);
//! the equation stands in [`Descent`] and [`Noise`].

use burn::tensor::Tensor;
use ebm_core::Distribution;

use super::dynamics::{Algorithm, Dynamics, StepInfo, StepRequest};
use crate::kernel::{descend, perturb};
use crate::step::{Descent, Noise};

/// Chains between two steps.
#[derive(Clone, Debug)]
pub struct State<const D: usize> {
    /// Where they are, `[batch, ..]`.
    pub x: Tensor<D>,
    /// Whether the noise of the next step is part of `x` already.
    noise_added: bool,
}

/// What a step did.
#[derive(Clone, Debug)]
pub struct Info<const D: usize> {
    /// E after the noise of the step, `[batch]`.
    pub energies: Tensor<1>,
    /// ∇E there, before anything limited it, `[batch, ..]`.
    pub gradient: Tensor<D>,
    /// How far the step went, and what bounded it.
    pub descent: Descent,
}

/// The state of chains at `x`.
///
/// # Shapes
/// - `x`: `[batch, ..]`, not tracked by autodiff
pub fn init<const D: usize>(x: Tensor<D>) -> State<D> {
    State {
        x,
        noise_added: false,
    }
}

/// Step number `step`: x ← x + s·ξ, then x ← clip(x − η·clamp(∇E(x)/T, −c, c)).
///
/// # Panics
/// If the step has noise and `step` does not fit in 24 bits.
pub fn step<const D: usize>(
    dynamics: &Dynamics<'_, D>,
    state: State<D>,
    step: usize,
) -> (State<D>, Info<D>) {
    let from = with_noise(dynamics, state, step);
    descend_from(dynamics, from, step, None)
}

/// Where the gradient of step number `step` is taken.
fn with_noise<const D: usize>(
    dynamics: &Dynamics<'_, D>,
    state: State<D>,
    step: usize,
) -> Tensor<D> {
    match noise_before(dynamics, step).filter(|_| !state.noise_added) {
        Some(noise) => perturb(state.x, &dynamics.index, noise),
        None => state.x,
    }
}

/// The rest of a step, and the noise of the next one in the same kernel.
fn descend_from<const D: usize>(
    dynamics: &Dynamics<'_, D>,
    x: Tensor<D>,
    step: usize,
    next: Option<Noise>,
) -> (State<D>, Info<D>) {
    let (energies, gradient) = dynamics.energy.energies_and_gradients(x.clone());
    let descent = dynamics.descent(step);
    let info = Info {
        energies,
        gradient: gradient.clone(),
        descent,
    };
    let gradient = dynamics
        .config
        .shortened(gradient, descent.inverse_temperature);
    let state = State {
        x: descend(x, gradient, &dynamics.index, descent, next),
        noise_added: next.is_some(),
    };
    (state, info)
}

/// The noise that precedes step number `step`; none where s = 0.
fn noise_before<const D: usize>(dynamics: &Dynamics<'_, D>, step: usize) -> Option<Noise> {
    let config = dynamics.config;
    let scale = config.noise_std.at(step, config.num_steps) as f32;
    (scale > 0.0).then(|| Noise {
        key: dynamics.key_of(step),
        distribution: Distribution::Normal,
        scale,
    })
}

/// [`sgld`](self) in the sampler's loop.
pub(super) struct Sgld;

impl<const D: usize> Algorithm<D> for Sgld {
    type State = State<D>;

    fn init(_: &Dynamics<'_, D>, x: Tensor<D>) -> State<D> {
        init(x)
    }

    fn step(
        dynamics: &Dynamics<'_, D>,
        state: State<D>,
        StepRequest {
            step,
            settled,
            keep_from,
        }: StepRequest,
    ) -> (State<D>, StepInfo<D>) {
        let x = with_noise(dynamics, state, step);
        let from = keep_from.then(|| x.clone());
        let next = if settled {
            None
        } else {
            noise_before(dynamics, step + 1)
        };
        let (state, info) = descend_from(dynamics, x, step, next);
        let info = StepInfo {
            gradient: info.gradient,
            descent: info.descent,
            log_ratio: None,
            from,
        };
        (state, info)
    }

    fn position(state: &State<D>) -> &Tensor<D> {
        &state.x
    }
}
