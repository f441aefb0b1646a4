//! Take Heun steps along the flow of an energy, and Stratonovich Heun steps where it has a temperature.

use burn::tensor::Tensor;

use super::dynamics::{Algorithm, Dynamics, StepInfo, StepRequest};
use super::flow::FlowStep;
use crate::kernel::descend;
use crate::step::Descent;

pub use super::flow::{Info, State, init};

/// Step number `step`: x̃ = x − h∇E(x) + √(2hT)·ξ, then x ← x − h·(∇E(x) + ∇E(x̃))/2 + √(2hT)·ξ, with the same ξ in
/// both (Stratonovich Heun, as Energy Matching samples), the noise from t = τ* on, then the clip where the step ends
/// at t = 1 or later. x̃ is not clipped. The flow and its times are in
/// [`flow_time`](crate::LangevinConfig::flow_time) and the keys after it.
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
    let unclipped = Descent {
        bounds: [f32::NEG_INFINITY, f32::INFINITY],
        ..descent
    };
    let predicted = descend(
        x.clone(),
        gradient.clone(),
        &dynamics.index,
        unclipped,
        None,
    );
    let (_, there) = dynamics.energy.energies_and_gradients(predicted);
    let half = Descent {
        step_size: descent.step_size / 2.0,
        ..descent
    };
    let x = descend(x, gradient.clone() + there, &dynamics.index, half, None);
    let info = Info {
        energies,
        gradient,
        descent,
    };
    (State { x }, info)
}

/// [`heun`](self) in the sampler's loop.
pub(super) struct Heun;

impl<const D: usize> Algorithm<D> for Heun {
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
