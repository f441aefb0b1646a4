//! Check a configuration before chains run.

use ebm_core::Invalid;

use super::config::LangevinConfig;

impl LangevinConfig {
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
            if !self.method.may_reject() {
                let method = self.method;
                let problem =
                    format!("needs method \"mala\" or \"hmc\": {method} accepts every step");
                return invalid("target_acceptance", problem);
            }
        }
        self.validate_flow()?;
        if let Some(std) = self.final_denoise_std
            && !(std > 0.0 && std.is_finite())
        {
            let problem = format!("must be > 0, got {std}; leave it out for no such step");
            return invalid("final_denoise_std", problem);
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
    /// Check the keys of `euler` and `heun`, and what has no place beside these methods.
    fn validate_flow(&self) -> Result<(), Invalid> {
        if !(self.flow_time > 0.0 && self.flow_time.is_finite()) {
            let problem = format!("must be > 0, got {}", self.flow_time);
            return Err(Invalid::new("flow_time", problem));
        }
        for (key, value) in [
            ("flow_temperature", self.flow_temperature),
            ("flow_heated_from", self.flow_heated_from),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Invalid::new(key, format!("must be ≥ 0, got {value}")));
            }
        }
        for (key, limit) in [
            ("grad_clip", self.grad_clip),
            ("grad_norm_clip", self.grad_norm_clip),
        ] {
            if self.method.is_flow() && limit.is_some() {
                let method = self.method;
                let problem = format!(
                    "limits no step of {method}, which takes whole gradients; leave it out"
                );
                return Err(Invalid::new(key, problem));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::Method;

    #[test]
    fn a_flow_refuses_limits_of_gradients_and_an_acceptance() {
        for method in [Method::Euler, Method::Heun] {
            let flow = LangevinConfig::new(10).with_method(method);
            assert_eq!(flow.validate(), Ok(()));
            let refused = |config: LangevinConfig| config.validate().expect_err("refused").key;
            assert_eq!(refused(flow.clone().with_grad_clip(0.1)), "grad_clip");
            let mut limited = flow.clone();
            limited.grad_norm_clip = Some(1.0);
            assert_eq!(refused(limited), "grad_norm_clip");
            let mut adapting = flow;
            adapting.target_acceptance = Some(0.6);
            assert_eq!(refused(adapting), "target_acceptance");
        }
    }

    #[test]
    fn impossible_times_temperatures_and_noise_are_refused_whatever_the_method() {
        let refused = |config: LangevinConfig| config.validate().expect_err("refused").key;
        let config = || LangevinConfig::new(10);
        for time in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(refused(config().with_flow_time(time)), "flow_time");
        }
        for none in [0.0, f64::NAN] {
            let denoised = config().with_final_denoise_std(none);
            assert_eq!(refused(denoised), "final_denoise_std");
        }
        for below in [-1e-9, f64::NAN] {
            let temperature = config().with_flow_temperature(below);
            assert_eq!(refused(temperature), "flow_temperature");
            let heated_from = config().with_flow_heated_from(below);
            assert_eq!(refused(heated_from), "flow_heated_from");
        }
    }
}
