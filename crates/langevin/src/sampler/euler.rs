//! Take Euler steps along the flow of an energy, and Euler–Maruyama steps where it has a temperature.

use burn::tensor::Tensor;

use super::dynamics::{Algorithm, Dynamics, StepInfo, StepRequest};
use super::flow::FlowStep;
use crate::kernel::descend;

pub use super::flow::{Info, State, init};

/// Step number `step`: x ← x − h∇E(x) + √(2hT)·ξ, the noise from t = τ* on, then the clip where the step ends at
/// t = 1 or later. The flow and its times are in [`flow_time`](crate::LangevinConfig::flow_time) and the keys
/// after it.
///
/// # Panics
/// If the step has noise and `step` does not fit in 24 bits.
pub fn step<const D: usize>(
    dynamics: &Dynamics<'_, D>,
    state: State<D>,
    step: usize,
) -> (State<D>, Info<D>) {
    let State { x } = state;
    let flow = FlowStep::of(dynamics.config, step);
    let descent = flow.descent();
    let (energies, gradient) = dynamics.energy.energies_and_gradients(x.clone());
    let x = flow.heated(dynamics, x, step);
    let x = descend(x, gradient.clone(), &dynamics.index, descent, None);
    let info = Info {
        energies,
        gradient,
        descent,
    };
    (State { x }, info)
}

/// [`euler`](self) in the sampler's loop.
pub(super) struct Euler;

impl<const D: usize> Algorithm<D> for Euler {
    type State = State<D>;

    fn init(_: &Dynamics<'_, D>, x: Tensor<D>) -> State<D> {
        init(x)
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
