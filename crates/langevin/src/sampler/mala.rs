//! Take Metropolis-adjusted Langevin steps (Roberts & Tweedie 1996): propose a step down the gradient
//! with its noise, accept or reject.

use burn::tensor::Tensor;

use super::dynamics::{Algorithm, Dynamics, StepInfo, StepRequest};
use super::metropolis::{self, Leapfrog};

pub use super::metropolis::{Info, State};

/// The state of chains at `x`, with its energies and gradients.
///
/// # Shapes
/// - `x`: `[batch, ..]`, not tracked by autodiff
pub fn init<const D: usize>(dynamics: &Dynamics<'_, D>, x: Tensor<D>) -> State<D> {
    metropolis::init(dynamics, x)
}

/// Step number `step`: x − η∇E/T + √(2η)·ξ, accepted or not. It is one leapfrog step of size √(2η)
/// (Neal 2011, §5.2).
///
/// # Panics
/// If `step` does not fit in 24 bits.
pub fn step<const D: usize>(
    dynamics: &Dynamics<'_, D>,
    state: State<D>,
    step: usize,
) -> (State<D>, Info<D>) {
    metropolis::step(dynamics, state, step, |step_size| Leapfrog {
        steps: 1,
        size: (2.0 * step_size).sqrt(),
    })
}

/// [`mala`](self) in the sampler's loop.
pub(super) struct Mala;

impl<const D: usize> Algorithm<D> for Mala {
    type State = State<D>;

    fn init(dynamics: &Dynamics<'_, D>, x: Tensor<D>) -> State<D> {
        init(dynamics, x)
    }

    fn step(
        dynamics: &Dynamics<'_, D>,
        state: State<D>,
        request: StepRequest,
    ) -> (State<D>, StepInfo<D>) {
        let (state, info) = step(dynamics, state, request.step);
        (state, info.into())
    }

    fn position(state: &State<D>) -> &Tensor<D> {
        &state.x
    }
}
