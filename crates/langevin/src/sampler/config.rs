//! Configure how chains move.

use core::fmt;

use burn::tensor::Tensor;
use ebm_core::{Invalid, Schedule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::step::Descent;
use ebm_core::rows::row_norms;

/// How a chain moves in one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Noise and a step down the gradient, decoupled (stochastic gradient Langevin dynamics, Welling
    /// & Teh 2011, as Du & Mordatch 2019 use it).
    #[default]
    Sgld,
    /// Metropolis-adjusted Langevin (Roberts & Tweedie 1996): x − η∇E/T + √(2η)·ξ, accepted or not.
    Mala,
    /// Hamiltonian Monte Carlo (Neal 2011): `leapfrog_steps` steps of size η, accepted or not.
    Hmc,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sgld => "sgld",
            Self::Mala => "mala",
            Self::Hmc => "hmc",
        })
    }
}

/// How a chain moves. All lengths are in pixel units of [0, 1]; see the [crate's
/// convention](crate#convention).
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LangevinConfig {
    /// Kind of step. `mala` and `hmc` accept or reject each and sample the density itself.
    pub method: Method,
    /// K: Langevin steps per iteration.
    #[schemars(range(min = 1, max = 16777215))]
    pub num_steps: usize,
    /// η: step size, for pixels in [0, 1]; a schedule runs over the steps.
    #[schemars(range(min = 0))]
    pub step_size: Schedule,
    /// s: standard deviation of the noise of a step, for pixels in [0, 1]; unused by `mala` and `hmc`.
    #[schemars(range(min = 0))]
    pub noise_std: Schedule,
    /// T: temperature, which divides the energy; a schedule over the steps gives tempering.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub temperature: Schedule,
    /// c: every element of ∇E/T is clamped to [−c, c]; absent for no clamp.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub grad_clip: Option<f64>,
    /// ∇E/T of every image is shortened to this L2 norm, before `grad_clip`; absent for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub grad_norm_clip: Option<f64>,
    /// Leapfrog steps of a step of `hmc`.
    #[schemars(range(min = 1))]
    pub leapfrog_steps: usize,
    /// Acceptance rate to which `mala` and `hmc` adapt their step size; absent for the step size as it
    /// is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub target_acceptance: Option<f64>,
    /// m: chains are clipped to [−m, 1 + m] after every step. With 0, data lie on the bounds themselves,
    /// and nothing holds back an energy that falls beyond them.
    #[schemars(range(min = 0))]
    pub margin: f64,
    /// Bounds of a pixel of an image; absent for none. Images live in [0, 1], so a configuration file
    /// cannot change them.
    #[serde(skip, default = "unit_interval")]
    pub bounds: Option<[f64; 2]>,
}

fn unit_interval() -> Option<[f64; 2]> {
    Some([0.0, 1.0])
}

impl Default for LangevinConfig {
    fn default() -> Self {
        Self {
            method: Method::Sgld,
            num_steps: 60,
            step_size: Schedule::Constant(10.0),
            noise_std: Schedule::Constant(0.005),
            temperature: Schedule::Constant(1.0),
            grad_clip: None,
            grad_norm_clip: None,
            leapfrog_steps: 10,
            target_acceptance: None,
            margin: 0.0,
            bounds: unit_interval(),
        }
    }
}

impl LangevinConfig {
    /// The default steps, `num_steps` of them.
    pub fn new(num_steps: usize) -> Self {
        Self {
            num_steps,
            ..Self::default()
        }
    }

    /// Steps of this kind.
    pub fn with_method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// This η: a number, or a schedule over the steps.
    pub fn with_step_size(mut self, step_size: impl Into<Schedule>) -> Self {
        self.step_size = step_size.into();
        self
    }

    /// This s: a number, or a schedule over the steps.
    pub fn with_noise_std(mut self, noise_std: impl Into<Schedule>) -> Self {
        self.noise_std = noise_std.into();
        self
    }

    /// This T: a number, or a schedule over the steps.
    pub fn with_temperature(mut self, temperature: impl Into<Schedule>) -> Self {
        self.temperature = temperature.into();
        self
    }

    /// This c: a clamp of every element of ∇E/T.
    pub fn with_grad_clip(mut self, grad_clip: f64) -> Self {
        self.grad_clip = Some(grad_clip);
        self
    }

    /// This m: chains are clipped this far outside the bounds of an image.
    pub fn with_margin(mut self, margin: f64) -> Self {
        self.margin = margin;
        self
    }

    /// Where chains are clipped: the bounds of an image, and the margin around them.
    pub fn clip(&self) -> Option<[f64; 2]> {
        let [low, high] = self.bounds?;
        Some([low - self.margin, high + self.margin])
    }

    /// These bounds of a pixel, or none.
    pub fn with_bounds(mut self, bounds: Option<[f64; 2]>) -> Self {
        self.bounds = bounds;
        self
    }

    /// What `mala` or `hmc` need to sample the density that chains of this `sgld` sample: their
    /// temperature, a step size that adapts, and no limit of gradients. `sgld` without noise has no such
    /// density, and the other methods sample their own: there the method alone changes.
    ///
    /// Steps of size η with noise s act like Langevin dynamics at the temperature T·s²/(2η).
    pub fn metropolis_corrected(&self, method: Method) -> Self {
        let last = self.num_steps.saturating_sub(1);
        let [step_size, noise, temperature] = [self.step_size, self.noise_std, self.temperature]
            .map(|schedule| schedule.at(last, self.num_steps));
        let temperature = temperature * noise * noise / (2.0 * step_size);
        let has_density = temperature > 0.0 && temperature.is_finite();
        let other = self.clone().with_method(method);
        if !has_density || self.method != Method::Sgld {
            return other;
        }
        // Rates at which chains mix fastest: Roberts & Rosenthal (1998), Beskos et al. (2013). A first
        // size is the standard deviation of one pixel at that temperature, were E of curvature 1.
        let (acceptance, step_size) = match method {
            Method::Mala => (0.574, temperature),
            Method::Hmc => (0.651, temperature.sqrt()),
            Method::Sgld => return other,
        };
        Self {
            temperature: temperature.into(),
            step_size: step_size.into(),
            grad_clip: None,
            grad_norm_clip: None,
            target_acceptance: Some(acceptance),
            ..other
        }
    }

