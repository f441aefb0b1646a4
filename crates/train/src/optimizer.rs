//! Turn gradients into weight updates: Adam with the options of the 2019 release, or a step that samples weights.

use burn::tensor::{Device, Tensor};
use ebm_core::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::parameters::each_element;
use crate::posterior::WeightStep;

/// What makes updates of gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerMethod {
    /// Adam (Kingma & Ba 2015): weights that minimise the loss.
    #[default]
    Adam,
    /// Stochastic gradient Langevin dynamics (Welling & Teh 2011): samples of the posterior over weights; `lr` is the
    /// step size η, half of the published ε.
    Sgld,
    /// The same with the preconditioner of RMSprop (Li et al. 2016), with `beta2` and `epsilon`.
    Psgld,
}

impl OptimizerMethod {
    /// Whether it samples weights.
    pub fn is_sampling(self) -> bool {
        self != Self::Adam
    }
}

/// Adam and what bounds its gradients, or what takes its place.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// What makes updates of gradients; absent for `adam`.
    #[serde(skip_serializing_if = "is_adam")]
    pub method: OptimizerMethod,
    /// Adam's β₁: decay of the mean of gradients.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub beta1: f64,
    /// Adam's β₂: decay of the mean of squared gradients; α of `psgld`.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub beta2: f64,
    /// Adam's ε: added to the root of the mean square; λ of `psgld`.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub epsilon: f64,
    /// Iterations over which the learning rate grows linearly from zero.
    pub warmup: usize,
    /// Clamp each gradient element to ±(3·√(v/(1 − β₂ᵗ)) + 0.1), v from before the step
    /// (the 2019 release).
    pub clamp_elements: bool,
    /// Largest L2 norm of the whole gradient; absent for no clipping.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub grad_norm_clip: Option<f64>,
    /// λ: every update shrinks weights and biases by the factor 1 − lr·λ (AdamW, Loshchilov & Hutter 2019,
    /// alg. 2), which keeps the energy's slopes from growing without end.
    #[schemars(range(min = 0))]
    pub weight_decay: f64,
}

/// Whether a configuration of before there were other methods says all.
fn is_adam(method: &OptimizerMethod) -> bool {
    *method == OptimizerMethod::Adam
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            method: OptimizerMethod::default(),
            beta1: 0.0,
            beta2: 0.999,
            epsilon: 1e-8,
            warmup: 0,
            clamp_elements: false,
            grad_norm_clip: None,
            weight_decay: 0.0,
        }
    }
}

impl OptimizerConfig {
    /// Check that steps can be taken.
    ///
    /// # Errors
    /// Names the first key with an impossible value.
    pub fn validate(&self) -> Result<(), Invalid> {
        for (key, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&beta) {
                return Err(Invalid::new(key, format!("must be in [0, 1), got {beta}")));
            }
        }
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return Err(Invalid::new(
                "epsilon",
                format!("must be > 0, got {}", self.epsilon),
            ));
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            return Err(Invalid::new(
                "weight_decay",
                format!("must be at least 0, got {}", self.weight_decay),
            ));
        }
        if self.method.is_sampling() && self.weight_decay > 0.0 {
            let problem =
                "above 0 is for adam; the prior of sgld and psgld is posterior.prior_precision";
            return Err(Invalid::new("weight_decay", problem));
        }
        if self.method.is_sampling() && self.clamp_elements {
            return Err(Invalid::new("clamp_elements", "is for adam alone"));
        }
        match self.grad_norm_clip {
            Some(clip) if clip.is_nan() || clip <= 0.0 => Err(Invalid::new(
                "grad_norm_clip",
                format!("must be > 0, got {clip}; leave it out for no clipping"),
            )),
            _ => Ok(()),
        }
    }

    /// The gradient g·min(1, c/‖g‖), c the largest norm.
    fn clipped(&self, gradient: Tensor<1>, norm: &Tensor<1>) -> Tensor<1> {
        match self.grad_norm_clip {
            Some(clip) => gradient * norm.clone().recip().mul_scalar(clip).clamp_max(1.0),
            None => gradient,
        }
    }

    /// √(v/(1 − β₂ᵗ)) after t steps; zero before the first.
    fn unbiased_root(&self, mean_square: Tensor<1>, steps: u64) -> Tensor<1> {
        let weight = 1.0 - self.beta2.powf(steps.max(1) as f64);
        (mean_square / weight).sqrt()
    }
}

/// What Adam remembers, a vector of the parameters' length each.
#[derive(Clone, Debug)]
pub struct Adam {
    /// m: decaying mean of gradients, `[parameters]`.
    pub mean: Tensor<1>,
    /// v: decaying mean of squared gradients, `[parameters]`.
    pub mean_square: Tensor<1>,
    /// t: steps taken.
    pub steps: u64,
}

