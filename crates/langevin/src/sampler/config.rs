//! Configure how chains move.

use burn::tensor::Tensor;
use ebm_core::Schedule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::Method;
use crate::step::Descent;
use ebm_core::rows::row_norms;

/// How a chain moves. All lengths are in pixel units of [0, 1]; see the [crate's
/// convention](crate#convention).
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LangevinConfig {
    /// Kind of step. `mala` and `hmc` accept or reject each and sample the density itself; `euler` and
    /// `heun` follow a flow from noise to data.
    pub method: Method,
    /// K: Langevin steps per iteration.
    #[schemars(range(min = 1, max = 16777215))]
    pub num_steps: usize,
    /// η: step size of `sgld`, `mala` and `hmc`, for pixels in [0, 1]; a schedule runs over the steps.
    #[schemars(range(min = 0))]
    pub step_size: Schedule,
    /// s: standard deviation of the noise of a step of `sgld`, for pixels in [0, 1].
    #[schemars(range(min = 0))]
    pub noise_std: Schedule,
    /// T: temperature of `sgld`, `mala` and `hmc`, which divides the energy; a schedule over the steps
    /// gives tempering.
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
    /// τ: time that all steps of `euler` and `heun` cover together: noise is at 0, data are at 1, and a
    /// little beyond, 1.25 to 1.5, is often better.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub flow_time: f64,
    /// T: temperature of `euler` and `heun` from `flow_heated_from` on; 0 for no noise.
    #[schemars(range(min = 0))]
    pub flow_temperature: f64,
    /// τ*: time from which `euler` and `heun` are at `flow_temperature`.
    #[schemars(range(min = 0))]
    pub flow_heated_from: f64,
    /// σ₀: samples end with x − σ₀²∇E(x), which takes noise of this standard deviation off them, where
    /// denoising has taught the energy; chains of training do not. Absent for no such step.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub final_denoise_std: Option<f64>,
    /// m: chains are clipped to [−m, 1 + m] after every step, those of `euler` and `heun` from time 1 on.
    /// With 0, data lie on the bounds themselves, and nothing holds back an energy that falls beyond them.
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
            flow_time: 1.0,
            flow_temperature: 0.0,
            flow_heated_from: 1.0,
            final_denoise_std: None,
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

    /// This τ: the time that all steps of `euler` or `heun` cover together.
    pub fn with_flow_time(mut self, flow_time: f64) -> Self {
        self.flow_time = flow_time;
        self
    }

    /// This T of `euler` and `heun`.
    pub fn with_flow_temperature(mut self, flow_temperature: f64) -> Self {
        self.flow_temperature = flow_temperature;
        self
    }

    /// This τ*: the time from which `euler` and `heun` have a temperature.
    pub fn with_flow_heated_from(mut self, flow_heated_from: f64) -> Self {
        self.flow_heated_from = flow_heated_from;
        self
    }

    /// This σ₀: the standard deviation of the noise that is taken off samples in the end.
    pub fn with_final_denoise_std(mut self, std: f64) -> Self {
        self.final_denoise_std = Some(std);
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

    /// Gradients that a step takes of a chain.
    pub fn gradients_per_step(&self) -> usize {
        match self.method {
            Method::Sgld | Method::Mala | Method::Euler => 1,
            Method::Heun => 2,
            Method::Hmc => self.leapfrog_steps,
        }
    }

    /// Gradients of a chain of `steps` steps outside training, that of `final_denoise_std` included.
    pub fn gradients_of_sample(&self, steps: usize) -> usize {
        steps * self.gradients_per_step() + usize::from(self.final_denoise_std.is_some())
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