    /// Check that chains can run.
    ///
    /// # Errors
    /// Names the first key with an impossible value.
    pub fn validate(&self) -> Result<(), Invalid> {
        let invalid = |key: &str, problem: String| Err(Invalid::new(key, problem));
        for (key, schedule, above_zero) in [
            ("step_size", self.step_size, false),
            ("noise_std", self.noise_std, false),
            ("temperature", self.temperature, true),
        ] {
            match schedule.range() {
                Err(problem) => return invalid(key, problem.into()),
                Ok((low, _)) if low < 0.0 => {
                    return invalid(key, format!("must be ≥ 0, got {low}"));
                }
                Ok((low, _)) if above_zero && low == 0.0 => {
                    return invalid(key, "must be > 0".into());
                }
                Ok(_) => {}
            }
        }
        for (key, clip) in [
            ("grad_clip", self.grad_clip),
            ("grad_norm_clip", self.grad_norm_clip),
        ] {
            if let Some(c) = clip.filter(|c| c.is_nan() || *c <= 0.0) {
                return invalid(
                    key,
                    format!("must be > 0, got {c}; leave it out for no limit"),
                );
            }
        }
        if let Some(target) = self.target_acceptance {
            if !(target > 0.0 && target < 1.0) {
                let problem = format!("must be between 0 and 1, got {target}");
                return invalid("target_acceptance", problem);
            }
            if self.method == Method::Sgld {
                let problem = "needs method \"mala\" or \"hmc\": sgld accepts every step";
                return invalid("target_acceptance", problem.into());
            }
        }
        if !(self.margin >= 0.0 && self.margin.is_finite()) {
            return invalid("margin", format!("must be ≥ 0, got {}", self.margin));
        }
        if self.leapfrog_steps == 0 {
            return invalid("leapfrog_steps", "must be at least 1, got 0".into());
        }
        if self.num_steps >= 1 << 24 {
            return invalid("num_steps", "must be below 2²⁴".into());
        }
        Ok(())
    }

    /// The same chains in [0, 1], for a recipe published for images in [−1, 1]: η/4, s/2, 2c. The η of
    /// `hmc` is a length, as s is: η/2.
    pub fn from_minus_one_to_one(&self) -> Self {
        let of_step = match self.method {
            Method::Sgld | Method::Mala => 0.25,
            Method::Hmc => 0.5,
        };
        Self {
            step_size: self.step_size.scaled(of_step),
            noise_std: self.noise_std.scaled(0.5),
            grad_clip: self.grad_clip.map(|c| 2.0 * c),
            grad_norm_clip: self.grad_norm_clip.map(|c| 2.0 * c),
            margin: self.margin / 2.0,
            bounds: self
                .bounds
                .map(|bounds| bounds.map(|bound| (bound + 1.0) / 2.0)),
            ..self.clone()
        }
    }

    /// Gradients that a step takes of a chain.
    pub fn gradients_per_step(&self) -> usize {
        match self.method {
            Method::Sgld | Method::Mala => 1,
            Method::Hmc => self.leapfrog_steps,
        }
    }

    /// How far step number `step` of a run goes, and what bounds it.
    pub(super) fn descent(&self, step: usize) -> Descent {
        let bounds = self.clip().unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
        Descent {
            step_size: self.step_size.at(step, self.num_steps) as f32,
            inverse_temperature: (1.0 / self.temperature.at(step, self.num_steps)) as f32,
            grad_clip: self.grad_clip.map_or(f32::INFINITY, |c| c as f32),
            bounds: bounds.map(|bound| bound as f32),
        }
    }

    /// ∇E, shortened where ∇E/T is longer than `grad_norm_clip`.
    ///
    /// # Shapes
    /// - `gradient`: `[batch, ..]`
    pub(super) fn shortened<const D: usize>(
        &self,
        gradient: Tensor<D>,
        inverse_temperature: f32,
    ) -> Tensor<D> {
        let Some(longest) = self.grad_norm_clip else {
            return gradient;
        };
        let shrink = (row_norms(&gradient) * inverse_temperature)
            .recip()
            .mul_scalar(longest)
            .clamp_max(1.0);
        gradient * shrink
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corrected_sampler_has_the_temperature_of_the_steps_that_it_replaces() {
        let sgld = LangevinConfig::new(20)
            .with_step_size(2.5)
            .with_noise_std(0.0025)
            .with_temperature(2.0)
            .with_grad_clip(0.06);
        for method in [Method::Mala, Method::Hmc] {
            let corrected = sgld.metropolis_corrected(method);
            assert_eq!(corrected.validate(), Ok(()));
            let temperature = corrected.temperature.at(0, 20);
            assert!((temperature / 2.5e-6 - 1.0).abs() < 1e-12, "{temperature}");
            assert_eq!((corrected.method, corrected.grad_clip), (method, None));
        }
        assert_eq!(sgld.metropolis_corrected(Method::Sgld), sgld);
        let noiseless = sgld.clone().with_noise_std(0.0);
        let expected = noiseless.clone().with_method(Method::Hmc);
        assert_eq!(noiseless.metropolis_corrected(Method::Hmc), expected);
    }
}
