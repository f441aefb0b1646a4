//! Say how chains move: how many steps, and what the run's own are multiplied by.

use ebm_langevin::LangevinConfig;

use super::error::PlayError;

/// Steps of a chain are numbered with 24 bits.
pub(super) const MOST_STEPS: usize = 1 << 24;

/// How chains move.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaySettings {
    /// Steps to take.
    pub steps: usize,
    /// Steps that these chains have taken already: they number the noise of the next ones. A picture that is not from noise
    /// begins with those that the way from noise takes ([`PlaySteps::from_noise`](super::PlaySteps::from_noise)).
    pub from: usize,
    /// What the temperature is multiplied by; above 0.
    pub temperature: f64,
    /// What the step size is multiplied by, but for that of the way of a flow from noise to data; above 0.
    pub step_size: f64,
    /// What the standard deviation of noise is multiplied by; at least 0. `mala` and `hmc` have none of their own.
    pub noise: f64,
    /// The class that all images are given, E(x, y); without one E(x).
    pub class: Option<u32>,
    /// Seed of the noise.
    pub seed: u64,
}

impl PlaySettings {
    /// So many steps as the run has them, from the first on.
    pub fn new(steps: usize) -> Self {
        Self {
            steps,
            from: 0,
            temperature: 1.0,
            step_size: 1.0,
            noise: 1.0,
            class: None,
            seed: 0,
        }
    }

    /// Check that steps can be taken.
    ///
    /// # Errors
    /// Names the first multiplier that is impossible.
    pub(super) fn check(&self) -> Result<(), PlayError> {
        for (key, value, least, range) in [
            (
                "temperature",
                self.temperature,
                f64::MIN_POSITIVE,
                "above 0",
            ),
            ("step_size", self.step_size, f64::MIN_POSITIVE, "above 0"),
            ("noise", self.noise, 0.0, "at least 0"),
        ] {
            if !(value >= least && value.is_finite()) {
                return Err(PlayError::Setting { key, range, value });
            }
        }
        let steps = self.from.saturating_add(self.steps);
        if steps >= MOST_STEPS {
            return Err(PlayError::TooManySteps { steps });
        }
        Ok(())
    }

    /// A run's steps with these multipliers.
    pub(super) fn applied_to(&self, config: &LangevinConfig) -> LangevinConfig {
        LangevinConfig {
            step_size: config.step_size.scaled(self.step_size),
            noise_std: config.noise_std.scaled(self.noise),
            temperature: config.temperature.scaled(self.temperature),
            // Its noise is √(2hT).
            flow_temperature: config.flow_temperature * self.temperature * self.noise.powi(2),
            ..config.clone()
        }
    }
}
