//! Resolve a configuration: preset, then file, then `key=value`, then validation.

use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::{Table, Value};

use super::{Config, Invalid, flat};
use crate::preset;

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

    /// This configuration with `key=value` overrides of the sampler, validated.
    ///
    /// # Errors
    /// Names the flag that is wrong, or a key outside `[langevin]`.
    pub fn with_sampler_overrides(&self, overrides: &[String]) -> Result<Self, ConfigError> {
        let mut table = parse_table(&self.to_toml(), "the run's configuration")?;
        for assignment in overrides {
            let origin = format!("--set {assignment}");
            if !assignment.trim_start().starts_with("langevin.") {
                let problem = "only keys of langevin can be changed here".into();
                return Err(malformed(&origin, problem));
            }
            apply_override(&mut table, assignment, &origin)?;
            deserialize(table.clone(), &origin)?;
        }
        let config = deserialize(table, "the run's configuration")?;
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
const OPTIONAL_KEYS: [&str; 10] = [
    "model.filters",
    "model.activation",
    "model.spectral_norm",
    "model.dropout",
    "model.centered_input",
    "langevin.grad_clip",
    "langevin.grad_norm_clip",
    "langevin.target_acceptance",
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
        "none" if OPTIONAL_KEYS.contains(&path.trim()) => {
            section.remove(last);
        }
        "none" if flat(&Config::default()).contains_key(path.trim()) => {
            let problem = format!("`{}` is not optional", path.trim());
            return Err(malformed(origin, problem));
        }
        // An unknown key is refused where the table becomes a configuration.
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
