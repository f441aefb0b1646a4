//! Follow the gradient of an energy through time, from noise to data: what the steps of `euler` and `heun` share.
//!
//! Regression objectives teach ∇E(xₜ) = x₀ − x₁ on the straight paths xₜ = (1 − t)·x₀ + t·x₁ from noise x₀ to data
//! x₁ (Energy Matching, Balcerak et al. 2025, phase 1; Equilibrium Matching, Wang & Du 2025, has a factor that
//! falls to 0 at the data). So dx = −∇E(x)·dt from t = 0 on leads from noise to data at t = 1. E is not given t; therefore chains may go on
//! beyond t = 1, and with dx = −∇E(x)·dt + √(2T)·dW, from t = τ* on, they sample exp(−E/T).
//!
//! A run of K steps covers the time τ: h = τ/K, and step number k starts at t = k·h.

use burn::tensor::Tensor;
use ebm_core::Distribution;

use super::config::LangevinConfig;
use super::dynamics::{Dynamics, StepInfo};
use crate::kernel::perturb;
use crate::step::{Descent, Noise};

/// Share of a step by which times may differ and count as the same: products of k and h are rounded.
const SAME_TIME: f64 = 1e-6;

/// Chains between two steps.
#[derive(Clone, Debug)]
pub struct State<const D: usize> {
    /// Where they are, `[batch, ..]`.
    pub x: Tensor<D>,
}

/// The state of chains at `x`.
///
/// # Shapes
/// - `x`: `[batch, ..]`, not tracked by autodiff
pub fn init<const D: usize>(x: Tensor<D>) -> State<D> {
    State { x }
}

/// What a step did.
#[derive(Clone, Debug)]
pub struct Info<const D: usize> {
    /// E where it began, `[batch]`.
    pub energies: Tensor<1>,
    /// ∇E there, `[batch, ..]`.
    pub gradient: Tensor<D>,
    /// h as the step size, and where the step was clipped.
    pub descent: Descent,
}

impl<const D: usize> From<Info<D>> for StepInfo<D> {
    fn from(info: Info<D>) -> Self {
        Self {
            gradient: info.gradient,
            descent: info.descent,
            log_ratio: None,
            from: None,
        }
    }
}

/// What is fixed about step number k before it is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FlowStep {
    /// h.
    pub(super) size: f64,
    /// √(2hT) from t = τ* on, 0 before.
    pub(super) noise_std: f64,
    /// Where the step is clipped: nowhere where it ends before t = 1.
    pub(super) bounds: Option<[f64; 2]>,
}

impl FlowStep {
    /// Step number `step` of a run.
    pub(super) fn of(config: &LangevinConfig, step: usize) -> Self {
        let steps = config.num_steps.max(1) as f64;
        let size = config.flow_time / steps;
        let time = |step: usize| step as f64 * config.flow_time / steps;
        let is_from = |time: f64, threshold: f64| time >= threshold - SAME_TIME * size;
        let is_heated = is_from(time(step), config.flow_heated_from);
        let is_image = is_from(time(step + 1), 1.0);
        Self {
            size,
            noise_std: if is_heated {
                (2.0 * size * config.flow_temperature).sqrt()
            } else {
                0.0
            },
            bounds: config.clip().filter(|_| is_image),
        }
    }

    /// x − h∇E, clipped where the step is.
    pub(super) fn descent(&self) -> Descent {
        let bounds = self.bounds.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
        Descent {
            step_size: self.size as f32,
            inverse_temperature: 1.0,
            grad_clip: f32::INFINITY,
            bounds: bounds.map(|bound| bound as f32),
        }
    }

    /// x + √(2hT)·ξ, ξ of step number `step`; x itself where the step has no noise.
    pub(super) fn heated<const D: usize>(
        &self,
        dynamics: &Dynamics<'_, D>,
        x: Tensor<D>,
        step: usize,
    ) -> Tensor<D> {
        if self.noise_std == 0.0 {
            return x;
        }
        let noise = Noise {
            key: dynamics.key_of(step),
            distribution: Distribution::Normal,
            scale: self.noise_std as f32,
        };
        perturb(x, &dynamics.index, noise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::Method;

    fn config(num_steps: usize, time: f64) -> LangevinConfig {
        LangevinConfig::new(num_steps)
            .with_method(Method::Euler)
            .with_flow_time(time)
    }

    #[test]
    fn the_step_that_ends_at_the_data_is_the_first_that_is_clipped_whatever_the_rounding() {
        for num_steps in 1..120 {
            for at_data in 1..=num_steps {
                // The step before `at_data` ends at t = 1.
                let config = config(num_steps, num_steps as f64 / at_data as f64);
                let is_clipped = |step| FlowStep::of(&config, step).bounds.is_some();
                assert!(is_clipped(at_data - 1), "{at_data} of {num_steps}");
                assert!(at_data < 2 || !is_clipped(at_data - 2));
            }
        }
    }

    #[test]
    fn noise_starts_at_its_time_and_is_that_of_the_temperature() {
        let config = config(8, 2.0)
            .with_flow_temperature(0.5)
            .with_flow_heated_from(0.75);
        let noise = |step| FlowStep::of(&config, step).noise_std;
        assert_eq!([0, 1, 2].map(noise), [0.0; 3]);
        assert_eq!([3, 4, 7].map(noise), [0.5; 3]); // √(2 · ¼ · ½)
        let cold = config.clone().with_flow_temperature(0.0);
        assert_eq!(FlowStep::of(&cold, 7).noise_std, 0.0);
    }

    #[test]
    fn a_flow_that_ends_before_the_data_is_not_clipped() {
        assert_eq!(FlowStep::of(&config(10, 0.9), 9).bounds, None);
        let margin = config(10, 1.0).with_margin(0.1);
        assert_eq!(FlowStep::of(&margin, 9).bounds, Some([-0.1, 1.1]));
        let unbounded = config(10, 1.0).with_bounds(None);
        assert_eq!(FlowStep::of(&unbounded, 9).bounds, None);
    }
}
