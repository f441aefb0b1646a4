//! Resolve a run's configuration: preset, then file, then `--set`, then validation.

use std::path::{Path, PathBuf};

use ebm_langevin::{BufferConfig, InvalidValue, LangevinConfig, Schedule};
use ebm_model::{Activation, ConvNetConfig};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use toml::{Table, Value};

use crate::data::DataConfig;
use crate::optimizer::OptimizerConfig;
use crate::preset;

/// Everything that determines a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Updates of the weights.
    pub iterations: usize,
    /// Images, and chains, per iteration.
    pub batch_size: usize,
    /// Seed of every random number.
    pub seed: u64,
    /// Learning rate: a number, or a schedule over the iterations.
    pub lr: Schedule,
    /// α: weight of the L2 penalty of energies.
    pub energy_l2: f64,
    /// Decay of the moving average of the weights, in [0, 1).
    pub ema_decay: f64,
    /// The network.
    pub model: ModelConfig,
    /// How chains move.
    pub langevin: LangevinConfig,
    /// How chains persist.
    pub buffer: BufferConfig,
    /// What is learned.
    pub data: DataConfig,
    /// How gradients become updates.
    pub optimizer: OptimizerConfig,
    /// What is written, and how often.
    pub output: OutputConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            iterations: 10_000,
            batch_size: 64,
            seed: 0,
            lr: Schedule::Constant(1e-4),
            energy_l2: 0.1,
            ema_decay: 0.99,
            model: ModelConfig::default(),
            langevin: LangevinConfig::default(),
            buffer: BufferConfig::default(),
            data: DataConfig::default(),
            optimizer: OptimizerConfig::default(),
            output: OutputConfig::default(),
        }
    }
}

/// Which network, and how wide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// The architecture.
    pub network: Network,
    /// Filters of the first layer, the others in proportion; absent for the published number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filters: Option<usize>,
    /// Nonlinearity; absent for the published one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            network: Network::Uva,
            filters: None,
            activation: None,
        }
    }
}

/// The architectures, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// The 77k-parameter network of the UvA tutorial.
    Uva,
    /// IGEBM's MnistNet.
    Mnist,
}

impl ModelConfig {
    /// The table from which the network is built.
    pub fn conv_net(&self) -> ConvNetConfig {
        let net = match (self.network, self.filters) {
            (Network::Uva, None) => ConvNetConfig::uva(),
            (Network::Uva, Some(filters)) => ConvNetConfig::uva_with_filters(filters),
            (Network::Mnist, None) => ConvNetConfig::mnist(),
            (Network::Mnist, Some(filters)) => ConvNetConfig::mnist_with_filters(filters),
        };
        match self.activation {
            Some(activation) => net.with_activation(activation),
            None => net,
        }
    }
}

/// What a run writes, and how often; none of it changes what is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutputConfig {
    /// Iterations between lines of metrics.
    pub log_every: usize,
    /// Iterations between sample grids; 0 for none.
    pub sample_every: usize,
    /// Images in a sample grid.
    pub num_samples: usize,
    /// Langevin steps from noise to a sample.
    pub sample_steps: usize,
    /// Iterations between checkpoints.
    pub checkpoint_every: usize,
    /// Checkpoints kept.
    pub keep_checkpoints: usize,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            log_every: 50,
            sample_every: 500,
            num_samples: 64,
            sample_steps: 256,
            checkpoint_every: 500,
            keep_checkpoints: 3,
        }
    }
}

/// A key with an impossible value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("configuration: `{key}` {problem}")]
pub struct Invalid {
    /// Path of the key.
    pub key: String,
    /// What is wrong, with the value.
    pub problem: String,
}

impl Invalid {
    /// The value of `key` has this problem.
    pub fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            problem: problem.into(),
        }
    }

    fn within(self, section: &str) -> Self {
        Self::new(format!("{section}.{}", self.key), self.problem)
    }
}

impl From<InvalidValue> for Invalid {
    fn from(value: InvalidValue) -> Self {
        Self::new(value.key, value.problem)
    }
}

