//! Define the arguments that commands share: a configuration, a device, a precision.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use ebm_model::Precision;
use ebm_train::{Config, ConfigError, preset};

use crate::device::DeviceChoice;

/// What determines a configuration, shared by the commands that need one.
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    /// Recipe to start from; `ebm presets` lists them
    #[arg(long, value_name = "NAME", default_value = preset::DEFAULT)]
    pub(crate) preset: String,

    /// TOML file with keys that replace the preset's
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Replace one key, for example langevin.num_steps=40; `none` removes an optional one
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    #[command(flatten)]
    data: DataFlags,
}

/// Flags that stand for keys of `[data]`.
#[derive(Args, Debug)]
pub(crate) struct DataFlags {
    /// Data set: digits or shapes (both drawn by code), mnist, fashion-mnist, cifar10, cifar100 or folder
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,

    /// Folder with the data set's files, or its archive
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Side to which pictures are cropped and resized
    #[arg(long, value_name = "PIXELS")]
    image_size: Option<usize>,

    /// 1 for grey, 3 for colour
    #[arg(long, value_name = "N")]
    channels: Option<usize>,

    /// Leave out pictures that cannot be decoded
    #[arg(long)]
    skip_bad: bool,
}

impl DataFlags {
    /// The keys that the flags set.
    fn overrides(&self) -> Vec<String> {
        let dir = self.data_dir.as_ref().map(|dir| {
            // A run may be resumed from elsewhere.
            let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.clone());
            toml::Value::String(dir.display().to_string())
        });
        let keys = [
            self.dataset
                .as_ref()
                .map(|name| format!("data.dataset={name}")),
            dir.map(|dir| format!("data.dir={dir}")),
            self.image_size
                .map(|size| format!("data.image_size={size}")),
            self.channels
                .map(|channels| format!("data.channels={channels}")),
            self.skip_bad.then(|| "data.skip_bad=true".to_owned()),
        ];
        keys.into_iter().flatten().collect()
    }
}

impl ConfigArgs {
    /// The configuration, `extra` overrides last.
    pub(crate) fn resolve(&self, extra: Vec<String>) -> anyhow::Result<Config> {
        let mut overrides = self.overrides.clone();
        overrides.extend(self.data.overrides());
        overrides.extend(extra);
        let resolved = Config::resolve(&self.preset, self.config.as_deref(), &overrides);
        Ok(resolved.map_err(|error| as_typed(error, &overrides))?)
    }
}

/// Name the flag where the error is in one of these `key=value` overrides.
pub(crate) fn as_typed(error: ConfigError, overrides: &[String]) -> ConfigError {
    match error {
        ConfigError::Malformed { origin, problem } => {
            let is_it = |assignment: &&String| origin == format!("`{assignment}`");
            let typed = overrides.iter().find(is_it);
            let typed = typed.map(|assignment| format!("--set {assignment}"));
            ConfigError::Malformed {
                origin: typed.unwrap_or(origin),
                problem,
            }
        }
        other => other,
    }
}

/// Where to compute.
#[derive(Args, Debug)]
pub(crate) struct DeviceArgs {
    /// auto, cpu, ndarray, wgpu[:N] or vulkan[:N]; `ebm devices` lists those of this machine
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceChoice,
}

/// Every floating-point format, and what it holds.
const PRECISIONS: [(&str, &str); 3] = [
    ("f32", "32 bits, 24 of them significant"),
    ("f16", "16 bits, 11 of them significant, up to 65504"),
    ("bf16", "16 bits, 8 of them significant, the range of f32"),
];

/// Read a floating-point format by its name.
pub(crate) fn precision_parser() -> impl TypedValueParser<Value = Precision> {
    let values = PRECISIONS.map(|(name, help)| PossibleValue::new(name).help(help));
    let parse = |name: String| name.parse::<Precision>().map_err(|error| error.to_string());
    PossibleValuesParser::new(values).try_map(parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_precision_can_be_asked_for() {
        let names: Vec<String> = Precision::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(names, PRECISIONS.map(|(name, _)| name));
        for (name, _) in PRECISIONS {
            assert_eq!(name.parse::<Precision>().unwrap().to_string(), name);
        }
    }
}
