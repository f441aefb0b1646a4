//! Give a network the noise levels of `recovery` and the noise of `denoising`, and refuse what those do not go with.

use ebm_core::Invalid;
use ebm_langevin::Method;

use super::network::Conditions;
use super::network_name::NetworkName;
use super::objective::{ObjectiveConfig, ObjectiveKind};
use super::settings::Config;

impl Config {
    /// What the energy may be given, for data of `num_classes` classes.
    pub fn conditions(&self, num_classes: usize) -> Conditions {
        Conditions {
            num_classes,
            num_levels: self.num_levels(),
            sees_noise: self.sees_noise(),
        }
    }

    /// Noise levels that the energy is given, where any part of the run learns them; 0 for none.
    pub fn num_levels(&self) -> usize {
        let of = |config: &Self| config.objective.ladder().map_or(0, |it| it.num_levels());
        let parts = self.parts().unwrap_or_default();
        let of_parts = parts.iter().map(|part| of(&part.config));
        of_parts.fold(of(self), usize::max)
    }

    /// Whether the energy is told σ of noise, in any part of the run.
    fn sees_noise(&self) -> bool {
        let parts = self.parts().unwrap_or_default();
        let mut of_parts = parts.iter().map(|part| &part.config.objective);
        self.objective.tells_noise() || of_parts.any(ObjectiveConfig::tells_noise)
    }

    /// Refuse what an energy that is told noise cannot have: a network that cannot be told, and a last step at a σ
    /// that nobody tells it.
    pub(super) fn validate_told_noise(&self) -> Result<(), Invalid> {
        if self.objective.noise_conditional && self.objective.kind == ObjectiveKind::Jem {
            let problem =
                "is for objective.kind=denoising; jem tells classes apart in images without noise";
            return Err(Invalid::new("objective.noise_conditional", problem));
        }
        if !self.objective.tells_noise() {
            return Ok(());
        }
        if self.model.network != NetworkName::Unet {
            let problem =
                "is not told the noise of objective.noise_conditional; set model.network=unet";
            return Err(Invalid::new("model.network", problem));
        }
        if self.langevin.final_denoise_std.is_some() {
            let problem = "does not go with objective.noise_conditional, as chains tell no noise; leave it out, which is langevin.final_denoise_std=none";
            return Err(Invalid::new("langevin.final_denoise_std", problem));
        }
        Ok(())
    }

    /// Gradients of a sample of `output.sample_steps` steps, which `recovery` takes at each level.
    pub fn gradients_of_sample(&self) -> usize {
        let steps = self.output.sample_steps;
        match self.objective.ladder() {
            Some(ladder) => steps * ladder.num_levels(),
            None => self.langevin.gradients_of_sample(steps),
        }
    }

