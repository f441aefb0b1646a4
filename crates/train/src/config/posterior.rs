//! Hold a run that samples weights to what it needs, and one that does not to doing without.

use ebm_core::Invalid;

use super::objective::ObjectiveKind;
use super::phases::Settings;
use super::settings::Config;
use crate::posterior::PosteriorConfig;

impl Config {
    /// Refuse to sample weights from what is no posterior.
    pub(super) fn validate_sampling(&self) -> Result<(), Invalid> {
        let problem = |problem: &str| Err(Invalid::new("optimizer.method", problem));
        if !self.optimizer.method.is_sampling() {
            return Ok(());
        }
        if self.objective.kind != ObjectiveKind::Classification {
            return problem(
                "other than adam samples the posterior of a classifier, and needs objective.kind = \"classification\"",
            );
        }
        if self.model.has_spectral_norm() {
            return problem(
                "other than adam needs model.spectral_norm = false: the norm of a weight is followed from step to step, and is no function of the weights alone",
            );
        }
        if self.model.dropout_prob() > 0.0 {
            return problem(
                "other than adam needs model.dropout = 0.0: a loss with units dropped at random is not that of the weights alone",
            );
        }
        Ok(())
    }

    /// Refuse keys of a posterior where no part of the run samples one.
    pub(super) fn validate_unsampled(&self) -> Result<(), Invalid> {
        let samples = |part: &Settings| part.config.optimizer.method.is_sampling();
        if self.parts()?.iter().any(samples) {
            return Ok(());
        }
        let (own, usual) = (&self.posterior, PosteriorConfig::default());
        let keys = [
            (
                "prior_precision",
                own.prior_precision,
                usual.prior_precision,
            ),
            ("temperature", own.temperature, usual.temperature),
            ("exploration", own.exploration, usual.exploration),
            ("burn_in", own.burn_in as f64, usual.burn_in as f64),
        ];
        match keys.iter().find(|(_, own, usual)| own != usual) {
            Some((key, _, usual)) => {
                let problem = format!(
                    "needs optimizer.method = \"sgld\" or \"psgld\"; leave it out, or at {usual}"
                );
                Err(Invalid::new(*key, problem).within("posterior"))
            }
            None => Ok(()),
        }
    }

    /// Whether weights are to be kept, and none are after any iteration.
    ///
    /// # Panics
    /// If the configuration is not valid.
    pub fn keeps_nothing(&self) -> bool {
        let parts = self.parts().expect("a valid configuration");
        let is_asked = |part: &Settings| part.config.posterior.every > 0;
        let keeps = |part: &Settings| {
            let step = part.step();
            let mut iterations = part.iterations.clone();
            iterations.any(|iteration| step.keeps_weights(iteration))
        };
        parts.iter().any(is_asked) && !parts.iter().any(keeps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(preset: &str, keys: &[&str]) -> Result<Config, String> {
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        Config::resolve(preset, None, &keys).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_of_a_posterior_are_refused_where_no_phase_samples_one() {
        for key in ["prior_precision=2.0", "temperature=0.5", "burn_in=3"] {
            let key = format!("posterior.{key}");
            let message = resolved("mnist-mlp", &[&key]).expect_err("refused");
            let (name, _) = key.split_once('=').expect("an assignment");
            let expected = format!("`{name}` needs optimizer.method");
            assert!(message.contains(&expected), "{message}");
        }
        let adam_first =
            r#"phases=[{ until = 20, set = ["optimizer.method=adam", "posterior.every=0"] }]"#;
        resolved("mnist-sgld", &[adam_first]).expect("the rest samples");
        let sgld_first = r#"phases=[{ until = 20, set = ["optimizer.method=sgld"] }]"#;
        let keys = ["posterior.burn_in=3", sgld_first];
        resolved("mnist-mlp", &keys).expect("the phase samples");
    }

    #[test]
    fn a_run_knows_whether_it_keeps_any_of_the_weights_that_it_is_to_keep() {
        let keeps_nothing = |keys: &[&str]| {
            let config = resolved("mnist-sgld", keys).expect("resolves");
            config.keeps_nothing()
        };
        assert!(!keeps_nothing(&[]));
        assert!(!keeps_nothing(&["iterations=6200"]));
        assert!(keeps_nothing(&["iterations=6199"]));
        assert!(keeps_nothing(&["posterior.burn_in=12000"]));
        let none_asked = ["posterior.burn_in=12000", "posterior.every=0"];
        assert!(!keeps_nothing(&none_asked));
        // Counted from the beginning of the phase.
        let late =
            r#"phases=[{ until = 6000, set = ["optimizer.method=adam", "posterior.every=0"] }]"#;
        assert!(keeps_nothing(&[late]));
    }
}
