//! Say what posterior weights are sampled from, when they have noise, and which are kept.

use ebm_core::{Invalid, Schedule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The highest temperature: weights of a hotter posterior are noise and nothing else.
const MOST_TEMPERATURE: f64 = 1000.0;

/// The `[posterior]` section of a configuration, for `sgld` and `psgld`.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PosteriorConfig {
    /// λ: precision of the prior N(0, I/λ) of weights and biases: U(θ) = N·loss + ½λ‖θ‖² with N training images.
    #[schemars(range(min = 0))]
    pub prior_precision: f64,
    /// T: weights are sampled from exp(−U(θ)/T): 1 for the posterior, less for a cold one, 0 for steps without noise.
    #[schemars(range(min = 0, max = 1000))]
    pub temperature: f64,
    /// Share of each cycle of a cyclic `lr`, from its beginning, in which weights have no noise and none are kept.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub exploration: f64,
    /// First iterations of the run, or of its phase, of which no weights are kept.
    pub burn_in: usize,
    /// Iterations between weights that are kept in the run's folder `posterior`; 0 for none.
    pub every: usize,
}

impl Default for PosteriorConfig {
    fn default() -> Self {
        Self {
            prior_precision: 1.0,
            temperature: 1.0,
            exploration: 0.0,
            burn_in: 0,
            every: 0,
        }
    }
}

impl PosteriorConfig {
    /// Whether nothing differs from the default.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Check that weights can be sampled.
    ///
    /// # Errors
    /// Names the first key with an impossible value.
    pub fn validate(&self) -> Result<(), Invalid> {
        for (key, value) in [
            ("prior_precision", self.prior_precision),
            ("temperature", self.temperature),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Invalid::new(
                    key,
                    format!("must be at least 0, got {value}"),
                ));
            }
        }
        if self.temperature > MOST_TEMPERATURE {
            let problem = format!(
                "must be at most {MOST_TEMPERATURE}, got {:e}",
                self.temperature
            );
            return Err(Invalid::new("temperature", problem));
        }
        if !(0.0..1.0).contains(&self.exploration) {
            let problem = format!("must be in [0, 1), got {}", self.exploration);
            return Err(Invalid::new("exploration", problem));
        }
        Ok(())
    }

    /// Whether step number `step` of `num_steps`, from 0, has noise. Of a cyclic schedule of the learning rate, the
    /// steps after the first [`exploration`](Self::exploration) of each cycle do (Zhang et al., *Cyclical stochastic
    /// gradient MCMC*, 2020, alg. 1).
    pub fn is_sampling(&self, lr: &Schedule, step: usize, num_steps: usize) -> bool {
        let Some(cycle) = lr.cycle_of(step, num_steps) else {
            return true;
        };
        let since = step.saturating_sub(cycle.start) as f64;
        since >= self.exploration * cycle.len() as f64
    }

    /// Whether the weights are kept after step number `step` of `num_steps`, from 0: every
    /// [`every`](Self::every) steps after [`burn_in`](Self::burn_in), or of a cyclic schedule, those of the last step
    /// of each cycle and every so many before it.
    pub fn keeps(&self, lr: &Schedule, step: usize, num_steps: usize) -> bool {
        let done = step + 1;
        if self.every == 0 || done <= self.burn_in || !self.is_sampling(lr, step, num_steps) {
            return false;
        }
        let distance = match lr.cycle_of(step, num_steps) {
            Some(cycle) => cycle.end.min(num_steps).saturating_sub(done),
            None => done - self.burn_in,
        };
        distance.is_multiple_of(self.every)
    }
}

#[cfg(test)]
mod tests {
    use ebm_core::Varying;

    use super::*;

    fn kept(config: &PosteriorConfig, lr: Schedule, num_steps: usize) -> Vec<usize> {
        let steps = 0..num_steps;
        let kept = steps.filter(|&step| config.keeps(&lr, step, num_steps));
        kept.map(|step| step + 1).collect()
    }

    #[test]
    fn weights_are_kept_at_intervals_after_the_burn_in() {
        let config = PosteriorConfig {
            burn_in: 5,
            every: 4,
            ..PosteriorConfig::default()
        };
        assert_eq!(kept(&config, Schedule::Constant(1.0), 20), [9, 13, 17]);
        assert_eq!(kept(&config, Schedule::Constant(1.0), 10), [9]);
        let none = PosteriorConfig::default();
        assert_eq!(kept(&none, Schedule::Constant(1.0), 10), [0; 0]);
    }

    #[test]
    fn a_cycle_explores_without_noise_and_ends_with_weights_that_are_kept() {
        let lr = Schedule::Varying(Varying::Cyclic {
            start: 1.0,
            cycles: 2,
        });
        let config = PosteriorConfig {
            exploration: 0.8,
            every: 2,
            ..PosteriorConfig::default()
        };
        let with_noise = (0..40).filter(|&step| config.is_sampling(&lr, step, 40));
        let expected: Vec<usize> = (16..20).chain(36..40).collect();
        assert_eq!(with_noise.collect::<Vec<_>>(), expected);
        assert_eq!(kept(&config, lr, 40), [18, 20, 38, 40]);
        // The last of two cycles has a step less.
        assert_eq!(kept(&config, lr, 39), [18, 20, 37, 39]);
    }

    #[test]
    fn values_that_sample_nothing_are_refused() {
        let refused = |config: PosteriorConfig| config.validate().expect_err("refused").to_string();
        let cold = PosteriorConfig {
            temperature: -1.0,
            ..PosteriorConfig::default()
        };
        assert!(refused(cold).contains("temperature"));
        let hot = |temperature| PosteriorConfig {
            temperature,
            ..PosteriorConfig::default()
        };
        assert_eq!(hot(1000.0).validate(), Ok(()));
        assert!(refused(hot(1e38)).contains("must be at most 1000, got 1e38"));
        let no_prior = PosteriorConfig {
            prior_precision: f64::NAN,
            ..PosteriorConfig::default()
        };
        assert!(refused(no_prior).contains("prior_precision"));
        let only_exploring = PosteriorConfig {
            exploration: 1.0,
            ..PosteriorConfig::default()
        };
        assert!(refused(only_exploring).contains("exploration"));
    }
}
