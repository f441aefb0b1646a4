//! Propose by leapfrog steps and accept or reject, so that chains sample exp(−E/T) itself.
//!
//! Neal, *MCMC using Hamiltonian dynamics* (2011), §3.1 and fig. 2. MALA is the case of one leapfrog
//! step of size √(2η) (§5.2 there). At the bounds of a pixel a trajectory is reflected: free flight
//! between walls keeps volume and can be reversed, so the acceptance rule stays as it is. So it does
//! under a clamped gradient, as any force that is a function of the position will do.

use burn::tensor::{Tensor, TensorData};

use super::{Dynamics, LastStep, Method, Sampler, chain_tensor};
use crate::gradient::Energy;
use crate::kernel::perturb;
use crate::philox::{Distribution, uniform};
use crate::rows::{one_per_row, row_sums};
use crate::stats::StatsRecorder;
use crate::step::{Descent, Noise};

/// Block of random numbers that no pixel uses.
const NO_PIXEL: u32 = u32::MAX;

/// The chains of a piece under [`Method::Mala`] or [`Method::Hmc`].
pub(super) struct Hamiltonian<'a, const D: usize, E> {
    sampler: &'a Sampler,
    chains: &'a [u32],
    energy: &'a E,
    /// E `[batch]` and ∇E `[batch, ..]` of the state.
    here: Option<(Tensor<1>, Tensor<D>)>,
}

impl<'a, const D: usize, E: Energy<D>> Hamiltonian<'a, D, E> {
    pub(super) fn new(sampler: &'a Sampler, chains: &'a [u32], energy: &'a E) -> Self {
        Self {
            sampler,
            chains,
            energy,
            here: None,
        }
    }

    /// The number and the size ε of the leapfrog steps of a step.
    fn leapfrog(&self, step_size: f32) -> (usize, f32) {
        match self.sampler.config.method {
            Method::Hmc => (self.sampler.config.leapfrog_steps, step_size),
            _ => (1, (2.0 * step_size).sqrt()),
        }
    }

    /// −∇E/T, limited as the configuration asks.
    fn force(&self, gradient: Tensor<D>, descent: &Descent) -> Tensor<D> {
        let scale = descent.inverse_temperature;
        let gradient = self.sampler.config.shortened(gradient, scale);
        let limit = descent.grad_clip;
        gradient.mul_scalar(-scale).clamp(-limit, limit)
    }

    /// p ~ N(0, I).
    fn momentum(&self, x: &Tensor<D>, step: usize) -> Tensor<D> {
        let noise = Noise {
            key: self.sampler.key.at_step(step as u32),
            distribution: Distribution::Normal,
            scale: 1.0,
        };
        let chains = chain_tensor(self.chains, &x.device());
        perturb(x.zeros_like(), &chains, noise)
    }

    /// ln u, u ~ U(0, 1), one a chain, `[batch]`.
    fn log_uniforms(&self, x: &Tensor<D>, step: usize) -> Tensor<1> {
        let key = self.sampler.key.at_step(step as u32);
        let draw = |&chain: &u32| uniform(key.words(chain, NO_PIXEL)[0]).ln();
        let draws = self.chains.iter().map(draw);
        let data = TensorData::new(draws.collect::<Vec<f32>>(), [self.chains.len()]);
        Tensor::from_data(data, &x.device())
    }
}

impl<const D: usize, E: Energy<D>> Dynamics<D> for Hamiltonian<'_, D, E> {
    fn step(
        &mut self,
        x: Tensor<D>,
        step: usize,
        _settle: bool,
        stats: Option<&mut StatsRecorder>,
    ) -> Tensor<D> {
        let descent = self.sampler.descent(step);
        let (leaps, epsilon) = self.leapfrog(descent.step_size);
        let (energy, gradient) = match self.here.take() {
            Some(here) => here,
            None => self.energy.energies_and_gradients(x.clone()),
        };
        let mut p = self.momentum(&x, step);
        let kinetic = |p: &Tensor<D>| row_sums(p.clone().square()) / 2.0;
        let kinetic_before = kinetic(&p);

        let (mut to, mut there) = (x.clone(), (energy.clone(), gradient.clone()));
        for _ in 0..leaps {
            p = p + self.force(there.1, &descent) * (epsilon / 2.0);
            (to, p) = reflected(to + p.clone() * epsilon, p, descent.bounds);
            there = self.energy.energies_and_gradients(to.clone());
            p = p + self.force(there.1.clone(), &descent) * (epsilon / 2.0);
        }

        // ln of the acceptance probability, H before − H after, with H = E/T + |p|²/2.
        let potential = (energy.clone() - there.0.clone()) * descent.inverse_temperature;
        let log_ratio = potential + kinetic_before - kinetic(&p);
        if let Some(stats) = stats {
            stats.record(&gradient, &descent, self.sampler.config.grad_norm_clip);
            stats.record_acceptance(&log_ratio);
        }
        let accepted = self.log_uniforms(&x, step).lower(log_ratio); // [batch]
        let per_pixel = accepted.clone().reshape(one_per_row(&x)).expand(x.shape());
        self.here = Some((
            energy.mask_where(accepted, there.0),
            gradient.mask_where(per_pixel.clone(), there.1),
        ));
        x.mask_where(per_pixel, to)
    }

    fn last_step(&mut self) -> Option<LastStep<D>> {
        None
    }
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
        let numbers = |x: Tensor<1>| x.into_data().iter::<f32>().collect::<Vec<_>>();
        assert_eq!(numbers(x), [0.25, 0.75, 0.25, 0.25, 0.25]);
        assert_eq!(numbers(p), [1.0, -1.0, 1.0, 2.0, -2.0]);
    }

    #[test]
    fn without_walls_everything_flies_on() {
        let x = Tensor::<1>::from_floats([5.0], &Device::flex());
        let (x, p) = reflected(x.clone(), x, [f32::NEG_INFINITY, f32::INFINITY]);
        assert_eq!((x.into_scalar::<f32>(), p.into_scalar::<f32>()), (5.0, 5.0));
    }
}
