//! Name a setting that cannot be used, and why.

use thiserror::Error;

/// A setting with an impossible value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("configuration: `{key}` {problem}")]
pub struct Invalid {
    /// Dotted path of the key, for example `langevin.num_steps`.
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

    /// The same key as part of a section.
    pub fn within(self, section: &str) -> Self {
        Self::new(format!("{section}.{}", self.key), self.problem)
    }
}
