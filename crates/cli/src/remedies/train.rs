//! Say which flag mends an error of training: its directory, its configuration, its checkpoints.

use ebm_train::checkpoint::CheckpointError;
use ebm_train::{ConfigError, TrainError};

/// The remedy where a run cannot start or go on.
pub(super) fn of_training(error: &TrainError) -> Option<String> {
    let remedy = match error {
        TrainError::Config(error) => return of_config(error),
        TrainError::Checkpoint(error) => return of_checkpoint(error),
        TrainError::Precision(_) => return Some(super::device::of_precision()),
        TrainError::BrokenGradient { .. } => {
            "go on with --device cpu or another device (`ebm devices --check` compares them with the CPU)"
        }
        TrainError::NotARun { .. } | TrainError::InUse { .. } => "choose another with --run-dir",
        TrainError::ConfigChanged { .. } => {
            "give the run's own configuration with --config RUN_DIR/config.toml, use another --run-dir, or --force to go on with the new values"
        }
        TrainError::Write { .. } => "or choose another --run-dir",
        TrainError::OtherImages { .. } => "use another --run-dir",
        TrainError::AlreadyBeyond { .. } => "give a larger --iterations, or another --run-dir",
        TrainError::Diverged { last_good, .. } => {
            last_good.as_ref()?;
            "go on from the last good checkpoint with another --seed and --force"
        }
    };
    Some(remedy.to_owned())
}

/// The remedy where a configuration cannot be used.
pub(super) fn of_config(error: &ConfigError) -> Option<String> {
    match error {
        ConfigError::Unreadable { .. } => Some("give an existing TOML file to --config".to_owned()),
        // These list what can be given.
        ConfigError::UnknownPreset { .. }
        | ConfigError::Malformed { .. }
        | ConfigError::Invalid(_) => None,
    }
}

/// The remedy where a checkpoint cannot be written, found or used.
pub(super) fn of_checkpoint(error: &CheckpointError) -> Option<String> {
    let remedy = match error {
        CheckpointError::Write { .. } => {
            "free some space there or choose another place with --run-dir"
        }
        CheckpointError::Neither { .. } => {
            "give the --run-dir of a training run, or one of its checkpoints/step_… directories"
        }
        CheckpointError::Damaged {
            alternative: None, ..
        } => "name that directory with --run-dir",
        CheckpointError::Older { .. } => "choose another directory with --run-dir",
        _ => return None,
    };
    Some(remedy.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::remedy;

    fn not_a_run() -> TrainError {
        TrainError::NotARun {
            path: PathBuf::from("run"),
        }
    }

    #[test]
    fn a_remedy_is_found_below_a_context_and_inside_an_error_that_passes_on_another() {
        let plain = remedy(&anyhow::Error::from(not_a_run()));
        assert_eq!(plain.as_deref(), Some("choose another with --run-dir"));
        let below = anyhow::Error::from(not_a_run()).context("cannot train");
        assert_eq!(remedy(&below), plain);
        let passed_on = TrainError::from(CheckpointError::Neither {
            path: PathBuf::from("photos"),
        });
        let found = remedy(&anyhow::Error::from(passed_on));
        assert!(found.is_some_and(|remedy| remedy.contains("--run-dir")));
    }

    #[test]
    fn an_error_that_no_flag_mends_has_no_remedy() {
        assert_eq!(remedy(&anyhow::anyhow!("no luck")), None);
        let diverged = TrainError::Diverged {
            iteration: 1,
            what: "the loss",
            value: f32::NAN,
            seed: 0,
            last_good: None,
        };
        assert_eq!(remedy(&diverged.into()), None);
    }
}
