//! Say which flag mends an error of training: its directory, its configuration, its checkpoints.

use std::io;

use ebm_train::checkpoint::CheckpointError;
use ebm_train::{ConfigError, Symptom, TeamError, TrainError};

use crate::output::elsewhere;

/// The remedy where a run cannot start or go on.
pub(super) fn of_training(error: &TrainError) -> Option<String> {
    let remedy = match error {
        TrainError::Config(error) => return of_config(error),
        TrainError::Checkpoint(error) => return of_checkpoint(error),
        TrainError::Precision(_) => return Some(super::device::of_precision()),
        TrainError::OnRank { .. } => return None,
        TrainError::Team(TeamError { world, .. }) => {
            return Some(match world.is_power_of_two() {
                true => format!("a new run takes --set shards={world}"),
                false => "start 1, 2, 4, … of them".to_owned(),
            });
        }
        TrainError::RanksDiffer { .. } => {
            "start all ranks with one command, where they find the same files"
        }
        TrainError::NotShared { .. } => "name a directory of one with --run-dir",
        TrainError::WeightsDiffer { .. } => {
            "use machines of one kind; the newest checkpoint is from before the difference"
        }
        TrainError::NoJudge { .. } => "pass --set output.evaluate_every=0",
        TrainError::BrokenGradient { .. } => {
            "go on with --device cpu or another device (`ebm devices --check` compares them with the CPU)"
        }
        TrainError::IsACheckpoint { .. } => {
            "name its run with --run-dir; a run goes on from its latest checkpoint, so delete the later ones to go on from an earlier one"
        }
        TrainError::NotARun { .. } | TrainError::InUse { .. } => "choose another with --run-dir",
        TrainError::Gone { .. } => {
            "put it back, and the same command goes on from its newest checkpoint, or choose another place with --run-dir"
        }
        TrainError::ConfigChanged { .. } => {
            "leave those keys out, and --preset, to go on with the run's own (`ebm train --run-dir DIR` reads them), use another --run-dir, or --force to go on with the new values"
        }
        TrainError::Write { cause, .. } => return Some(of_write(cause)),
        TrainError::OtherImages { .. } | TrainError::OtherClasses { .. } => "use another --run-dir",
        TrainError::OtherData { .. } => {
            "give it its own again, use another --run-dir, or --force to go on with what is there now"
        }
        TrainError::Read { .. } => "name a folder that is there and that you may read",
        TrainError::AlreadyBeyond { .. } => "give a larger --iterations, or another --run-dir",
        TrainError::Diverged {
            last_good: None,
            calmed_by,
            ..
        } => {
            return Some(format!(
                "a smaller lr helps most, then {calmed_by}: pass --set lr=… with the same --run-dir, where nothing was learned yet"
            ));
        }
        TrainError::Diverged { calmed_by, .. } => {
            return Some(format!(
                "go on from it with another --seed and --force; if that diverges again, a smaller lr helps most (--set lr=…), then {calmed_by}"
            ));
        }
        TrainError::Collapsed {
            symptom: Some(Symptom::DataFar),
            ..
        } => {
            "are these the data that the run has learned from? If so, a smaller lr (--set lr=…, with --force) or --on-divergence rollback"
        }
        TrainError::Collapsed {
            symptom: Some(Symptom::NeverDown),
            ..
        } => {
            "chains are too slow for the energy: a larger langevin.step_size or langevin.grad_clip, more langevin.num_steps, or a smaller lr (--set KEY=VALUE with another --run-dir)"
        }
        TrainError::Collapsed {
            symptom: Some(_), ..
        } => {
            "sample_energy_l2=0 keeps most recipes from it, where it is not set yet (--set sample_energy_l2=0, with --force where something was learned); then more langevin.num_steps or a smaller lr; with --on-divergence rollback a run goes back by itself"
        }
        TrainError::Collapsed {
            last_good: None, ..
        } => {
            "the weights moved too far at once: pass a smaller --set lr=… with the same --run-dir, where nothing was learned yet"
        }
        TrainError::Collapsed { .. } => {
            "the weights moved too far at once: go on from it with a smaller --set lr=… and --force"
        }
    };
    Some(remedy.to_owned())
}

