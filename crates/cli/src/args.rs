//! Define the arguments that commands share: a configuration, a device, a precision.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use burn::tensor::Device;
use clap::builder::{PathBufValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use ebm_core::{DeviceKind, Invalid};
use ebm_data::{DataConfig, DatasetKind, channels_of_arrays, kinds_in};
use ebm_model::Precision;
use ebm_train::{Config, ConfigError, absolute_dir, preset};

use crate::choices::{dataset_parser, device_parser, preset_parser};
use crate::dataset::kind_among;
use crate::device::DeviceChoice;
pub(crate) use crate::typed::as_typed;
use crate::typed::{Mistyped, blame, flag_of, name_typed, split};

// Set on each argument: `next_help_heading` would also be that of the arguments after the group.
const CONFIGURATION: &str = "Configuration";
const DATA: &str = "Data";
pub(crate) const DEVICE: &str = "Device";

/// What determines a configuration, shared by the commands that need one.
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    /// Recipe to start from; `ebm presets` lists them [default: digits; without --config, pictures for data in
    /// colour]
    #[arg(
        long,
        value_name = "NAME",
        help_heading = CONFIGURATION,
        value_parser = preset_parser(),
        hide_possible_values = true
    )]
    pub(crate) preset: Option<String>,

    /// TOML file with keys that replace the preset's
    #[arg(long, value_name = "FILE", help_heading = CONFIGURATION, value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,

    /// Replace one key, for example langevin.num_steps=40; `none` removes an optional one
    #[arg(long = "set", value_name = "KEY=VALUE", help_heading = CONFIGURATION)]
    overrides: Vec<String>,

    #[command(flatten)]
    data: DataFlags,
}

/// Flags that stand for keys of `[data]`.
#[derive(Args, Debug)]
pub(crate) struct DataFlags {
    /// Data set: digits or shapes (both drawn by code), mnist, fashion-mnist, qmnist, emnist-balanced (or -byclass,
    /// -bymerge, -digits, -letters, -mnist), cifar10, cifar100, folder or arrays
    #[arg(
        long,
        value_name = "NAME",
        help_heading = DATA,
        value_parser = dataset_parser(),
        hide_possible_values = true
    )]
    dataset: Option<String>,

    /// Folder with the data set's files, an archive of them, or a file of NumPy arrays
    #[arg(
        long, value_name = "DIR", help_heading = DATA, value_hint = ValueHint::AnyPath, value_parser = utf8_path()
    )]
    data_dir: Option<PathBuf>,

    /// Side to which pictures are cropped and resized
    #[arg(long, value_name = "PIXELS", help_heading = DATA)]
    image_size: Option<usize>,

    /// 1 for grey, 3 for colour
    #[arg(long, value_name = "N", help_heading = DATA)]
    channels: Option<usize>,

    /// Leave out pictures that cannot be decoded
    #[arg(long, help_heading = DATA)]
    skip_bad: bool,

    /// Classes of which no image is used
    #[arg(long, value_name = "CLASS,…", value_delimiter = ',', help_heading = DATA)]
    leave_out: Vec<String>,

    /// The data sets that the folder may hold, once it was looked at.
    #[arg(skip)]
    there: OnceLock<Vec<DatasetKind>>,
}

impl DataFlags {
    /// The keys that the flags set.
    fn overrides(&self) -> Vec<String> {
        let dir = self.data_dir.as_ref().map(|dir| {
            // A run may be resumed from elsewhere.
            toml::Value::String(absolute_dir(dir).display().to_string())
        });
        let names = self.leave_out.iter().cloned().map(toml::Value::String);
        let left_out = toml::Value::Array(names.collect());
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
            (!self.leave_out.is_empty()).then(|| format!("data.leave_out={left_out}")),
        ];
        keys.into_iter().flatten().collect()
    }

    /// The data set that the folder holds, where another one or this one is expected.
    fn kind_in(&self, dir: &Path, expected: DatasetKind) -> DatasetKind {
        kind_among(self.there.get_or_init(|| kinds_in(dir)), expected)
    }

    /// Let the flags replace what a recipe says of its data.
    ///
    /// # Errors
    /// Where the name of a data set is unknown.
    pub(crate) fn apply_to(&self, data: &mut DataConfig) -> anyhow::Result<()> {
        if let Some(name) = &self.dataset {
            data.dataset = dataset_named(name)?;
        }
        if let Some(dir) = &self.data_dir {
            data.dir = Some(absolute_dir(dir));
            if self.dataset.is_none() {
                data.dataset = self.kind_in(dir, data.dataset);
            }
        }
        data.image_size = self.image_size.unwrap_or(data.image_size);
        data.channels = self.channels.unwrap_or(data.channels);
        data.skip_bad |= self.skip_bad;
        if !self.leave_out.is_empty() {
            data.leave_out.clone_from(&self.leave_out);
        }
        Ok(())
    }
}

