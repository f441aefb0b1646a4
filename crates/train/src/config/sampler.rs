//! Replace keys of a run's sampler, for chains outside training.

use ebm_langevin::LangevinConfig;

use super::error::ConfigError;
use super::resolve::malformed;
use super::settings::Config;

impl Config {
    /// This configuration with `key=value` overrides of the sampler, validated. Where they choose another
    /// method, the other keys are what that one needs to go on where chains of `output.sample_steps` steps of the
    /// run's own end, or to take their place ([`changed_to`](LangevinConfig::changed_to)), unless they are set,
    /// too. Times and temperature of a flow that are set count as those of the run's own.
    ///
    /// # Errors
    /// Names the assignment that is wrong, or a key outside `[langevin]`.
    pub fn with_sampler_overrides(&self, overrides: &[String]) -> Result<Self, ConfigError> {
        let is_of_sampler = |assignment: &String| assignment.trim_start().starts_with("langevin.");
        if let Some(other) = overrides.iter().find(|it| !is_of_sampler(it)) {
            let problem = "only keys of langevin can be changed here".into();
            return Err(malformed(&format!("`{other}`"), problem));
        }
        // Not validated: what the run's own method needs, another one may refuse.
        let asked = self.unvalidated_over(None, overrides)?.langevin;
        let own = LangevinConfig {
            num_steps: self.output.sample_steps,
            ..self.langevin.with_flow_of(&asked)
        };
        let mut base = self.clone();
        base.langevin = LangevinConfig {
            num_steps: self.langevin.num_steps,
            ..own.changed_to(asked.method)
        };
        if self.has_latents() {
            // Their steps do not adapt: those of the prior, near N(0, I), need not.
            base.langevin.target_acceptance = None;
        }
        base.part_over(overrides)
    }
}

#[cfg(test)]
mod tests {
    use ebm_langevin::Method;

    use super::*;

    fn run(overrides: &[&str]) -> Config {
        let overrides: Vec<_> = overrides.iter().map(ToString::to_string).collect();
        Config::resolve("digits", None, &overrides).expect("resolves")
    }

    fn sampler(run: &Config, overrides: &[&str]) -> Result<LangevinConfig, String> {
        let overrides: Vec<_> = overrides.iter().map(ToString::to_string).collect();
        let config = run.with_sampler_overrides(&overrides);
        config
            .map(|config| config.langevin)
            .map_err(|error| error.to_string())
    }

    const FLOW: [&str; 5] = [
        "langevin.method=euler",
        "langevin.grad_clip=none",
        "langevin.flow_time=1.5",
        "langevin.num_steps=7",
        "output.sample_steps=30",
    ];

    #[test]
    fn a_flow_takes_the_place_of_clamped_steps() {
        let run = run(&["output.sample_steps=30", "langevin.step_size=2.0"]);
        assert!(run.langevin.grad_clip.is_some());
        for (name, method) in [("euler", Method::Euler), ("heun", Method::Heun)] {
            let chosen = format!("langevin.method={name}");
            let flow = sampler(&run, &[&chosen]).expect("resolves");
            assert_eq!((flow.method, flow.grad_clip), (method, None));
            // As long as 30 steps of size 2, unless it is said.
            assert_eq!(flow.flow_time, 60.0);
            let set = sampler(&run, &[&chosen, "langevin.flow_time=1.25"]);
            assert_eq!(set.expect("resolves").flow_time, 1.25);
            let refused = sampler(&run, &[&chosen, "langevin.grad_clip=0.1"]);
            let message = refused.expect_err("refused");
            assert!(message.contains("`langevin.grad_clip`"), "{message}");
        }
    }

    #[test]
    fn langevin_dynamics_after_a_flow_takes_its_steps_at_its_temperature() {
        let run = run(&FLOW);
        let chosen = ["langevin.method=sgld", "langevin.flow_temperature=0.02"];
        let sgld = sampler(&run, &chosen).expect("resolves");
        assert_eq!((sgld.method, sgld.num_steps), (Method::Sgld, 7));
        let (step_size, noise) = (sgld.step_size.at(0, 1), sgld.noise_std.at(0, 1));
        assert_eq!(step_size, 0.05); // 1.5 / 30
        assert!((noise * noise / (2.0 * step_size) - 0.02).abs() < 1e-12);
        let hmc = ["langevin.method=hmc", "langevin.flow_temperature=0.02"];
        let hmc = sampler(&run, &hmc).expect("resolves");
        assert_eq!(hmc.temperature.at(0, 1), 0.02);
        assert!(hmc.target_acceptance.is_some());
    }

    #[test]
    fn without_another_method_the_sampler_stays_but_for_what_is_set() {
        let run = run(&FLOW);
        assert_eq!(sampler(&run, &[]), Ok(run.langevin.clone()));
        let heated = sampler(&run, &["langevin.flow_temperature=0.1"]).expect("resolves");
        assert_eq!(heated, run.langevin.clone().with_flow_temperature(0.1));
    }

    #[test]
    fn latents_take_other_steps_without_adapting_them() {
        let run = Config::resolve("mnist-latent", None, &[]).expect("a preset resolves");
        for method in [Method::Mala, Method::Hmc] {
            let chosen = format!("langevin.method={method}");
            let other = sampler(&run, &[&chosen]).expect("resolves");
            assert_eq!((other.method, other.target_acceptance), (method, None));
            // s = √(2η).
            assert!((other.temperature.at(0, 1) - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn an_impossible_flow_is_named_whatever_the_method() {
        let run = run(&FLOW);
        for (assignment, key) in [
            ("langevin.flow_time=-1", "`langevin.flow_time`"),
            (
                "langevin.flow_temperature=-1",
                "`langevin.flow_temperature`",
            ),
        ] {
            for method in ["sgld", "heun", "hmc"] {
                let chosen = format!("langevin.method={method}");
                let message = sampler(&run, &[&chosen, assignment]).expect_err("refused");
                assert!(message.contains(key), "{method}: {message}");
            }
        }
    }
}