/// One update of the parameters.
#[derive(Clone, Debug)]
pub struct Update {
    /// The new parameters, `[parameters]`.
    pub parameters: Tensor<1>,
    /// L2 norm of the gradient before anything bounded it, `[1]`.
    pub grad_norm: Tensor<1>,
}

impl Adam {
    /// No step taken yet.
    pub fn new(parameters: usize, device: &Device) -> Self {
        Self {
            mean: Tensor::zeros([parameters], device),
            mean_square: Tensor::zeros([parameters], device),
            steps: 0,
        }
    }

    /// One step of Adam (Kingma & Ba 2015, alg. 1) at learning rate `lr`.
    ///
    /// # Shapes
    /// - `parameters`, `gradient`: `[parameters]`
    pub fn step(
        &mut self,
        config: &OptimizerConfig,
        lr: f64,
        parameters: Tensor<1>,
        gradient: Tensor<1>,
    ) -> Update {
        let grad_norm = gradient.clone().square().sum().sqrt();
        self.step_of_norm(config, lr, parameters, gradient, grad_norm)
    }

    /// The same, where the norm of the gradient is known.
    pub(crate) fn step_of_norm(
        &mut self,
        config: &OptimizerConfig,
        lr: f64,
        parameters: Tensor<1>,
        gradient: Tensor<1>,
        grad_norm: Tensor<1>,
    ) -> Update {
        let gradient = config.clipped(gradient, &grad_norm);
        let taken = self.steps;
        self.steps += 1;
        let old = [
            parameters,
            gradient,
            self.mean.clone(),
            self.mean_square.clone(),
        ];
        let [parameters, mean, mean_square] = each_element(old, |old| {
            let [parameters, gradient, mean, mean_square] = old;
            let gradient = if config.clamp_elements {
                let bound = config.unbiased_root(mean_square.clone(), taken) * 3.0 + 0.1;
                gradient.max_pair(bound.clone().neg()).min_pair(bound)
            } else {
                gradient
            };
            let (beta1, beta2) = (config.beta1, config.beta2);
            let mean = mean * beta1 + gradient.clone() * (1.0 - beta1);
            let mean_square = mean_square * beta2 + gradient.square() * (1.0 - beta2);
            let unbiased = mean.clone() / (1.0 - beta1.powf((taken + 1) as f64));
            let root = config.unbiased_root(mean_square.clone(), taken + 1);
            let step = unbiased / (root + config.epsilon);
            let parameters = if config.weight_decay > 0.0 {
                parameters * (1.0 - lr * config.weight_decay)
            } else {
                parameters
            };
            [parameters - step * lr, mean, mean_square]
        });
        (self.mean, self.mean_square) = (mean, mean_square);
        Update {
            parameters,
            grad_norm,
        }
    }

    /// A Langevin step of the weights in place of Adam's: of `psgld` with its preconditioner, whose V is the mean of
    /// squared gradients, else of `sgld`.
    pub(crate) fn langevin_step(
        &mut self,
        config: &OptimizerConfig,
        step: &WeightStep,
        parameters: Tensor<1>,
        gradient: Tensor<1>,
        grad_norm: Tensor<1>,
    ) -> Update {
        let gradient = config.clipped(gradient, &grad_norm);
        let parameters = match config.method {
            OptimizerMethod::Psgld => {
                let (before, keys) = (self.mean_square.clone(), (config.beta2, config.epsilon));
                let [moved, mean_square] = step.psgld(parameters, gradient, before, keys);
                self.mean_square = mean_square;
                self.steps += 1; // of V alone: without it there is nothing for Adam to go on from
                moved
            }
            OptimizerMethod::Adam | OptimizerMethod::Sgld => step.sgld(parameters, gradient),
        };
        Update {
            parameters,
            grad_norm,
        }
    }
}

#[cfg(test)]
mod tests {
    use ebm_core::{StepKey, Stream};

    use super::*;