/// The data set that --dataset names.
///
/// # Errors
/// Where there is none of this name.
pub(crate) fn dataset_named(name: &str) -> Result<DatasetKind, Mistyped> {
    let kind = toml::Value::String(name.to_owned()).try_into();
    kind.map_err(|error: toml::de::Error| Mistyped(format!("--dataset: {}", error.message())))
}

impl ConfigArgs {
    /// The recipe to start from: the one that is named, or the one for the data of the keys and the flags. A
    /// file is for the default one, whatever its data.
    pub(crate) fn preset(&self) -> anyhow::Result<&str> {
        let of_flags = self.of_data_flags(None);
        let preset = self.preset_for(&self.all_overrides(&of_flags));
        preset.map_err(|error| self.naming_what_was_typed(error, &of_flags).into())
    }

    fn preset_for(&self, overrides: &[String]) -> Result<&str, ConfigError> {
        match (&self.preset, &self.config) {
            (Some(name), _) => Ok(name),
            (None, Some(_)) => Ok(preset::DEFAULT),
            (None, None) => Config::preset_for_data(overrides),
        }
    }

    /// The configuration, `extra` overrides last: those that flags of the command stand for.
    pub(crate) fn resolve(&self, extra: Vec<String>) -> anyhow::Result<Config> {
        self.resolve_over(None, extra)
    }

    /// The same, with the configuration of a run as what to start from unless a preset is named.
    pub(crate) fn resolve_over(
        &self,
        run: Option<&Config>,
        extra: Vec<String>,
    ) -> anyhow::Result<Config> {
        let typed = [self.data.overrides(), extra.clone()].concat();
        let mut of_flags = self.of_data_flags(run);
        of_flags.extend(extra);
        let resolved = self.resolved(run, &self.all_overrides(&of_flags));
        let config = resolved.map_err(|error| {
            let error = self.naming_what_was_typed(error, &of_flags);
            self.blaming_what_was_typed(error, run, &of_flags, &typed)
        })?;
        if run.is_none() {
            self.refuse_idle_keys(&config)?;
        }
        Ok(config)
    }

    /// Refuse `--set` of what does nothing.
    fn refuse_idle_keys(&self, config: &Config) -> Result<(), ConfigError> {
        for assignment in &self.overrides {
            let (key, _) = split(assignment);
            if let Some(why) = config.idle(key) {
                let typed = format!("--set {assignment}");
                return Err(blame(&Invalid::new(key, why), typed));
            }
        }
        Ok(())
    }

    fn resolved(&self, run: Option<&Config>, overrides: &[String]) -> Result<Config, ConfigError> {
        let preset = self.preset_for(overrides)?;
        self.laid_over(run, preset, overrides)
    }

    /// Overrides over the run, or over the preset where there is none or one is named.
    fn laid_over(
        &self,
        run: Option<&Config>,
        preset: &str,
        overrides: &[String],
    ) -> Result<Config, ConfigError> {
        let file = self.config.as_deref();
        match run {
            Some(run) if self.preset.is_none() => run.resolve_over(file, overrides),
            _ => Config::resolve(preset, file, overrides),
        }
    }

    /// The keys that the flags of the data set, and those that the folder itself tells where nothing else does: which
    /// data set it is, and of arrays how many channels they have.
    fn of_data_flags(&self, run: Option<&Config>) -> Vec<String> {
        let mut of_flags = self.data.overrides();
        let Some(dir) = &self.data.data_dir else {
            return of_flags;
        };
        let starts_from_default = run.is_none() && self.preset.is_none() && self.config.is_none();
        let mut data = match self.resolved(run, &self.all_overrides(&of_flags)) {
            Ok(config) => config.data,
            // The keys may be those of the recipe for the data that are there.
            Err(_) if starts_from_default => DataConfig::default(),
            Err(_) => return of_flags,
        };
        if !self.sets("data.dataset", &of_flags) {
            let is_there = self.data.kind_in(dir, data.dataset);
            if is_there != data.dataset {
                data.dataset = is_there;
                of_flags.push(format!("data.dataset={is_there}"));
            }
        }
        // A run goes on with what it has.
        let starts_anew = run.is_none() || self.preset.is_some();
        if starts_anew
            && data.dataset == DatasetKind::Arrays
            && data.channels == 0
            && let Some(channels) = channels_of_arrays(dir)
        {
            of_flags.push(format!("data.channels={channels}"));
        }
        of_flags
    }

    /// Whether a key, or the table that it is in, is set on the command line.
    fn sets(&self, key: &str, of_flags: &[String]) -> bool {
        let (table, _) = key.split_once('.').unwrap_or((key, ""));
        self.all_overrides(of_flags).iter().any(|assignment| {
            let (set, _) = split(assignment);
            set == key || set == table
        })
    }

