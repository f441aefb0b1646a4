//! Hold the recipes that ship with the program.

use super::error::ConfigError;

/// A named recipe.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// Its TOML; the first comment line says what it is for.
    pub text: &'static str,
}

impl Preset {
    /// What it is for, in a line.
    pub fn summary(&self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.trim_start_matches(['#', ' '])
    }
}

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        /// Every preset, the default first.
        pub const PRESETS: &[Preset] = &[$(Preset {
            name: $name,
            text: include_str!(concat!("../../../../assets/presets/", $name, ".toml")),
        }),*];
    };
}

presets!(
    "digits",
    "digits-conditional",
    "mnist-uva",
    "mnist",
    "mnist-fast",
    "mnist-best",
    "mnist-long",
    "mnist-jem",
    "mnist-flow",
    "mnist-recovery",
    "mnist-mlp",
    "mnist-sgld",
    "mnist-psgld",
    "mnist-latent",
    "pictures",
    "cifar10-flow",
    "photos",
    "shapes",
    "overcomplete-ica",
    "igebm-mnist-conditional",
    "igebm-cifar10",
    "igebm-cifar10-conditional",
    "igebm-imagenet32-conditional",
    "igebm-imagenet128-conditional",
    "igebm-dsprites-shape",
    "igebm-dsprites-size",
    "igebm-dsprites-position",
    "igebm-dsprites-rotation",
);

/// The preset that runs where none is named and images are grey.
pub const DEFAULT: &str = PRESETS[0].name;

/// The one that runs where none is named and images are in colour.
pub const DEFAULT_IN_COLOUR: &str = "pictures";

/// The TOML of a preset.
///
/// # Errors
/// Where there is none of that name: names those that there are.
pub fn text(name: &str) -> Result<&'static str, ConfigError> {
    let found = PRESETS.iter().find(|preset| preset.name == name);
    found.map(|preset| preset.text).ok_or_else(|| {
        let known: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
        ConfigError::UnknownPreset {
            name: name.to_owned(),
            known: known.join(", "),
        }
    })
}

#[cfg(test)]
mod tests {
    use ebm_core::Schedule;
    use ebm_langevin::LangevinConfig;

    use super::*;
    use crate::config::Config;

    #[test]
    fn mnist_uva_is_the_published_recipe_converted_to_zero_to_one() {
        // UvA deep learning tutorial 8, in [−1, 1].
        let published = LangevinConfig {
            num_steps: 60,
            step_size: Schedule::Constant(10.0),
            noise_std: Schedule::Constant(0.005),
            grad_clip: Some(0.03),
            bounds: Some([-1.0, 1.0]),
            ..LangevinConfig::default()
        };
        let preset = Config::resolve("mnist-uva", None, &[]).expect("a preset resolves");
        assert_eq!(preset.langevin, published.from_minus_one_to_one());
        assert_eq!(preset.data.noise_std, 0.005 / 2.0);
        assert_eq!((preset.batch_size, preset.buffer.capacity), (128, 8192));
        // 60 epochs of 468 batches, the learning rate × 0.97 after each.
        assert_eq!(preset.iterations, 60 * 468);
        let last = preset.lr.at(preset.iterations - 1, preset.iterations);
        assert!(
            (last / (1e-4 * 0.97f64.powi(60)) - 1.0).abs() < 1e-3,
            "{last}"
        );
    }

    #[test]
    fn every_preset_resolves_and_says_what_it_is_for() {
        for preset in PRESETS {
            assert!(
                Config::resolve(preset.name, None, &[]).is_ok(),
                "{}",
                preset.name
            );
            assert!(preset.summary().len() > 10, "{}", preset.name);
        }
    }

    #[test]
    fn images_in_colour_have_a_recipe_of_their_own() {
        let suitable = |keys: &[&str]| {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            Config::preset_for_data(&keys).expect("keys that exist")
        };
        assert_eq!(suitable(&[]), DEFAULT);
        // Digits are grey, whatever is asked for.
        assert_eq!(
            suitable(&["data.dataset=mnist", "data.channels=3"]),
            DEFAULT
        );
        // Keys of a network that only the other recipe has do not matter.
        let colour = ["data.dataset=cifar10", "model.widths=[8, 8]"];
        assert_eq!(suitable(&colour), DEFAULT_IN_COLOUR);
        let grey = ["data.dataset=folder", "data.channels=1"];
        assert_eq!(suitable(&grey), DEFAULT);
        assert_eq!(suitable(&["data.dataset=folder"]), DEFAULT_IN_COLOUR);
        text(DEFAULT_IN_COLOUR).expect("a preset");
    }
}
