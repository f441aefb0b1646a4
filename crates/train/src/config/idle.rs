//! Say which keys do nothing in a configuration: a preset may hold them, and who types them is mistaken.

use super::settings::Config;
use crate::optimizer::OptimizerMethod;

impl Config {
    /// Why a key that changes nothing here does so, for keys that are easily taken to matter: how many images are drawn,
    /// and decays of means of gradients.
    ///
    /// # Panics
    /// If the configuration is not valid.
    pub fn idle(&self, key: &str) -> Option<String> {
        self.idle_count(key).or_else(|| self.idle_moment(key))
    }

    /// Why a number of images to draw does nothing: those of files are all used.
    fn idle_count(&self, key: &str) -> Option<String> {
        let dataset = self.data.dataset;
        let is_count = ["data.train_images", "data.test_images"].contains(&key);
        (is_count && !dataset.is_drawn()).then(|| {
            format!(
                "is for digits and shapes, which are drawn; of {dataset} all images are used, so leave it out"
            )
        })
    }

    /// Why a decay of means of gradients does nothing: no part of the run has such means.
    fn idle_moment(&self, key: &str) -> Option<String> {
        let parts = self.parts().expect("a valid configuration");
        let has = |what: fn(OptimizerMethod) -> bool| {
            let mut methods = parts.iter().map(|part| part.config.optimizer.method);
            methods.any(what)
        };
        let (is_used, owners) = match key {
            "optimizer.beta1" => (has(|method| method == OptimizerMethod::Adam), "adam"),
            "optimizer.beta2" | "optimizer.epsilon" => (
                has(|method| method != OptimizerMethod::Sgld),
                "adam and psgld",
            ),
            _ => return None,
        };
        (!is_used).then(|| {
            format!(
                "is for {owners}, and no part of the run has that optimizer.method; leave it out"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(preset: &str, keys: &[&str]) -> Config {
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        Config::resolve(preset, None, &keys).expect("resolves")
    }

    #[test]
    fn a_number_of_images_is_idle_where_none_are_drawn() {
        let why = resolved("mnist-uva", &[]).idle("data.test_images");
        assert!(why.expect("idle").contains("of mnist all images are used"));
        assert_eq!(resolved("digits", &[]).idle("data.test_images"), None);
        assert_eq!(resolved("mnist-uva", &[]).idle("data.noise_std"), None);
    }

    #[test]
    fn decays_of_means_of_gradients_are_idle_where_no_phase_has_any() {
        let idle = |preset: &str, keys: &[&str], key: &str| {
            let config = resolved(preset, keys);
            config.idle(&format!("optimizer.{key}"))
        };
        for (preset, key, owners) in [
            ("mnist-sgld", "beta1", "adam, and"),
            ("mnist-psgld", "beta1", "adam, and"),
            ("mnist-sgld", "beta2", "adam and psgld"),
            ("mnist-sgld", "epsilon", "adam and psgld"),
        ] {
            let why = idle(preset, &[], key).expect("idle");
            assert!(why.contains(&format!("is for {owners}")), "{why}");
        }
        assert_eq!(idle("mnist-psgld", &[], "beta2"), None);
        assert_eq!(idle("mnist-mlp", &[], "beta1"), None);
        let adam_first =
            r#"phases=[{ until = 20, set = ["optimizer.method=adam", "posterior.every=0"] }]"#;
        assert_eq!(idle("mnist-sgld", &[adam_first], "beta1"), None);
        // What a preset says of adam is no obstacle.
        let keys = ["optimizer.method=sgld", "posterior.every=10"];
        resolved("mnist-mlp", &keys); // as the remedy of a run without kept weights says
    }
}
