//! Convert a configuration to another method, and from images in [−1, 1].

use super::config::LangevinConfig;
use super::method::Method;

impl LangevinConfig {
    /// What chains of another method need to go on after `num_steps` steps of this configuration, or to take
    /// their place:
    /// - `mala` and `hmc` sample the same density, see [`metropolis_corrected`](Self::metropolis_corrected).
    /// - `sgld` after a flow takes the flow's steps at its temperature: η = h = τ/K, s = √(2hT).
    /// - `euler` and `heun` take whole gradients; in place of `sgld` they cover the time of its steps, Σ η/T, where
    ///   `flow_time` is the default's.
    ///
    /// Under the method that it has, a configuration stays as it is.
    pub fn changed_to(&self, method: Method) -> Self {
        let other = self.clone().with_method(method);
        match (self.method, method) {
            (own, asked) if own == asked => other,
            (_, Method::Mala | Method::Hmc) => self.metropolis_corrected(method),
            (own, Method::Sgld) if own.is_flow() => other.with_steps_of_flow(),
            (_, Method::Sgld) => Self {
                target_acceptance: None,
                ..other
            },
            (own, Method::Euler | Method::Heun) => Self {
                flow_time: if own == Method::Sgld && self.flow_time == Self::default().flow_time {
                    self.time_of_steps().unwrap_or(self.flow_time)
                } else {
                    self.flow_time
                },
                grad_clip: None,
                grad_norm_clip: None,
                target_acceptance: None,
                ..other
            },
        }
    }

    /// This configuration with the times and the temperature of another one's flow.
    pub fn with_flow_of(&self, other: &Self) -> Self {
        Self {
            flow_time: other.flow_time,
            flow_temperature: other.flow_temperature,
            flow_heated_from: other.flow_heated_from,
            ..self.clone()
        }
    }

