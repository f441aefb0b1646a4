//! Hand a model's weights to PyTorch.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use ebm_apply::exchange;

use crate::output::{check_output, say, write_output};
use crate::trained::TrainedArgs;

/// Write a model's weights for PyTorch, spectral norm folded in
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    trained: TrainedArgs,

    /// Layout of the file
    #[arg(long, value_enum, default_value_t = Format::Safetensors)]
    format: Format,

    /// The file to write
    #[arg(long, value_name = "FILE.safetensors")]
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
        let energy = trained.energy(self.trained.weights());
        let bytes = exchange::to_safetensors(&energy, trained.shape().channels);
        write_output(&self.output, &bytes)?;
        say(self.output.display())?;
        Ok(ExitCode::SUCCESS)
    }
}
