//! Refuse what energies of images and latent vectors do not go with.

use ebm_core::Invalid;

use super::network_name::NetworkName;
use super::objective::ObjectiveKind;
use super::settings::Config;

impl Config {
    /// Whether the energy is one of images and latent vectors.
    pub fn has_latents(&self) -> bool {
        matches!(
            self.model.network,
            NetworkName::Latent | NetworkName::LatentFree
        )
    }

    /// Refuse the objective `latent` without such a network, another one with it, and steps that its chains do not
    /// take, or that do not sample the prior.
    pub(super) fn validate_latent(&self) -> Result<(), Invalid> {
        let problem = |key, problem: &str| Err(Invalid::new(key, problem));
        match (
            self.objective.kind == ObjectiveKind::Latent,
            self.has_latents(),
        ) {
            (false, false) => return Ok(()),
            (true, true) => {}
            (true, false) => {
                let needed = "has no latent vectors, which objective.kind=latent needs; set model.network=latent or model.network=latent-free";
                return problem("model.network", needed);
            }
            (false, true) => {
                let needed = "of this kind teaches no energy of latent vectors; set objective.kind=latent or another model.network";
                return problem("objective.kind", needed);
            }
        }
        let langevin = &self.langevin;
        if langevin.method.is_flow() {
            let other = "is no method of objective.kind=latent, whose chains follow no flow; set langevin.method=sgld";
            return problem("langevin.method", other);
        }
        let idle = [
            ("langevin.target_acceptance", langevin.target_acceptance),
            ("langevin.final_denoise_std", langevin.final_denoise_std),
        ];
        match idle.into_iter().find(|(_, value)| value.is_some()) {
            Some((key, _)) => {
                let idle = format!(
                    "does nothing for objective.kind=latent; leave it out, which is {key}=none"
                );
                problem(key, &idle)
            }
            None => self.validate_prior_steps(),
        }
    }

    /// Refuse steps under which chains of the prior diverge, or sample another law.
    fn validate_prior_steps(&self) -> Result<(), Invalid> {
        if self.model.network != NetworkName::Latent {
            return Ok(());
        }
        let langevin = &self.langevin;
        let clips = [
            ("langevin.grad_clip", langevin.grad_clip),
            ("langevin.grad_norm_clip", langevin.grad_norm_clip),
        ];
        if let Some((key, _)) = clips.iter().find(|(_, clip)| clip.is_some()) {
            let problem = format!(
                "makes chains of the prior sample another law; leave it out, which is {key}=none"
            );
            return Err(Invalid::new(*key, problem));
        }
        let range = langevin.step_size.range().ok();
        let largest = range.map(|(one, other)| one.max(other));
        match largest.filter(|largest| *largest >= 2.0) {
            // Of ½‖z‖² alone: z ← (1 − η)z.
            Some(largest) => {
                let problem =
                    format!("must be below 2, got {largest}: chains of the prior would fly away");
                Err(Invalid::new("langevin.step_size", problem))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use ebm_core::ImageShape;
    use ebm_model::{EnergyModel, LatentConfig, NetworkConfig};

    use super::*;
    use crate::config::{Conditions, initial_model};

    const LATENT: [&str; 4] = [
        "objective.kind=latent",
        "model.network=latent",
        "langevin.grad_clip=none",
        "langevin.step_size=0.08",
    ];

    fn resolve(more: &[&str]) -> Result<Config, String> {
        let overrides: Vec<String> = more.iter().map(ToString::to_string).collect();
        let config = Config::resolve("mnist-uva", None, &overrides);
        config.map_err(|error| error.to_string())
    }

    fn latent(more: &[&str]) -> Result<Config, String> {
        resolve(&[&LATENT, more].concat())
    }

    #[test]
    fn a_network_of_latents_is_made_of_its_keys_and_usual_values() {
        let of = |config: &Config| match config.model.network(Conditions::default()) {
            NetworkConfig::Latent(net) => net,
            other => panic!("expected latents, got {other:?}"),
        };
        let usual = latent(&[]).expect("valid");
        assert_eq!(of(&usual), LatentConfig::default());
        let free = latent(&["model.network=latent-free", "model.latents=4"]);
        let expected = LatentConfig {
            free: true,
            latents: 4,
            ..LatentConfig::default()
        };
        assert_eq!(of(&free.expect("valid")), expected);
        let set = [
            "model.latents=5",
            "model.widths=[8, 8]",
            "model.observation_std=0.3",
            "model.inference_steps=7",
            "model.inference_step_size=0.1",
        ];
        let config = latent(&set).expect("valid");
        let expected = LatentConfig {
            latents: 5,
            widths: vec![8, 8],
            observation_std: 0.3,
            inference_steps: 7,
            inference_step_size: 0.1,
            ..LatentConfig::default()
        };
        assert_eq!(of(&config), expected);
        let shape = ImageShape::new(1, 8, 8);
        let net = initial_model(&config, shape, 0, &Device::flex()).expect("fits");
        assert_eq!(net.latent().map(|latent| latent.num_latents()), Some(5));
        let text = config.to_toml();
        assert_eq!(Config::parse(&text, "it").expect("valid"), config, "{text}");
    }

    #[test]
    fn keys_of_latents_are_in_no_other_configuration() {
        let text = resolve(&[]).expect("valid").to_toml();
        for key in ["latents", "observation_std", "inference", "posterior"] {
            assert!(!text.contains(key), "{key}: {text}");
        }
        let more = latent(&["objective.posterior_steps=40"]).expect("valid");
        assert!(more.to_toml().contains("posterior_steps = 40"));
        assert_eq!(more.image_steps(), 40 * more.batch_size);
        let free = latent(&["model.network=latent-free"]).expect("valid");
        let of_images = free.langevin.num_steps;
        assert_eq!(free.image_steps(), (20 + of_images) * free.batch_size);
    }

    #[test]
    fn another_network_another_objective_and_idle_steps_are_refused() {
        for (more, expected) in [
            (
                "model.network=uva",
                "`model.network` has no latent vectors, which objective.kind=latent needs",
            ),
            (
                "objective.kind=cd",
                "`objective.kind` of this kind teaches no energy of latent vectors",
            ),
            (
                "langevin.method=euler",
                "`langevin.method` is no method of objective.kind=latent",
            ),
            (
                "langevin.final_denoise_std=0.1",
                "leave it out, which is langevin.final_denoise_std=none",
            ),
            (
                "objective.posterior_steps=0",
                "`objective.posterior_steps` must be from 1",
            ),
            (
                "langevin.step_size=2",
                "`langevin.step_size` must be below 2",
            ),
            (
                "langevin.grad_clip=0.1",
                "leave it out, which is langevin.grad_clip=none",
            ),
            (
                "langevin.grad_norm_clip=1",
                "leave it out, which is langevin.grad_norm_clip=none",
            ),
            ("model.latents=0", "must be at least 1 and at most 4096"),
            ("model.observation_std=0", "must be above 0, got 0"),
            ("kl.weight=0.3", "`kl.weight`"),
        ] {
            let message = latent(&[more]).expect_err("refused");
            assert!(message.contains(expected), "{more}: {message}");
        }
    }
}
