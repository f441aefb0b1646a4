//! Hand a model's weights to PyTorch.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::trained::TrainedArgs;
use super::{require_extension, say};
use crate::atomic_file::write_atomically;
use crate::weights;

/// Write a model's weights for PyTorch, spectral norm folded in
#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    trained: TrainedArgs,

    /// Layout of the file
    #[arg(long, value_enum, default_value_t = Format::Safetensors)]
    format: Format,

    /// The file to write
    #[arg(long, value_name = "FILE.safetensors")]
    output: PathBuf,

    /// Write the moving average of the weights instead of the last ones
    #[arg(long)]
    ema: bool,
}

/// Layouts of weights.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Tensors of f32 with PyTorch's names and layouts
    Safetensors,
}

impl ExportArgs {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let Format::Safetensors = self.format;
        require_extension("--output", &self.output, &["safetensors"])?;
        let model = self.trained.open()?.model(self.ema);
        let bytes = weights::to_safetensors(&model);
        write_atomically(&self.output, &bytes)
            .with_context(|| format!("cannot write {}", self.output.display()))?;
        say(self.output.display())?;
        Ok(ExitCode::SUCCESS)
    }
}
