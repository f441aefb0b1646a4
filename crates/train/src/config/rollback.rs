//! Say what becomes of a run that went wrong.

use ebm_core::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a run does when training diverges or collapses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDivergence {
    /// End with an error.
    #[default]
    Stop,
    /// Go back to a checkpoint from before the first sign of it, and take other random numbers.
    Rollback,
}

/// How a run goes back.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RollbackConfig {
    /// Times that a run goes back before it ends with an error.
    pub max: usize,
    /// What the learning rate is multiplied by each time.
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub lr_factor: f64,
}

impl Default for RollbackConfig {
    fn default() -> Self {
        Self {
            max: 3,
            lr_factor: 0.5,
        }
    }
}

impl RollbackConfig {
    /// Check that a run can go back.
    ///
    /// # Errors
    /// Names the first key with an impossible value.
    pub fn validate(&self) -> Result<(), Invalid> {
        match self.lr_factor {
            factor if factor > 0.0 && factor <= 1.0 => Ok(()),
            got => {
                let problem = format!("must be above 0 and at most 1, got {got}");
                Err(Invalid::new("lr_factor", problem))
            }
        }
    }
}