    fn all_overrides(&self, of_flags: &[String]) -> Vec<String> {
        [self.overrides.as_slice(), of_flags].concat()
    }

    /// An error that names the flag or the argument of `--set` that it is about.
    fn naming_what_was_typed(&self, error: ConfigError, of_flags: &[String]) -> ConfigError {
        as_typed(name_typed(error, of_flags, flag_of), &self.overrides)
    }

    /// An error about a key that nobody has typed, where one that somebody has typed makes it impossible: the last of `--set`
    /// without which the configuration could be used, or else of the flags, which stand for the keys `typed`.
    fn blaming_what_was_typed(
        &self,
        error: ConfigError,
        run: Option<&Config>,
        of_flags: &[String],
        typed: &[String],
    ) -> ConfigError {
        let invalid = match error {
            ConfigError::Invalid(invalid) => invalid,
            other => return other,
        };
        let all = self.all_overrides(of_flags);
        let Ok(preset) = self.preset_for(&all) else {
            return ConfigError::Invalid(invalid);
        };
        let is_to_blame = |assignment: &&String| {
            let others = all.iter().filter(|other| other != assignment).cloned();
            let others: Vec<String> = others.collect();
            self.laid_over(run, preset, &others).is_ok()
        };
        let set = self.overrides.iter().rev().find(is_to_blame);
        let set = set.map(|assignment| format!("--set {assignment}"));
        let blamed = set.or_else(|| {
            let flag = typed.iter().rev().find(is_to_blame);
            flag.map(|assignment| flag_of(assignment))
        });
        match blamed {
            Some(typed) => blame(&without(&invalid), typed),
            None => ConfigError::Invalid(invalid),
        }
    }
}

/// What is wrong with a key that somebody else has set: leaving it out is a thing to type, where that can be.
fn without(invalid: &Invalid) -> Invalid {
    let is_optional = Config::keys()
        .iter()
        .any(|key| key.name == invalid.key && key.is_optional);
    let problem = match is_optional {
        true => {
            let typed = format!("pass --set {}=none", invalid.key);
            invalid.problem.replace("leave it out", &typed)
        }
        false => invalid.problem.clone(),
    };
    Invalid::new(invalid.key.clone(), problem)
}

/// Read a path that a configuration, which is a text, can hold.
fn utf8_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.to_str() {
        Some(_) => Ok(path),
        None => Err(
            "its name is not UTF-8, as a configuration needs it: rename it, or make a link to it",
        ),
    })
}

/// Read a number of things of which there must be one.
pub(crate) fn positive(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

/// Read a number of images, of which no memory holds more.
pub(crate) fn image_count(text: &str) -> Result<usize, String> {
    const MOST: usize = 10_000_000;
    match positive(text)? {
        number if number > MOST => Err(format!("must be at most {MOST}")),
        number => Ok(number),
    }
}

/// Where to compute.
#[derive(Args, Debug)]
pub(crate) struct DeviceArgs {
    /// auto, cpu, ndarray, wgpu[:N] or vulkan[:N]; `ebm devices` lists those of this machine
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "auto",
        help_heading = DEVICE,
        value_parser = device_parser(),
        hide_possible_values = true
    )]
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

/// Warn of a precision that a device only emulates. On CPUs, chains in f16 were measured to be 23 to 57
/// times slower than in f32.
pub(crate) fn warn_if_slow(precision: Precision, device: &Device) {
    if precision == Precision::F16 && DeviceKind::is_cpu(device) {
        tracing::warn!(
            "f16 on a CPU is emulated, tens of times slower than f32; bf16 is fast on CPUs with AVX-512 BF16"
        );
    }
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

    #[test]
    fn every_flag_of_a_configuration_is_named_as_it_was_typed() {
        let flags = DataFlags {
            dataset: Some("mnist".into()),
            data_dir: Some("/files".into()),
            image_size: Some(32),
            channels: Some(1),
            skip_bad: true,
            leave_out: vec!["4".into(), "7".into()],
            there: OnceLock::new(),
        };
        let typed: Vec<_> = flags.overrides().iter().map(|it| flag_of(it)).collect();
        let expected = [
            "--dataset mnist",
            "--data-dir \"/files\"",
            "--image-size 32",
            "--channels 1",
            "--skip-bad",
            "--leave-out [\"4\", \"7\"]",
        ];
        assert_eq!(typed, expected);
    }

    #[test]
    fn a_positive_number_is_at_least_one() {
        assert_eq!(positive("7"), Ok(7));
        assert_eq!(positive("0"), Err("must be at least 1".to_owned()));
        for text in ["-1", "many", ""] {
            assert!(positive(text).is_err(), "{text}");
        }
    }
}