    /// What `mala` or `hmc` need to sample the density that chains of this configuration sample: their
    /// temperature, a step size that adapts, and no limit of gradients.
    ///
    /// Steps of `sgld` of size η with noise s act like Langevin dynamics at the temperature T·s²/(2η); without
    /// noise they have no density, and the method alone changes. `euler` and `heun` end at `flow_temperature`
    /// or, where that is 0, have no density of their own: then `temperature` is the one. `mala` and `hmc` sample
    /// their own density: there the method alone changes.
    pub fn metropolis_corrected(&self, method: Method) -> Self {
        let other = self.clone().with_method(method);
        let Some(temperature) = self.temperature_of_density() else {
            return other;
        };
        // Rates at which chains mix fastest: Roberts & Rosenthal (1998), Beskos et al. (2013). A first
        // size is the standard deviation of one pixel at that temperature, were E of curvature 1.
        let (acceptance, step_size) = match method {
            Method::Mala => (0.574, temperature),
            Method::Hmc => (0.651, temperature.sqrt()),
            Method::Sgld | Method::Euler | Method::Heun => return other,
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

    /// T of the density that another method is to sample in place of this one.
    fn temperature_of_density(&self) -> Option<f64> {
        let last = self.num_steps.saturating_sub(1);
        let [step_size, noise, temperature] = [self.step_size, self.noise_std, self.temperature]
            .map(|schedule| schedule.at(last, self.num_steps));
        let temperature = match self.method {
            Method::Sgld => temperature * noise * noise / (2.0 * step_size),
            Method::Euler | Method::Heun if self.flow_temperature > 0.0 => self.flow_temperature,
            Method::Euler | Method::Heun => temperature,
            Method::Mala | Method::Hmc => return None,
        };
        Some(temperature).filter(|temperature| *temperature > 0.0 && temperature.is_finite())
    }

    /// Size and noise of a step of the flow, as those of a step of `sgld`.
    fn with_steps_of_flow(self) -> Self {
        // What is impossible becomes 0 here, and is refused where it was set.
        let size = (self.flow_time / self.num_steps.max(1) as f64).max(0.0);
        let noise = (2.0 * size * self.flow_temperature).max(0.0).sqrt();
        self.with_step_size(size)
            .with_noise_std(noise)
            .with_temperature(1.0)
    }

    /// Σ η/T over the steps of `sgld`, where it is above 0.
    fn time_of_steps(&self) -> Option<f64> {
        let of_step = |step| {
            let [size, temperature] = [self.step_size, self.temperature]
                .map(|schedule| schedule.at(step, self.num_steps));
            size / temperature
        };
        let time: f64 = (0..self.num_steps).map(of_step).sum();
        Some(time).filter(|time| *time > 0.0 && time.is_finite())
    }

    /// The same chains in [0, 1], for a recipe published for images in [−1, 1]: η/4, s/2, 2c. The η of
    /// `hmc` and the σ₀ of `final_denoise_std` are lengths, as s is: η/2, σ₀/2. A flow keeps its times, σ₀² included,
    /// and its temperature is a quarter, as is its energy ([convention](crate#a-flow)).
    pub fn from_minus_one_to_one(&self) -> Self {
        let of_step = match self.method {
            Method::Hmc => 0.5,
            _ => 0.25,
        };
        let of_denoising = if self.method.is_flow() { 1.0 } else { 0.5 };
        Self {
            step_size: self.step_size.scaled(of_step),
            noise_std: self.noise_std.scaled(0.5),
            grad_clip: self.grad_clip.map(|c| 2.0 * c),
            grad_norm_clip: self.grad_norm_clip.map(|c| 2.0 * c),
            flow_temperature: self.flow_temperature / 4.0,
            final_denoise_std: self.final_denoise_std.map(|std| of_denoising * std),
            margin: self.margin / 2.0,
            bounds: self
                .bounds
                .map(|bounds| bounds.map(|bound| (bound + 1.0) / 2.0)),
            ..self.clone()
        }
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
    #[test]
    fn after_a_flow_the_density_is_that_of_its_temperature() {
        for flow in [Method::Euler, Method::Heun] {
            let flow = LangevinConfig::new(50)
                .with_method(flow)
                .with_flow_time(1.25)
                .with_flow_temperature(0.02);
            for method in [Method::Mala, Method::Hmc] {
                let after = flow.changed_to(method);
                assert_eq!(after, flow.metropolis_corrected(method));
                assert_eq!(after.validate(), Ok(()));
                assert_eq!(after.temperature.at(0, 50), 0.02);
                assert!(after.target_acceptance.is_some());
                // Without a temperature of the flow it is the one of the other methods.
                let cold = flow.clone().with_flow_temperature(0.0);
                let after = cold.with_temperature(0.5).changed_to(method);
                assert_eq!(after.temperature.at(0, 50), 0.5);
            }
            // A step of the flow at its temperature: h = 1/40, s = √(2hT).
            let after = flow.changed_to(Method::Sgld);
            assert_eq!((after.method, after.validate()), (Method::Sgld, Ok(())));
            assert_eq!(after.step_size.at(0, 50), 0.025);
            let noise = after.noise_std.at(0, 50);
            assert!((noise * noise / (2.0 * 0.025) - 0.02).abs() < 1e-12);
            assert_eq!(after.temperature.at(0, 50), 1.0);
        }
    }

    #[test]
    fn a_flow_in_place_of_other_steps_has_no_limits_and_covers_the_time_of_sgld() {
        let sgld = LangevinConfig::new(20)
            .with_step_size(2.5)
            .with_temperature(2.0)
            .with_grad_clip(0.06);
        let flow = sgld.changed_to(Method::Heun);
        assert_eq!((flow.method, flow.grad_clip), (Method::Heun, None));
        assert_eq!((flow.flow_time, flow.validate()), (25.0, Ok(())));
        let timed = sgld.clone().with_flow_time(1.5);
        assert_eq!(timed.changed_to(Method::Euler).flow_time, 1.5);
        let mut hmc = LangevinConfig::new(20).with_method(Method::Hmc);
        hmc.target_acceptance = Some(0.65);
        let flow = hmc.changed_to(Method::Euler);
        assert_eq!((flow.flow_time, flow.validate()), (1.0, Ok(())));
        let other = flow.changed_to(Method::Heun);
        assert_eq!(other, flow.clone().with_method(Method::Heun));
        assert_eq!(hmc.changed_to(Method::Sgld).validate(), Ok(()));
        assert_eq!(sgld.changed_to(Method::Sgld), sgld);
    }
}
