//! Hold the recipes that ship with the program.

use crate::config::ConfigError;

/// A named recipe.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name, as given to `--preset`.
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
            text: include_str!(concat!("../../../assets/presets/", $name, ".toml")),
        }),*];
    };
}

presets!("digits", "mnist-uva", "mnist");

/// The preset that runs where none is named.
pub const DEFAULT: &str = PRESETS[0].name;

/// The TOML of a preset.
///
/// # Errors
/// Where there is none of that name.
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
