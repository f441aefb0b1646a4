//! Say which keys calm training that has diverged.

use super::objective::ObjectiveKind;
use super::settings::Config;

/// What bounds every objective's steps.
const CLIP: &str = "an optimizer.grad_norm_clip or a smaller one";
/// The same where each step is one of Langevin dynamics.
const SAMPLING: &str = "an optimizer.grad_norm_clip or a smaller one, a smaller posterior.temperature or a larger posterior.prior_precision";
/// What holds energies, and gradients of chains.
const CONTRAST: &str = "a larger energy_l2 or a smaller langevin.grad_clip";
/// What chains of latent vectors, and the error of what they generate, grow with.
const LATENT: &str = "a smaller model.inference_step_size or langevin.step_size, a larger model.observation_std, or an optimizer.grad_norm_clip";

impl Config {
    /// What calms training that has diverged, beside a smaller learning rate: keys that this configuration uses, in words.
    pub(crate) fn calmed_by(&self) -> &'static str {
        if self.optimizer.method.is_sampling() {
            SAMPLING
        } else if self.objective.kind == ObjectiveKind::Latent {
            LATENT
        } else if self.objective.has_buffer() {
            CONTRAST
        } else {
            CLIP
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_is_calmed_by_keys_that_it_uses() {
        let of = |preset| {
            let config = Config::resolve(preset, None, &[]).expect("resolves");
            config.calmed_by()
        };
        for (preset, expected) in [
            ("digits", CONTRAST),
            ("mnist-jem", CONTRAST),
            ("mnist-mlp", CLIP),
            ("mnist-flow", CLIP),
            ("mnist-latent", LATENT),
            ("mnist-sgld", SAMPLING),
            ("mnist-psgld", SAMPLING),
        ] {
            assert_eq!(of(preset), expected, "{preset}");
        }
    }
}