/// A configuration that cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// No preset of that name.
    #[error("there is no preset `{name}`; presets are: {known}")]
    UnknownPreset {
        /// What was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A file that cannot be read.
    #[error("cannot read {}: {cause}; give an existing TOML file to --config", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Text that is no configuration: not TOML, an unknown key, a value of the wrong type.
    #[error("{origin}: {problem}")]
    Malformed {
        /// File or flag.
        origin: String,
        /// What is wrong and where.
        problem: String,
    },
    /// A key with an impossible value.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl Config {
    /// The configuration of a preset, a file and `key=value` overrides, validated.
    ///
    /// # Errors
    /// Names the preset, file or flag that is wrong, and the key.
    pub fn resolve(
        preset: &str,
        file: Option<&Path>,
        overrides: &[String],
    ) -> Result<Self, ConfigError> {
        let mut table = parse_table(preset::text(preset)?, &format!("preset `{preset}`"))?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable {
                path: path.to_owned(),
                cause,
            })?;
            let origin = path.display().to_string();
            let over = parse_table(&text, &origin)?;
            deserialize(over.clone(), &origin)?;
            merge(&mut table, over);
        }
        for assignment in overrides {
            let origin = format!("--set {assignment}");
            apply_override(&mut table, assignment, &origin)?;
            deserialize(table.clone(), &origin)?;
        }
        let config = deserialize(table, &format!("preset `{preset}`"))?;
        config.validate()?;
        Ok(config)
    }

    /// The configuration that a run directory or checkpoint holds.
    ///
    /// # Errors
    /// Where `text` is not a valid configuration; `origin` names it in the message.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let config = deserialize(parse_table(text, origin)?, origin)?;
        config.validate()?;
        Ok(config)
    }

    /// The whole configuration as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every configuration can be written as TOML")
    }

    /// Check that a run is possible.
    ///
    /// # Errors
    /// Names the first key with an impossible value.
    pub fn validate(&self) -> Result<(), Invalid> {
        let positive = [
            ("iterations", self.iterations),
            ("batch_size", self.batch_size),
            ("langevin.num_steps", self.langevin.num_steps),
            ("output.log_every", self.output.log_every),
            ("output.checkpoint_every", self.output.checkpoint_every),
            ("output.keep_checkpoints", self.output.keep_checkpoints),
            ("output.num_samples", self.output.num_samples),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(Invalid::new(*key, "must be at least 1, got 0"));
        }
        if self.iterations > u32::MAX as usize {
            return Err(Invalid::new("iterations", "must be below 2³²"));
        }
        match self.lr.range() {
            Err(problem) => return Err(Invalid::new("lr", problem)),
            Ok((low, _)) if low < 0.0 => {
                return Err(Invalid::new("lr", format!("must be ≥ 0, got {low}")));
            }
            Ok(_) => {}
        }
        if !(self.energy_l2 >= 0.0 && self.energy_l2.is_finite()) {
            let got = self.energy_l2;
            return Err(Invalid::new("energy_l2", format!("must be ≥ 0, got {got}")));
        }
        if !(0.0..1.0).contains(&self.ema_decay) {
            let got = self.ema_decay;
            return Err(Invalid::new(
                "ema_decay",
                format!("must be in [0, 1), got {got}"),
            ));
        }
        let noise_std = self.data.noise_std;
        if !(noise_std >= 0.0 && noise_std.is_finite()) {
            return Err(Invalid::new(
                "data.noise_std",
                format!("must be ≥ 0, got {noise_std}"),
            ));
        }
        let section = |name| move |invalid: InvalidValue| Invalid::from(invalid).within(name);
        self.langevin.validate().map_err(section("langevin"))?;
        self.buffer
            .validate(self.batch_size)
            .map_err(section("buffer"))?;
        self.optimizer
            .validate()
            .map_err(|invalid| invalid.within("optimizer"))
    }

    /// Learning rate of an iteration, warm-up included.
    pub fn lr_at(&self, iteration: u64) -> f64 {
        let warmup = self.optimizer.warmup as f64;
        let warmed = ((iteration + 1) as f64 / warmup.max(1.0)).min(1.0);
        warmed * self.lr.at(iteration as usize, self.iterations)
    }

    /// The keys, with old and new value, in which a resumed run would differ from `self` in what it
    /// learns. What a run writes may change, and so may its length where the learning rate does
    /// not depend on it.
    pub fn changes_from(&self, old: &Self) -> Vec<String> {
        let mut comparable = self.clone();
        comparable.output = old.output.clone();
        if matches!(self.lr, Schedule::Constant(_)) {
            comparable.iterations = old.iterations;
        }
        let (old, new) = (flat(old), flat(&comparable));
        let absent = || "none".to_owned();
        let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
        keys.sort();
        keys.dedup();
        let values = |key| (old.get(key).cloned(), new.get(key).cloned());
        keys.into_iter()
            .map(|key| (key, values(key)))
            .filter(|(_, (before, after))| before != after)
            .map(|(key, (before, after))| {
                let (before, after) = (before.unwrap_or_else(absent), after.unwrap_or_else(absent));
                format!("{key}: {before} → {after}")
            })
            .collect()
    }
}

