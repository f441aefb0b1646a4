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
    /// Langevin steps from noise to a sample; of `recovery`, steps at each of its levels.
    #[schemars(range(min = 1, max = 16777215))]
    pub sample_steps: usize,
    /// Iterations between evaluations of fresh samples, by their Fréchet distance to data that are not
    /// learned from (`frechet`); 0 for none.
    pub evaluate_every: usize,
    /// Samples of an evaluation, each a chain of `sample_steps` steps from noise.
    #[schemars(range(min = 1, max = 1000000))]
    pub evaluate_samples: usize,
    /// Iterations between checkpoints.
    #[schemars(range(min = 1))]
    pub checkpoint_every: usize,
    /// Checkpoints kept.
    #[schemars(range(min = 1))]
    pub keep_checkpoints: usize,
    /// Write a checkpoint whenever samples are nearer to the data than all before, and keep the best: by
    /// `frechet` of evaluations where there are any, else by `sample_distance` of sample grids.
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
            ("evaluate_samples", self.evaluate_samples),
        ] {
            if value == 0 {
                return Err(Invalid::new(key, "must be at least 1, got 0"));
            }
        }
        if self.evaluate_samples > 1_000_000 {
            return Err(Invalid::new("evaluate_samples", "must be at most 1000000"));
        }
        if self.sample_steps >= 1 << 24 {
            return Err(Invalid::new("sample_steps", "must be below 2²⁴"));
        }
        if self.keep_best && self.sample_every == 0 && self.evaluate_every == 0 {
            let problem = "needs `sample_every` or `evaluate_every` above 0";
            return Err(Invalid::new("keep_best", problem));
        }
        Ok(())
    }

    /// Evaluations still due in a run of `total` iterations of which `done` are done; one is at its end.
    pub fn evaluations_left(&self, done: u64, total: u64) -> u64 {
        match self.evaluate_every as u64 {
            every if every > 0 && done < total => total.div_ceil(every) - done / every,
            _ => 0,
        }
    }
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            log_every: 50,
            sample_every: 500,
            num_samples: 64,
            sample_steps: 256,
            evaluate_every: 0,
            evaluate_samples: 1000,
            checkpoint_every: 500,
            keep_checkpoints: 3,
            keep_best: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_evaluation_is_at_every_interval_and_at_the_end() {
        let left = |every, done, total| {
            let output = OutputConfig {
                evaluate_every: every,
                ..OutputConfig::default()
            };
            output.evaluations_left(done, total)
        };
        assert_eq!(
            [0, 1, 2, 3, 4, 5].map(|done| left(2, done, 5)),
            [3, 3, 2, 2, 1, 0]
        );
        assert_eq!([0, 2, 4].map(|done| left(2, done, 4)), [2, 1, 0]);
        assert_eq!((left(0, 0, 5), left(9, 0, 5)), (0, 1));
    }

    #[test]
    fn the_best_is_kept_by_samples_of_some_kind() {
        let with = |sample_every, evaluate_every| OutputConfig {
            sample_every,
            evaluate_every,
            keep_best: true,
            ..OutputConfig::default()
        };
        assert!(with(0, 5).validate().is_ok() && with(5, 0).validate().is_ok());
        let refused = with(0, 0).validate().expect_err("no samples").to_string();
        assert!(refused.contains("keep_best"), "{refused}");
    }
}