    fn values(tensor: Tensor<1>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    fn step_twice(config: &OptimizerConfig, gradients: [f32; 2]) -> Vec<f32> {
        let device = Device::flex();
        let mut adam = Adam::new(1, &device);
        let mut parameters = Tensor::<1>::from_floats([1.0], &device);
        gradients
            .map(|g| {
                let gradient = Tensor::from_floats([g], &device);
                let update = adam.step(config, 0.1, parameters.clone(), gradient);
                parameters = update.parameters;
                parameters.clone().into_scalar::<f32>()
            })
            .to_vec()
    }

    #[test]
    fn without_momentum_the_first_step_is_the_sign_times_the_learning_rate() {
        let moved = step_twice(&OptimizerConfig::default(), [0.5, 0.5]);
        assert!(
            (moved[0] - 0.9).abs() < 1e-6 && (moved[1] - 0.8).abs() < 1e-5,
            "{moved:?}"
        );
    }

    #[test]
    fn the_second_step_follows_the_published_moments() {
        let config = OptimizerConfig {
            beta1: 0.5,
            beta2: 0.75,
            ..OptimizerConfig::default()
        };
        let moved = step_twice(&config, [2.0, -1.0]);
        // m₂ = 0.5·(0.5·2) + 0.5·(−1) = 0; v₂ is positive: the second step is zero.
        assert!((moved[0] - 0.9).abs() < 1e-6, "{moved:?}");
        assert!((moved[1] - moved[0]).abs() < 1e-6, "{moved:?}");
    }

    #[test]
    fn elements_are_clamped_by_the_moments_before_the_step() {
        let config = OptimizerConfig {
            clamp_elements: true,
            beta2: 0.5,
            ..OptimizerConfig::default()
        };
        let device = Device::flex();
        let mut adam = Adam::new(1, &device);
        let zero = Tensor::<1>::zeros([1], &device);
        // Before any step v = 0: the gradient 7 is clamped to 0.1, so v₁ = 0.5·0.01.
        adam.step(
            &config,
            0.1,
            zero.clone(),
            Tensor::from_floats([7.0], &device),
        );
        assert!((values(adam.mean_square.clone())[0] - 0.005).abs() < 1e-8);
        // Then √(v₁/(1 − 0.5)) = 0.1: the bound is 0.4, v₂ = 0.5·0.005 + 0.5·0.16.
        adam.step(&config, 0.1, zero, Tensor::from_floats([-7.0], &device));
        assert!((values(adam.mean_square.clone())[0] - 0.0825).abs() < 1e-7);
    }

    #[test]
    fn the_global_norm_is_clipped_and_reported_unclipped() {
        let config = OptimizerConfig {
            grad_norm_clip: Some(1.0),
            beta2: 0.0,
            ..OptimizerConfig::default()
        };
        let device = Device::flex();
        let mut adam = Adam::new(2, &device);
        let zero = Tensor::<1>::zeros([2], &device);
        let update = adam.step(&config, 0.1, zero, Tensor::from_floats([3.0, 4.0], &device));
        assert_eq!(update.grad_norm.into_scalar::<f32>(), 5.0);
        let squares = values(adam.mean_square);
        assert!((squares[0] - 0.36).abs() < 1e-6 && (squares[1] - 0.64).abs() < 1e-6);
    }

    #[test]
    fn weights_decay_beside_the_step_and_not_through_the_moments() {
        let config = OptimizerConfig {
            weight_decay: 0.5,
            ..OptimizerConfig::default()
        };
        // 1 − lr·λ = 0.95 a step; the step itself is lr times the gradient's sign.
        let moved = step_twice(&config, [0.0, 0.0]);
        assert!((moved[0] - 0.95).abs() < 1e-6 && (moved[1] - 0.9025).abs() < 1e-6);
        assert!((step_twice(&config, [0.5, 0.5])[0] - 0.85).abs() < 1e-6);
    }

    #[test]
    fn adam_begins_anew_after_steps_that_have_kept_no_moments() {
        let device = Device::flex();
        let config = |method| OptimizerConfig {
            method,
            beta1: 0.9,
            ..OptimizerConfig::default()
        };
        let step = WeightStep {
            step_size: 0.0,
            images: 1,
            prior_precision: 0.0,
            temperature: 0.0,
            key: StepKey::new(0, 0).stream(Stream::WeightNoise),
        };
        let mut adam = Adam::new(1, &device);
        let mut parameters = Tensor::<1>::ones([1], &device);
        let gradient = || Tensor::<1>::from_floats([0.5], &device);
        let sgld = config(OptimizerMethod::Sgld);
        for _ in 0..1000 {
            let update = adam.langevin_step(&sgld, &step, parameters, gradient(), gradient());
            parameters = update.parameters;
        }
        let config = config(OptimizerMethod::Adam);
        let moved = adam.step(&config, 0.1, parameters, gradient()).parameters;
        assert!((moved.into_scalar::<f32>() - 0.9).abs() < 1e-6);
    }

    #[test]
    fn a_gradient_that_is_not_a_number_is_not_hidden() {
        let config = OptimizerConfig {
            grad_norm_clip: Some(1.0),
            ..OptimizerConfig::default()
        };
        let moved = step_twice(&config, [f32::NAN, 1.0]);
        assert!(moved[0].is_nan() && moved[1].is_nan());
    }
}
