//! Hand a model's weights to PyTorch.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum, ValueHint};
use ebm_apply::exchange;

use crate::output::{check_output, say, write_output};
use crate::trained::TrainedArgs;

/// Write a model's weights for PyTorch, spectral norm folded in
///
/// The file's metadata hold a JSON object under the key `ebm`: the network, what it sees of a byte, the
/// size of its images, the names of its classes. docs/pytorch.md has a program that loads such a file.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    trained: TrainedArgs,

    /// Layout of the file
    #[arg(long, value_enum, default_value_t = Format::Safetensors)]
    format: Format,

    /// The file to write
    #[arg(long, value_name = "FILE.safetensors", value_hint = ValueHint::FilePath)]
    output: PathBuf,
}

/// Layouts of weights.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Tensors of f32 with PyTorch's names and layouts
    Safetensors,
}

impl ExportArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        let Format::Safetensors = self.format;
        check_output("--output", &self.output, &["safetensors"])?;
        let (trained, _) = self.trained.open(quiet)?;
        let bytes = exchange::to_safetensors(&trained, self.trained.weights());
        write_output(&self.output, &bytes)?;
        say(self.output.display())?;
        Ok(ExitCode::SUCCESS)
    }
}
