//! Open a trained model, shared by the commands that use one.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueHint};
use ebm_apply::{Trained, UnknownClass, Weights};

use crate::args::DeviceArgs;
use crate::device::ChosenDevice;
use crate::typed::Mistyped;

/// A trained model, and how it is used.
#[derive(Args, Debug)]
pub(crate) struct TrainedArgs {
    /// A run directory (its latest checkpoint is taken), a checkpoint, or a folder of `ebm export --format hf`
    #[arg(value_name = "RUN_OR_CHECKPOINT", value_hint = ValueHint::DirPath)]
    source: PathBuf,

    #[command(flatten)]
    usage: UsageArgs,
}

/// Which of a run's weights to use, and where to compute with them.
#[derive(Args, Debug)]
pub(crate) struct UsageArgs {
    #[command(flatten)]
    device: DeviceArgs,

    /// Take the checkpoint whose samples were nearest to the data, of a run with `--keep-best`
    #[arg(long)]
    best: bool,

    /// Use the last weights instead of their moving average
    #[arg(long)]
    no_ema: bool,
}

impl TrainedArgs {
    /// The model on the device that was asked for, which is named unless `quiet`.
    pub(crate) fn open(&self, quiet: bool) -> anyhow::Result<(Trained, ChosenDevice)> {
        let chosen = self.usage.device(quiet)?;
        Ok((self.usage.open(&self.source, &chosen)?, chosen))
    }

    /// Which of the weights to use.
    pub(crate) fn weights(&self) -> Weights {
        self.usage.weights()
    }
}

impl UsageArgs {
    /// The device that was asked for, which is named unless `quiet`.
    pub(crate) fn device(&self, quiet: bool) -> anyhow::Result<ChosenDevice> {
        let chosen = self.device.device.select()?;
        if !quiet {
            tell!("device: {}", chosen.description);
        }
        Ok(chosen)
    }

    /// The model of a run, a checkpoint or an exported folder.
    pub(crate) fn open(&self, source: &Path, chosen: &ChosenDevice) -> anyhow::Result<Trained> {
        let trained = if self.best {
            Trained::open_best(source, &chosen.device)?
        } else {
            Trained::open(source, &chosen.device)?
        };
        if self.no_ema {
            trained.require(Weights::Last)?;
        }
        Ok(trained)
    }

    /// Refuse to choose among weights where no run is named by `flag`.
    pub(crate) fn refuse_weights(&self, flag: &str) -> anyhow::Result<()> {
        for (asked, name) in [(self.best, "--best"), (self.no_ema, "--no-ema")] {
            if asked {
                let problem =
                    format!("{name} chooses among the weights of a run: name one with {flag}");
                return Err(Mistyped(problem).into());
            }
        }
        Ok(())
    }

    /// Which of the weights to use.
    pub(crate) fn weights(&self) -> Weights {
        if self.no_ema {
            Weights::Last
        } else {
            Weights::Average
        }
    }
}

/// Where things of a model are kept: its run, or its exported folder.
pub(crate) fn home(trained: &Trained) -> PathBuf {
    match trained.only_weights() {
        Some(_) => trained.checkpoint().to_owned(),
        None => run_dir(trained.checkpoint()),
    }
}

/// The run of a checkpoint; of one that lies elsewhere, the folder that holds it.
fn run_dir(checkpoint: &Path) -> PathBuf {
    let checkpoint = checkpoint
        .canonicalize()
        .unwrap_or_else(|_| checkpoint.to_owned());
    let folder = checkpoint.parent().unwrap_or(&checkpoint);
    match folder.parent() {
        Some(run) if folder.ends_with("checkpoints") => run.to_owned(),
        _ => folder.to_owned(),
    }
}

/// The class of this name or number, as given to `flag`.
pub(crate) fn class(trained: &Trained, flag: &str, text: &str) -> anyhow::Result<u32> {
    let found = trained.class(text);
    found.with_context(|| format!("{flag} {text}"))
}

/// Refuse what is about classes where the model knows none.
pub(crate) fn require_classes(trained: &Trained, asked: &str) -> anyhow::Result<()> {
    if trained.num_classes() == 0 {
        return Err(UnknownClass::NoClasses).context(asked.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_of_a_checkpoint_is_its_run_and_that_of_a_loose_one_its_folder() {
        assert_eq!(
            run_dir(Path::new("/none/run/checkpoints/step_000002")),
            Path::new("/none/run")
        );
        assert_eq!(run_dir(Path::new("/none/step_000002")), Path::new("/none"));
    }
}
