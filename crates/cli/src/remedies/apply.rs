//! Say which flag mends an error of a trained model's use.

use ebm_apply::compose::ComposeError;
use ebm_apply::denoise::DenoiseError;
use ebm_apply::evaluate::{AnnealingError, CompletionError, LikelihoodError, MixingError};
use ebm_apply::exchange::Difference;
use ebm_apply::exchange::hub::HubError;
use ebm_apply::infer::{InferError, ReadOutError};
use ebm_apply::restore::RestoreError;
use ebm_apply::{EnsembleError, ImportError, OpenError, SampleError, UnknownClass};
use ebm_train::checkpoint::CheckpointError;
use ebm_train::{ConfigError, TrainError};

use super::{device, train};
use crate::typed::flag_of;

/// The remedy where a trained model cannot be opened.
pub(super) fn of_opening(error: &OpenError) -> Option<String> {
    let remedy = match error {
        OpenError::Checkpoint(
            CheckpointError::NotThere { .. } | CheckpointError::Neither { .. },
        ) => {
            "give the --run-dir of a training run, one of its checkpoints/step_… directories, or a folder as `ebm export --format hf` writes it"
        }
        OpenError::Checkpoint(error) => return train::of_checkpoint(error),
        OpenError::Config(error) => return train::of_config(error),
        OpenError::Hub(error) => return of_hub(error),
        OpenError::NotExported { .. } => {
            "leave out --no-ema and --best, or name the run that it was exported from"
        }
        OpenError::NoBest { .. } => {
            "train with --keep-best, or leave out --best for the latest checkpoint"
        }
    };
    Some(remedy.to_owned())
}

/// The remedy where an exported folder cannot be used.
pub(super) fn of_hub(error: &HubError) -> Option<String> {
    let remedy = match error {
        HubError::Run { path } => {
            let run = path.display();
            return Some(format!(
                "it is used as it is (`ebm train --run-dir RUN` goes on with a run); another run with its weights is made by `ebm export {run} --format hf --output MODEL` and then `ebm import MODEL --output NEW`"
            ));
        }
        HubError::Missing { .. } | HubError::Invalid { .. } | HubError::OtherWeights { .. } => {
            "fetch the whole folder again, or write a new one with `ebm export RUN --format hf --output DIR`"
        }
        HubError::Foreign { .. } => "give a folder as `ebm export --format hf` writes it",
        HubError::Newer { .. } => "update ebm",
        HubError::Unreadable { .. } => return None,
    };
    Some(remedy.to_owned())
}

/// The remedy where a model does not have a class.
pub(super) fn of_class(error: &UnknownClass) -> Option<String> {
    match error {
        UnknownClass::NoClasses => Some(
            "train one with --set model.conditional=true, which no energy of latent vectors or of experts takes"
                .to_owned(),
        ),
        // It lists the classes.
        UnknownClass::NotThere { .. } => None,
    }
}

/// The remedy where networks cannot predict together.
pub(super) fn of_ensemble(error: &EnsembleError) -> Option<String> {
    match error {
        EnsembleError::Class(error) => of_class(error),
        EnsembleError::Checkpoint(error) => train::of_checkpoint(error),
        EnsembleError::NoneKept { .. } => Some(
            "train with --preset mnist-sgld, or a classifier with --set optimizer.method=sgld --set posterior.every=N"
                .to_owned(),
        ),
        EnsembleError::Exported { .. } => Some(
            "name the run that it was exported from; an exported model may stand beside one, with --beside"
                .to_owned(),
        ),
        EnsembleError::NoDropout { .. } => Some("train one by adam with --set model.dropout=0.5".to_owned()),
        EnsembleError::NotFinite { .. } => {
            Some("train with a smaller --set lr=…, or with --set optimizer.grad_norm_clip=1".to_owned())
        }
    }
}

/// The remedy where no samples can be drawn.
pub(super) fn of_sampling(error: &SampleError) -> Option<String> {
    let remedy = match error {
        SampleError::NoChains => "start from noise",
        SampleError::NotExported => "start from noise, or name that run",
        SampleError::FewOfClass { .. } | SampleError::FewChains { .. } => {
            "ask for fewer with --num, or pass --init noise"
        }
        SampleError::OneClass => "leave out --cross-class",
        SampleError::Precision(_) => return Some(device::of_precision()),
        SampleError::Diverged { .. } => "try fewer --steps, or an earlier checkpoint",
        SampleError::RanksDiffer { .. } => {
            "start all ranks with the same command, and name a checkpoint of a run that still trains"
        }
        // That rank has said it.
        SampleError::OnRank { .. } => return None,
    };
    Some(remedy.to_owned())
}