    /// Refuse what `recovery` cannot have: a network without levels, or other steps than those of its levels.
    pub(super) fn validate_recovery(&self) -> Result<(), Invalid> {
        if self.objective.ladder().is_none() {
            return Ok(());
        }
        if self.model.network != NetworkName::Unet {
            let problem = "is not given the noise levels that objective.kind=recovery learns; set model.network=unet";
            return Err(Invalid::new("model.network", problem));
        }
        let langevin = &self.langevin;
        let idle = [
            ("langevin.method", langevin.method != Method::Sgld),
            ("langevin.grad_clip", langevin.grad_clip.is_some()),
            ("langevin.grad_norm_clip", langevin.grad_norm_clip.is_some()),
            (
                "langevin.final_denoise_std",
                langevin.final_denoise_std.is_some(),
            ),
        ];
        match idle.into_iter().find(|(_, is_set)| *is_set) {
            Some((key, _)) => {
                let problem = "does nothing for objective.kind=recovery, whose levels have steps of their own; leave it out, which is";
                let without = if key == "langevin.method" {
                    "sgld"
                } else {
                    "none"
                };
                Err(Invalid::new(key, format!("{problem} {key}={without}")))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use ebm_core::{ImageShape, NoiseKey, PhiloxRng, Stream};
    use ebm_model::{EnergyModel, NetworkConfig};

    use super::*;
    use crate::config::initial_model;

    const RECOVERY: [&str; 3] = [
        "objective.kind=recovery",
        "model.network=unet",
        "langevin.grad_clip=none",
    ];

    fn resolve(more: &[&str]) -> Result<Config, String> {
        let overrides: Vec<String> = more.iter().map(ToString::to_string).collect();
        let config = Config::resolve("digits", None, &overrides);
        config.map_err(|error| error.to_string())
    }

    fn recovery(more: &[&str]) -> Result<Config, String> {
        resolve(&[&RECOVERY, more].concat())
    }

    #[test]
    fn the_network_is_given_the_levels_of_the_objective() {
        let shape = ImageShape::new(1, 8, 8);
        for (more, levels) in [(&[][..], 6), (&["objective.recovery_levels=3"], 3)] {
            let small = ["model.widths=[4, 4]"];
            let config = recovery(&[more, &small].concat()).expect("valid");
            assert_eq!(config.num_levels(), levels);
            let net = initial_model(&config, shape, 0, &Device::flex()).expect("fits");
            assert_eq!(net.num_levels(), levels);
        }
        let mut rng = PhiloxRng::new(NoiseKey::new(0, Stream::Weights, 0), 0);
        let plain = resolve(&["model.network=unet"]).expect("valid");
        assert_eq!(plain.num_levels(), 0);
        let NetworkConfig::UNet(net) = plain.model.network(plain.conditions(0)) else {
            panic!("a U-Net");
        };
        let net = net.init(shape, &mut rng, &Device::flex()).expect("fits");
        assert_eq!(net.num_levels(), 0);
    }

    #[test]
    fn a_network_has_levels_where_any_part_of_its_run_learns_them_however_far_it_goes() {
        let flow = "phases=[{ until = 20, set = [\"objective.kind=flow\"] }]";
        for iterations in ["iterations=10", "iterations=40"] {
            let config = recovery(&[flow, iterations]).expect("valid");
            assert_eq!(config.num_levels(), 6);
        }
        let first = "phases=[{ until = 20, set = [\"objective.kind=recovery\", \"langevin.grad_clip=none\"] }]";
        let config = resolve(&["model.network=unet", first]).expect("valid");
        assert_eq!(config.num_levels(), 6);
        let other = "phases=[{ until = 20, set = [\"objective.recovery_levels=3\"] }]";
        let message = recovery(&[other]).expect_err("refused");
        let expected = "`phases[0].objective.recovery_levels` must be that of the whole run";
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn a_network_without_levels_and_other_steps_are_refused() {
        for (more, expected) in [
            (
                "model.network=uva",
                "`model.network` is not given the noise levels that objective.kind=recovery learns; set model.network=unet",
            ),
            (
                "langevin.method=hmc",
                "`langevin.method` does nothing for objective.kind=recovery",
            ),
            (
                "langevin.grad_clip=0.1",
                "leave it out, which is langevin.grad_clip=none",
            ),
            (
                "langevin.grad_norm_clip=0.1",
                "`langevin.grad_norm_clip` does nothing",
            ),
            (
                "langevin.final_denoise_std=0.1",
                "`langevin.final_denoise_std` does nothing",
            ),
            (
                "objective.recovery_levels=1",
                "must be from 2 to 100, got 1",
            ),
            ("kl.weight=0.3", "`kl.weight`"),
        ] {
            let message = recovery(&[more]).expect_err("refused");
            assert!(message.contains(expected), "{more}: {message}");
        }
    }

    #[test]
    fn a_network_is_told_noise_where_denoising_learns_it_and_others_are_refused() {
        let told = "objective.noise_conditional=true";
        let denoising = ["objective.kind=denoising", "model.network=unet", told];
        let small = ["model.widths=[4, 4]"];
        let config = resolve(&[&denoising[..], &small].concat()).expect("valid");
        let shape = ImageShape::new(1, 8, 8);
        let net = initial_model(&config, shape, 0, &Device::flex()).expect("fits");
        assert!(net.sees_noise());
        let plain = resolve(&[&denoising[..2], &small].concat()).expect("valid");
        let net = initial_model(&plain, shape, 0, &Device::flex()).expect("fits");
        assert!(!net.sees_noise());

        let refused = |more: &[&str]| resolve(&[&denoising, more].concat()).expect_err("refused");
        let message = refused(&["model.network=uva"]);
        let expected = "`model.network` is not told the noise";
        assert!(message.contains(expected), "{message}");
        let message = refused(&["langevin.final_denoise_std=0.1"]);
        let expected = "`langevin.final_denoise_std` does not go with";
        assert!(message.contains(expected), "{message}");
        let message = refused(&["objective.kind=jem", "model.conditional=true"]);
        let expected = "`objective.noise_conditional` is for objective.kind=denoising";
        assert!(message.contains(expected), "{message}");
        // A part of a run is enough, whichever.
        let phase =
            |kind: &str| format!("phases=[{{ until = 20, set = [\"objective.kind={kind}\"] }}]");
        for more in [
            &[phase("flow").as_str()][..],
            &["objective.kind=flow", &phase("denoising")],
        ] {
            let config = resolve(&[&denoising[..], more].concat()).expect("valid");
            assert!(config.conditions(0).sees_noise);
        }
    }

    #[test]
    fn a_sample_takes_its_steps_at_every_level() {
        let config = recovery(&["output.sample_steps=30"]).expect("valid");
        assert_eq!(config.gradients_of_sample(), 6 * 30);
        assert_eq!(
            config.image_steps(),
            config.batch_size * config.langevin.num_steps
        );
        let plain = resolve(&["output.sample_steps=30"]).expect("valid");
        assert_eq!(plain.gradients_of_sample(), 30);
    }
}
