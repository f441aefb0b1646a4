//! Hand a trained model on: its weights to PyTorch, or all of it to the Hugging Face Hub.

mod card;
mod classifier;
mod folder;
mod history;
mod recipe;
mod results;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum, ValueHint};
use ebm_apply::exchange;

use crate::output::{check_new_folder, check_output, say, write_folder, write_output};
use crate::trained::TrainedArgs;

/// Write a model's weights for PyTorch, or the whole model for the Hugging Face Hub
///
/// Spectral norm is folded into the weights. The file's metadata hold a JSON object under the key `ebm`: the network,
/// what it sees of a byte, the size of its images, the names of its classes. docs/pytorch.md has a program that loads
/// such a file.
///
/// With --format hf a folder is written that takes the place of a run: model.safetensors, config.json, a model card
/// (README.md) and the newest picture of samples. Replay buffer, optimizer and the other weights stay with the run.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    trained: TrainedArgs,

    /// Layout of what is written
    #[arg(long, value_enum, default_value_t = Format::Safetensors)]
    format: Format,

    /// The file to write; with --format hf a new or empty folder
    #[arg(long, value_name = "FILE.safetensors|DIR", value_hint = ValueHint::AnyPath)]
    output: PathBuf,
}

/// Layouts of a model.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A file of tensors of f32 with PyTorch's names and layouts
    Safetensors,
    /// A folder as the Hugging Face Hub expects it
    Hf,
}

impl ExportArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        match self.format {
            Format::Safetensors => check_output("--output", &self.output, &["safetensors"])?,
            Format::Hf => check_new_folder("--output", &self.output)?,
        }
        let (trained, _) = self.trained.open(quiet)?;
        let weights = self.trained.weights();
        match self.format {
            Format::Safetensors => {
                let bytes = exchange::to_safetensors(&trained, weights);
                write_output(&self.output, &bytes)?;
            }
            Format::Hf => write_folder(&self.output, &folder::files(&trained, weights)?)?,
        }
        say(self.output.display())?;
        Ok(ExitCode::SUCCESS)
    }
}