/// The remedy where energies cannot be combined.
pub(super) fn of_composing(error: &ComposeError) -> Option<String> {
    let remedy = match error {
        ComposeError::OtherShape { .. } => "train them with the same --image-size and --channels",
        ComposeError::Levels { .. } | ComposeError::Latents { .. } => {
            "name runs of another objective.kind"
        }
        // Refused as mistyped before.
        ComposeError::Weights(_) => return None,
    };
    Some(remedy.to_owned())
}

/// The remedy where a picture cannot be denoised.
pub(super) fn of_denoising(error: &DenoiseError) -> Option<String> {
    let remedy = match error {
        DenoiseError::NotADenoiser { .. } => {
            "leave out --model, or train one: ebm train --preset photos --data-dir DIR"
        }
        DenoiseError::OtherSize { .. } => {
            "leave out --model: the program's own takes every size, grey or in colour"
        }
        DenoiseError::NotTold => {
            "leave out --method, or --model: the program's own is told the noise"
        }
        DenoiseError::NoMean => "pass --method descent",
        DenoiseError::NotLinear => {
            "train one with --set model.intensity=linear, or leave out --model"
        }
        DenoiseError::Damaged => "take another checkpoint of the run",
        DenoiseError::OtherChannels { .. }
        | DenoiseError::NotFinite { .. }
        | DenoiseError::TooLarge => return None,
    };
    Some(remedy.to_owned())
}

/// The remedy where a picture cannot be restored.
pub(super) fn of_restoring(error: &RestoreError) -> Option<String> {
    match error {
        RestoreError::OnlyWhole { .. } => {
            let remedy = "name a run of denoising, or one whose chains are of sgld, mala or hmc; with one of latent vectors, `ebm infer RUN PICTURE --mask MASK.png --output FILE.png` puts in what is missing";
            Some(remedy.to_owned())
        }
        RestoreError::Picture(error) => of_denoising(error),
        RestoreError::OtherMask { .. }
        | RestoreError::OtherChannels { .. }
        | RestoreError::NothingMissing
        | RestoreError::NothingKnown
        | RestoreError::Diverged { .. } => None,
    }
}

/// The remedy where a model cannot say what explains an image.
pub(super) fn of_inference(error: &InferError) -> String {
    let remedy = match error {
        InferError::NoLatents { .. } => {
            "train one that has: ebm train --preset mnist-latent --data-dir DIR"
        }
        InferError::NoGenerator { .. } => {
            "leave out --output, --between, --mask and --box, or name a run of model.network=latent"
        }
        InferError::NotFinite { .. } | InferError::NotDrawn { .. } => {
            "pass --starts 1, which begins where the model does, or train with a smaller model.inference_step_size"
        }
    };
    remedy.to_owned()
}

/// The remedy where a quantity cannot be read out of latent vectors.
pub(super) fn of_read_out(error: &ReadOutError) -> Option<String> {
    match error {
        ReadOutError::FewExamples { .. } => {
            Some("ask for more with --num, of data that have as many".to_owned())
        }
        ReadOutError::Constant => Some("ask for more with --num".to_owned()),
    }
}

/// The remedy where images cannot be completed and read.
pub(super) fn of_completion(error: &CompletionError) -> Option<String> {
    match error {
        CompletionError::OtherClasses { .. } => Some(
            "train features of these data with `ebm features train`, and name them with --features"
                .to_owned(),
        ),
        CompletionError::Restore(error) => of_restoring(error),
        CompletionError::Features(_) => None,
    }
}

/// The remedy where a likelihood cannot be measured.
pub(super) fn of_likelihood(error: &LikelihoodError) -> Option<String> {
    match error {
        LikelihoodError::FewImages { .. } => {
            let remedy = "ask for fewer with --annealing-chains, or more of the data with --num";
            Some(remedy.to_owned())
        }
        LikelihoodError::OfLatents => {
            Some("ask `ebm infer RUN PICTURE --free-energy`, which integrates over them".to_owned())
        }
        LikelihoodError::Annealing(AnnealingError::NoiseIsAsLikely { .. }) => {
            Some("name one with --temperature".to_owned())
        }
        LikelihoodError::Annealing(_) | LikelihoodError::OfImage(_) => None,
    }
}

