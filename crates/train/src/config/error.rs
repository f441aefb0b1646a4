//! Say why a configuration cannot be used.

use std::path::PathBuf;

use ebm_core::Invalid;
use thiserror::Error;

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
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The configuration of a run, not as a run writes it.
    #[error("{} is not the configuration of a run: {problem}{}", path.display(), instead(copy))]
    DamagedRun {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// The copy of it in the run's latest checkpoint.
        copy: Option<PathBuf>,
    },
    /// Text that is no configuration: not TOML, an unknown key, a value of the wrong type.
    #[error("{origin}: {problem}")]
    Malformed {
        /// File, preset or assignment.
        origin: String,
        /// What is wrong and where.
        problem: String,
    },
    /// A key with an impossible value.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

fn instead(copy: &Option<PathBuf>) -> String {
    let advice = |copy: &PathBuf| format!("; copy {} over it", copy.display());
    copy.as_ref().map_or_else(String::new, advice)
}
