//! Take over weights from PyTorch, or from an exported model.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueHint};
use ebm_apply::{ImportError, exchange};

use crate::args::ConfigArgs;
use crate::output::say;

/// Make a run directory from a file of weights, as `ebm export` writes it
///
/// The configuration says which network the weights are for, and is refused where the file's metadata
/// say otherwise. The names of classes come from the metadata; a file without them is of a model without
/// classes.
///
/// The weights are taken as they are: spectral norm, if there was any, is part of them, and
/// switched off. The run directory can be sampled from, or trained on: ebm train --run-dir DIR.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Tensors of f32 with PyTorch's names and layouts
    #[arg(value_name = "FILE.safetensors", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    #[command(flatten)]
    config: ConfigArgs,

    /// The run directory to make
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
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
        let imported = exchange::import(&bytes, &self.file, &config, &self.output);
        let checkpoint = imported.map_err(|error| naming(&self.file, error))?;
        say(checkpoint.display())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The error, which names the file.
fn naming(file: &Path, error: ImportError) -> anyhow::Error {
    let file = file.display().to_string();
    let is_named = error.to_string().contains(&file);
    let error = anyhow::Error::from(error);
    if is_named {
        error
    } else {
        error.context(format!("cannot import {file}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_names_the_file_once() {
        let message = |error| format!("{:#}", naming(Path::new("w.safetensors"), error));
        let taken = ImportError::Taken {
            path: "back".into(),
        };
        let expected = "cannot import w.safetensors: back holds a run already";
        assert_eq!(message(taken), expected);
        let left_over = ImportError::LeftOver {
            path: "w.safetensors".into(),
            name: "bias".into(),
        };
        assert!(message(left_over).starts_with("w.safetensors holds `bias`"));
    }
}
