//! Hold everything that determines a run, and check that it can run.

mod model;
mod resolve;

use std::collections::BTreeMap;

use ebm_langevin::{BufferConfig, InvalidValue, LangevinConfig, Method, Schedule};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use toml::{Table, Value};

use crate::data::DataConfig;
use crate::kl::KlConfig;
use crate::loss::ObjectiveConfig;
use crate::optimizer::OptimizerConfig;
use crate::precision::Precision;

pub use model::{ModelConfig, NetworkName};
pub use resolve::ConfigError;

/// Everything that determines a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Updates of the weights.
    pub iterations: usize,
    /// Images, and chains, per iteration.
    pub batch_size: usize,
    /// The most images that a device works on at a time, where its memory asks for that. Slower, and
    /// the same but for the order of sums.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro_batch: Option<usize>,
    /// Numbers in which chains see the energy.
    pub precision: Precision,
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
    /// What is minimised.
    pub objective: ObjectiveConfig,
    /// The gradient through the sampler.
    pub kl: KlConfig,
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
            micro_batch: None,
            precision: Precision::default(),
            seed: 0,
            lr: Schedule::Constant(1e-4),
            energy_l2: 0.1,
            ema_decay: 0.99,
            model: ModelConfig::default(),
            objective: ObjectiveConfig::default(),
            kl: KlConfig::default(),
            langevin: LangevinConfig::default(),
            buffer: BufferConfig::default(),
            data: DataConfig::default(),
            optimizer: OptimizerConfig::default(),
            output: OutputConfig::default(),
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

impl Config {
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
            ("micro_batch", self.micro_batch.unwrap_or(1)),
            ("langevin.num_steps", self.langevin.num_steps),
            ("output.log_every", self.output.log_every),
            ("output.checkpoint_every", self.output.checkpoint_every),
            ("output.keep_checkpoints", self.output.keep_checkpoints),
            ("output.num_samples", self.output.num_samples),
            ("output.sample_steps", self.output.sample_steps),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(Invalid::new(*key, "must be at least 1, got 0"));
        }
        if self.iterations > u32::MAX as usize {
            return Err(Invalid::new("iterations", "must be below 2³²"));
        }
        if self.output.sample_steps >= 1 << 24 {
            return Err(Invalid::new("output.sample_steps", "must be below 2²⁴"));
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
        self.model
            .validate()
            .map_err(|invalid| invalid.within("model"))?;
        self.objective
            .validate()
            .map_err(|invalid| invalid.within("objective"))?;
        self.validate_kl().map_err(|invalid| invalid.within("kl"))?;
        let section = |name| move |invalid: InvalidValue| Invalid::from(invalid).within(name);
        self.langevin.validate().map_err(section("langevin"))?;
        self.buffer
            .validate(self.batch_size)
            .map_err(section("buffer"))?;
        self.optimizer
            .validate()
            .map_err(|invalid| invalid.within("optimizer"))
    }

    fn validate_kl(&self) -> Result<(), Invalid> {
        self.kl.validate()?;
        if self.kl.weight == 0.0 {
            return Ok(());
        }
        let needs = |what: &str| Err(Invalid::new("weight", format!("above 0 needs {what}")));
        match self {
            _ if self.langevin.method != Method::Sgld => needs("langevin.method = \"sgld\""),
            _ if self.langevin.grad_norm_clip.is_some() => {
                needs("langevin.grad_clip in place of langevin.grad_norm_clip")
            }
            _ if self.buffer.capacity == self.batch_size => {
                needs("buffer.capacity above batch_size")
            }
            _ => Ok(()),
        }
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
fn flat(config: &Config) -> BTreeMap<String, String> {
    fn walk(prefix: &str, table: &Table, out: &mut BTreeMap<String, String>) {
        for (key, value) in table {
            match value {
                Value::Table(inner) => walk(&format!("{prefix}{key}."), inner, out),
                leaf => {
                    out.insert(format!("{prefix}{key}"), leaf.to_string());
                }
            }
        }
    }
    let mut keys = BTreeMap::new();
    if let Ok(table) = config.to_toml().parse::<Table>() {
        walk("", &table, &mut keys);
    }
    keys
}