/// The remedy where a configuration cannot be used.
pub(super) fn of_config(error: &ConfigError) -> Option<String> {
    let remedy = match error {
        ConfigError::Unreadable { .. } => "give an existing TOML file to --config",
        ConfigError::DamagedRun { copy: None, .. } => "choose another directory with --run-dir",
        // These say or list what can be given.
        ConfigError::DamagedRun { copy: Some(_), .. }
        | ConfigError::UnknownPreset { .. }
        | ConfigError::Malformed { .. }
        | ConfigError::Invalid(_) => return None,
    };
    Some(remedy.to_owned())
}

/// The remedy where a checkpoint cannot be written, found or used.
pub(super) fn of_checkpoint(error: &CheckpointError) -> Option<String> {
    let remedy = match error {
        CheckpointError::Write { cause, .. } => return Some(of_write(cause)),
        CheckpointError::NotThere { .. } | CheckpointError::Neither { .. } => {
            "give the --run-dir of a training run, or one of its checkpoints/step_… directories"
        }
        CheckpointError::Damaged {
            alternative: None, ..
        } => "name that directory with --run-dir",
        CheckpointError::Older { .. } | CheckpointError::OtherShards { .. } => {
            "choose another directory with --run-dir"
        }
        _ => return None,
    };
    Some(remedy.to_owned())
}

/// The remedy where the file system does not let a run write.
fn of_write(cause: &io::Error) -> String {
    format!("{} with --run-dir", elsewhere(cause))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
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
    }

    #[test]
    fn a_diverged_run_starts_anew_or_goes_on_from_its_last_good_checkpoint() {
        let of = |last_good| {
            let diverged = TrainError::Diverged {
                iteration: 1,
                what: "the loss",
                value: f32::NAN,
                seed: 0,
                calmed_by: "a larger energy_l2",
                last_good,
            };
            remedy(&diverged.into()).unwrap_or_default()
        };
        let (anew, on) = (of(None), of(Some(PathBuf::from("step_000002"))));
        assert!(anew.contains("--set lr="), "{anew}");
        assert!(on.contains("--force"), "{on}");
        for remedy in [anew, on] {
            assert!(remedy.contains("then a larger energy_l2"), "{remedy}");
        }
    }

    #[test]
    fn a_collapse_is_mended_by_what_it_shows() {
        for (symptom, mends) in [
            (None, "--set lr="),
            (Some(Symptom::Stuck), "--set sample_energy_l2=0"),
            (Some(Symptom::Sunken), "--set sample_energy_l2=0"),
            (Some(Symptom::NeverDown), "langevin.step_size"),
            (Some(Symptom::DataFar), "are these the data"),
        ] {
            let collapsed = TrainError::Collapsed {
                iteration: 500,
                what: "it".to_owned(),
                symptom,
                seed: 0,
                last_good: None,
            };
            let found = remedy(&collapsed.into()).unwrap_or_default();
            assert!(found.contains(mends), "{symptom:?}: {found}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_mended_by_what_the_system_says() {
        for (kind, mends) in [
            (ErrorKind::NotFound, "make that folder or choose another"),
            (ErrorKind::PermissionDenied, "make it writable or choose"),
            (ErrorKind::StorageFull, "free some space there or choose"),
            (ErrorKind::NotADirectory, "choose another place"),
        ] {
            let (path, cause) = (PathBuf::from("run"), kind.into());
            let error = TrainError::from(CheckpointError::Write { path, cause });
            let found = remedy(&error.into()).unwrap_or_default();
            assert!(found.starts_with(mends), "{kind}: {found}");
            assert!(found.ends_with("--run-dir"), "{found}");
        }
    }
}
