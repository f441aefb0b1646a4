//! Take Hamiltonian Monte Carlo steps (Neal 2011): fly along the gradient with a random momentum,
//! accept or reject.

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

/// Step number `step`: `leapfrog_steps` leapfrog steps of size η, accepted or not.
///
/// # Panics
/// If `step` does not fit in 24 bits.
pub fn step<const D: usize>(
    dynamics: &Dynamics<'_, D>,
    state: State<D>,
    step: usize,
) -> (State<D>, Info<D>) {
    metropolis::step(dynamics, state, step, |step_size| Leapfrog {
        steps: dynamics.config.leapfrog_steps,
        size: step_size,
    })
}

/// [`hmc`](self) in the sampler's loop.
pub(super) struct Hmc;

impl<const D: usize> Algorithm<D> for Hmc {
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
