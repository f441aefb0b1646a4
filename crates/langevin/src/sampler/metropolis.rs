//! Propose by leapfrog steps and accept or reject: what MALA and HMC share.
//!
//! Neal, *MCMC using Hamiltonian dynamics* (2011), §3.1 and fig. 2. At the bounds of a pixel a
//! trajectory is reflected: free flight between walls keeps volume and can be reversed, so the
//! acceptance rule stays as it is. So it does under a clamped gradient, as any force that is a function
//! of the position will do.

use burn::tensor::{Bool, Tensor, TensorData};
use ebm_core::Distribution;
use ebm_core::random::uniform;

use super::dynamics::{Dynamics, StepInfo};
use crate::kernel::perturb;
use crate::step::{Descent, Noise};
use ebm_core::rows::{one_per_row, row_sums};

/// Block of random words that no pixel uses.
const NO_PIXEL: u32 = u32::MAX;

/// Chains between two steps, and what is known of where they are.
#[derive(Clone, Debug)]
pub struct State<const D: usize> {
    /// Where they are, `[batch, ..]`.
    pub x: Tensor<D>,
    /// E there, `[batch]`.
    pub energies: Tensor<1>,
    /// ∇E there, `[batch, ..]`.
    pub gradient: Tensor<D>,
}

/// What a step did.
#[derive(Clone, Debug)]
pub struct Info<const D: usize> {
    /// ∇E where it began, before anything limited it, `[batch, ..]`.
    pub gradient: Tensor<D>,
    /// ln of the acceptance ratio, `[batch]`: a proposal is accepted with probability min(1, ratio).
    pub log_ratio: Tensor<1>,
    /// Which proposals were accepted, `[batch]`.
    pub accepted: Tensor<1, Bool>,
    /// Step size, temperature and limits of the step.
    pub descent: Descent,
}

impl<const D: usize> From<Info<D>> for StepInfo<D> {
    fn from(info: Info<D>) -> Self {
        Self {
            gradient: info.gradient,
            descent: info.descent,
            log_ratio: Some(info.log_ratio),
            from: None,
        }
    }
}

/// Leapfrog steps of a proposal.
pub(super) struct Leapfrog {
    pub(super) steps: usize,
    /// ε.
    pub(super) size: f32,
}

pub(super) fn init<const D: usize>(dynamics: &Dynamics<'_, D>, x: Tensor<D>) -> State<D> {
    let (energies, gradient) = dynamics.energy.energies_and_gradients(x.clone());
    State {
        x,
        energies,
        gradient,
    }
}

/// Step number `step`, with the leapfrog steps that `leapfrog` makes of its step size η.
pub(super) fn step<const D: usize>(
    dynamics: &Dynamics<'_, D>,
    state: State<D>,
    step: usize,
    leapfrog: impl Fn(f32) -> Leapfrog,
) -> (State<D>, Info<D>) {
    let descent = dynamics.descent(step);
    let momentum = momentum(dynamics, &state.x, step);
    let kinetic = |p: &Tensor<D>| row_sums(p.clone().square()) / 2.0;
    let kinetic_before = kinetic(&momentum);
    let leapfrog = leapfrog(descent.step_size);
    let (proposal, p) = propose(dynamics, &state, momentum, leapfrog, &descent);

    // H before − H after, with H = E/T + |p|²/2.
    let potential =
        (state.energies.clone() - proposal.energies.clone()) * descent.inverse_temperature;
    let log_ratio = potential + kinetic_before - kinetic(&p);
    let accepted = log_uniforms(dynamics, &state.x, step).lower(log_ratio.clone()); // [batch]
    let info = Info {
        gradient: state.gradient.clone(),
        log_ratio,
        accepted: accepted.clone(),
        descent,
    };
    (state.moved_where(accepted, proposal), info)
}

impl<const D: usize> State<D> {
    /// The proposal where it is accepted, this state elsewhere.
    fn moved_where(self, accepted: Tensor<1, Bool>, proposal: Self) -> Self {
        let per_pixel = accepted
            .clone()
            .reshape(one_per_row(&self.x))
            .expand(self.x.shape());
        Self {
            x: self.x.mask_where(per_pixel.clone(), proposal.x),
            energies: self.energies.mask_where(accepted, proposal.energies),
            gradient: self.gradient.mask_where(per_pixel, proposal.gradient),
        }
    }
}