/// The remedy where samplers cannot be compared.
pub(super) fn of_mixing(error: &MixingError) -> Option<String> {
    match error {
        MixingError::Short { .. } => Some("ask for more with --sampler-gradients".to_owned()),
        MixingError::Start(error) => of_sampling(error),
        MixingError::NoDensity | MixingError::OfLatents | MixingError::Diverged { .. } => None,
    }
}

/// The remedy where weights cannot be taken over.
pub(super) fn of_import(error: &ImportError) -> Option<String> {
    let remedy = match error {
        ImportError::Checkpoint(error) => return of_weights(error),
        ImportError::Train(error) => return of_new_run(error),
        ImportError::OtherModel { differences, .. } => {
            let flags: Vec<_> = differences.iter().map(flag_of_file).collect();
            return Some(format!("pass {}", flags.join(" ")));
        }
        ImportError::NoClasses { .. } => {
            "pass --set model.conditional=false, or give a file as `ebm export` writes it"
        }
        ImportError::Newer { .. } => "update ebm",
        ImportError::LeftOver { .. } => "choose the --preset or --set model.network that fits",
        ImportError::Taken { .. } => "choose another --output",
    };
    Some(remedy.to_owned())
}

/// The flag with which the configuration has the value of the file.
fn flag_of_file(difference: &Difference) -> String {
    let assignment = format!("{}={}", difference.key, difference.in_file);
    if assignment.starts_with("data.") {
        flag_of(&assignment)
    } else {
        format!("--set {assignment}")
    }
}

/// The remedy where the arrays of a file are not those of the configuration's network.
fn of_weights(error: &CheckpointError) -> Option<String> {
    let remedy = match error {
        CheckpointError::MissingArray { .. }
        | CheckpointError::ExtraArray { .. }
        | CheckpointError::OtherArray { .. } => {
            "that is --config RUN_DIR/config.toml, or the --preset and --set that fit"
        }
        CheckpointError::InvalidFile { .. } => {
            "give a .safetensors file of f32, as `ebm export` writes it"
        }
        other => return train::of_checkpoint(other).map(with_output),
    };
    Some(remedy.to_owned())
}

/// The remedy where no run directory can be made of the weights.
fn of_new_run(error: &TrainError) -> Option<String> {
    let remedy = match error {
        TrainError::Config(ConfigError::Invalid(_)) => {
            "choose the --preset, --set model.network or --image-size that fits"
        }
        TrainError::ConfigChanged { .. } => "choose another --output",
        other => return train::of_training(other).map(with_output),
    };
    Some(remedy.to_owned())
}

/// A remedy of training, for a command that names its run directory with another flag.
fn with_output(remedy: String) -> String {
    remedy.replace("--run-dir", "--output")
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_directory_that_cannot_be_made_is_mended_by_the_flag_of_import() {
        let (path, cause) = (PathBuf::from("back"), ErrorKind::PermissionDenied.into());
        let of = |error: ImportError| of_import(&error).unwrap_or_default();
        let written = of(CheckpointError::Write { path, cause }.into());
        assert_eq!(
            written,
            "make it writable or choose another place with --output"
        );
        let path = PathBuf::from("back");
        assert!(of(TrainError::NotARun { path }.into()).contains("--output"));
    }

    #[test]
    fn a_configuration_of_another_model_is_mended_by_the_values_of_the_file() {
        let difference = |key, in_file: &str, configured: &str| Difference {
            key,
            in_file: in_file.to_owned(),
            configured: configured.to_owned(),
        };
        let differences = vec![
            difference("model.network", "mnist", "uva"),
            difference("data.image_size", "32", "28"),
        ];
        let path = PathBuf::from("w.safetensors");
        assert_eq!(
            of_import(&ImportError::OtherModel { path, differences }).as_deref(),
            Some("pass --set model.network=mnist --image-size 32")
        );
    }

    #[test]
    fn weights_of_another_network_are_mended_by_their_configuration() {
        let name = "stem.weight".to_owned();
        let remedy = of_import(&CheckpointError::MissingArray { name }.into());
        assert!(remedy.is_some_and(|remedy| remedy.contains("--config")));
    }
}
