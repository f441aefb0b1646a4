//! Take over weights from PyTorch, or from an exported model.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use ebm_apply::exchange;

use crate::args::ConfigArgs;
use crate::output::say;

/// Make a run directory from a file of weights, as `ebm export` writes it
///
/// The weights are taken as they are: spectral norm, if there was any, is part of them, and
/// switched off. The run directory can be sampled from, or trained on under the same configuration
/// (with --set model.spectral_norm=false where the network would have it).
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Tensors of f32 with PyTorch's names and layouts
    #[arg(value_name = "FILE.safetensors")]
    file: PathBuf,

    #[command(flatten)]
    config: ConfigArgs,

    /// The run directory to make
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

impl ImportArgs {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut config = self.config.resolve(Vec::new())?;
        if config.model.has_spectral_norm() {
            config.model.spectral_norm = Some(false);
        }
        let bytes = std::fs::read(&self.file)
            .with_context(|| format!("cannot read {}", self.file.display()))?;
        let checkpoint = exchange::import(&bytes, &self.file, &config, &self.output)?;
        say(checkpoint.display())?;
        Ok(ExitCode::SUCCESS)
    }
}