/// Dotted keys and their values.
fn flat(config: &Config) -> std::collections::BTreeMap<String, String> {
    fn walk(prefix: &str, table: &Table, out: &mut std::collections::BTreeMap<String, String>) {
        for (key, value) in table {
            match value {
                Value::Table(inner) => walk(&format!("{prefix}{key}."), inner, out),
                leaf => {
                    out.insert(format!("{prefix}{key}"), leaf.to_string());
                }
            }
        }
    }
    let mut keys = std::collections::BTreeMap::new();
    if let Ok(table) = config.to_toml().parse::<Table>() {
        walk("", &table, &mut keys);
    }
    keys
}

fn parse_table(text: &str, origin: &str) -> Result<Table, ConfigError> {
    text.parse::<Table>()
        .map_err(|error| malformed(origin, error.to_string()))
}

fn deserialize(table: Table, origin: &str) -> Result<Config, ConfigError> {
    table
        .try_into::<Config>()
        .map_err(|error| malformed(origin, error.to_string()))
}

fn malformed(origin: &str, problem: String) -> ConfigError {
    ConfigError::Malformed {
        origin: origin.to_owned(),
        problem: problem.trim().replace('\n', " "),
    }
}

/// Keys that a configuration may lack.
const OPTIONAL_KEYS: [&str; 5] = [
    "model.filters",
    "model.activation",
    "langevin.grad_clip",
    "optimizer.grad_norm_clip",
    "data.dir",
];

/// Set one dotted key. The value is TOML, or a bare string; `none` removes an optional key.
fn apply_override(table: &mut Table, assignment: &str, origin: &str) -> Result<(), ConfigError> {
    let (path, value) = assignment.split_once('=').ok_or_else(|| {
        malformed(
            origin,
            "expected key=value, for example --set langevin.num_steps=40".into(),
        )
    })?;
    let mut keys: Vec<&str> = path.trim().split('.').collect();
    let last = keys.pop().unwrap_or_default();
    let mut section = table;
    for key in keys {
        let entry = section
            .entry(key)
            .or_insert_with(|| Value::Table(Table::new()));
        section = entry
            .as_table_mut()
            .ok_or_else(|| malformed(origin, format!("`{key}` is not a section")))?;
    }
    match value.trim() {
        "none" if flat(&Config::default()).contains_key(path.trim()) => {
            return Err(malformed(
                origin,
                format!("`{}` is not optional", path.trim()),
            ));
        }
        "none" => {
            // Unknown keys must not pass unseen: one that is not there is set, and then refused.
            let absent = section.remove(last).is_none();
            if absent && !OPTIONAL_KEYS.contains(&path.trim()) {
                section.insert(last.to_owned(), Value::String("none".into()));
            }
        }
        value => {
            section.insert(last.to_owned(), toml_value(value));
        }
    }
    Ok(())
}

/// `value` as TOML where it is TOML, else as a string.
fn toml_value(value: &str) -> Value {
    let parsed = format!("v = {value}").parse::<Table>().ok();
    let parsed = parsed.and_then(|mut table| table.remove("v"));
    parsed.unwrap_or_else(|| Value::String(value.to_owned()))
}

/// Lay `over` on `base`, section by section. A schedule replaces a schedule whole.
fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) if !over.contains_key("kind") => {
                merge(base, over);
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}
