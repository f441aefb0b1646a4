//! Remember when a run went back.

use serde::{Deserialize, Serialize};

/// A time that a run went back to an earlier iteration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// The attempt that began with it, from 1.
    pub attempt: u32,
    /// The iteration at which the run was given up.
    pub from: u64,
    /// Iterations done where it went on.
    pub to: u64,
    /// What had happened.
    pub why: String,
}
