//! Say what a run writes, and how often.

use ebm_core::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a run writes, and how often; none of it changes what is learned, but for the checkpoint to which
/// a run goes back.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutputConfig {
    /// Iterations between lines of metrics.
    #[schemars(range(min = 1))]
    pub log_every: usize,
    /// Iterations between sample grids; 0 for none.
    pub sample_every: usize,
    /// Images in a sample grid.
    #[schemars(range(min = 1))]
    pub num_samples: usize,
    /// Langevin steps from noise to a sample.
    #[schemars(range(min = 1, max = 16777215))]
    pub sample_steps: usize,
    /// Iterations between checkpoints.
    #[schemars(range(min = 1))]
    pub checkpoint_every: usize,
    /// Checkpoints kept.
    #[schemars(range(min = 1))]
    pub keep_checkpoints: usize,
    /// Write a checkpoint whenever the samples of a grid are nearer to the data than all before
    /// (`sample_distance`), and keep the best.
    pub keep_best: bool,
}

impl OutputConfig {
    /// Check that a run can write.
    ///
    /// # Errors
    /// Names the first key with an impossible value.
    pub fn validate(&self) -> Result<(), Invalid> {
        for (key, value) in [
            ("log_every", self.log_every),
            ("checkpoint_every", self.checkpoint_every),
            ("keep_checkpoints", self.keep_checkpoints),
            ("num_samples", self.num_samples),
            ("sample_steps", self.sample_steps),
        ] {
            if value == 0 {
                return Err(Invalid::new(key, "must be at least 1, got 0"));
            }
        }
        if self.sample_steps >= 1 << 24 {
            return Err(Invalid::new("sample_steps", "must be below 2²⁴"));
        }
        if self.keep_best && self.sample_every == 0 {
            return Err(Invalid::new("keep_best", "needs `sample_every` above 0"));
        }
        Ok(())
    }
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
            keep_best: false,
        }
    }
}