/// Where leapfrog steps from `state` lead, and the momentum there.
fn propose<const D: usize>(
    dynamics: &Dynamics<'_, D>,
    state: &State<D>,
    mut p: Tensor<D>,
    Leapfrog { steps, size }: Leapfrog,
    descent: &Descent,
) -> (State<D>, Tensor<D>) {
    let mut there = state.clone();
    for _ in 0..steps {
        p = p + force(dynamics, there.gradient, descent) * (size / 2.0);
        let x;
        (x, p) = reflected(there.x + p.clone() * size, p, descent.bounds);
        there = init(dynamics, x);
        p = p + force(dynamics, there.gradient.clone(), descent) * (size / 2.0);
    }
    (there, p)
}

/// −∇E/T, limited as the configuration asks.
fn force<const D: usize>(
    dynamics: &Dynamics<'_, D>,
    gradient: Tensor<D>,
    descent: &Descent,
) -> Tensor<D> {
    let scale = descent.inverse_temperature;
    let gradient = dynamics.config.shortened(gradient, scale);
    let limit = descent.grad_clip;
    gradient.mul_scalar(-scale).clamp(-limit, limit)
}

/// p ~ N(0, I).
fn momentum<const D: usize>(dynamics: &Dynamics<'_, D>, x: &Tensor<D>, step: usize) -> Tensor<D> {
    let noise = Noise {
        key: dynamics.key_of(step),
        distribution: Distribution::Normal,
        scale: 1.0,
    };
    perturb(x.zeros_like(), &dynamics.index, noise)
}

/// ln u, u ~ U(0, 1), one a chain, `[batch]`.
fn log_uniforms<const D: usize>(
    dynamics: &Dynamics<'_, D>,
    x: &Tensor<D>,
    step: usize,
) -> Tensor<1> {
    let key = dynamics.key_of(step);
    let draw = |&id: &u32| uniform(key.words(id, NO_PIXEL)[0]).ln();
    let draws: Vec<f32> = dynamics.ids.iter().map(draw).collect();
    let len = draws.len();
    Tensor::from_data(TensorData::new(draws, [len]), &x.device())
}

/// Positions and momenta after the walls at `[low, high]` have thrown back what flew beyond them, as
/// often as it takes.
fn reflected<const D: usize>(
    x: Tensor<D>,
    p: Tensor<D>,
    [low, high]: [f32; 2],
) -> (Tensor<D>, Tensor<D>) {
    if !(low.is_finite() && high.is_finite()) {
        return (x, p);
    }
    let width = high - low;
    let flown = (x - low) / width;
    let folded = flown.clone() - (flown / 2.0).floor() * 2.0; // in [0, 2)
    let is_back = folded.clone().greater_elem(1.0);
    let x = folded.clone().mask_where(is_back.clone(), -folded + 2.0) * width + low;
    (x.clamp(low, high), p.clone().mask_where(is_back, -p))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn walls_throw_back_position_and_momentum_as_often_as_they_are_met() {
        let device = Device::flex();
        let x = Tensor::<1>::from_floats([0.25, 1.25, -0.25, 2.25, -1.75], &device);
        let p = Tensor::<1>::from_floats([1.0, 1.0, -1.0, 2.0, -2.0], &device);
        let (x, p) = reflected(x, p, [0.0, 1.0]);
        let values = |x: Tensor<1>| x.into_data().iter::<f32>().collect::<Vec<_>>();
        assert_eq!(values(x), [0.25, 0.75, 0.25, 0.25, 0.25]);
        assert_eq!(values(p), [1.0, -1.0, 1.0, 2.0, -2.0]);
    }

    #[test]
    fn without_walls_everything_flies_on() {
        let x = Tensor::<1>::from_floats([5.0], &Device::flex());
        let (x, p) = reflected(x.clone(), x, [f32::NEG_INFINITY, f32::INFINITY]);
        assert_eq!((x.into_scalar::<f32>(), p.into_scalar::<f32>()), (5.0, 5.0));
    }
}
