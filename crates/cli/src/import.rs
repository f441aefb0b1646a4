//! Take over weights from PyTorch, or a model from an exported folder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueHint};
use ebm_apply::ImportError;
use ebm_apply::exchange::hub::Exported;
use ebm_apply::exchange::{self, folded};
use ebm_train::Config;

use crate::args::ConfigArgs;
use crate::output::say;

/// Make a run directory from a file of weights or a folder, as `ebm export` writes them
///
/// A folder (`ebm export --format hf`) has the configuration of its run, in which --set replaces keys. The run that is
/// made stands where that run stood, with new chains and a new optimizer, and goes on with the data of that run; or, to
/// be tuned to others, with those that --dataset and --data-dir name.
///
/// For a file, the configuration says which network the weights are for, and is refused where the file's metadata
/// say otherwise. The names of classes come from the metadata; a file without them is of a model without
/// classes.
///
/// The weights are taken as they are: spectral norm, if there was any, is part of them, and
/// switched off. The run directory can be sampled from, or trained on: ebm train --run-dir DIR.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Tensors of f32 with PyTorch's names and layouts, or an exported folder
    #[arg(value_name = "FILE.safetensors|DIR", value_hint = ValueHint::AnyPath)]
    source: PathBuf,

    #[command(flatten)]
    config: ConfigArgs,

    /// The run directory to make
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    output: PathBuf,
}

impl ImportArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        let mut notice = None;
        let imported = if self.source.is_dir() {
            let exported = Exported::read(&self.source)?;
            let config = self
                .config
                .resolve_over(Some(&exported.config()), Vec::new())?;
            let config = exported.in_own_shape(folded(config));
            notice = self.of_data(&exported, &config);
            exported.import(&config, &self.output)
        } else {
            let config = folded(self.config.resolve(Vec::new())?);
            let bytes = std::fs::read(&self.source)
                .with_context(|| format!("cannot read {}", self.source.display()))?;
            exchange::import(&bytes, &self.source, &config, &self.output)
        };
        let checkpoint = imported.map_err(|error| naming(&self.source, error))?;
        say(checkpoint.display())?;
        if let (Some(notice), false) = (notice, quiet) {
            tell!("{notice}");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What to say of the data that a run was made of a model goes on with; nothing where nobody knows those of the model.
    fn of_data(&self, exported: &Exported, config: &Config) -> Option<String> {
        let num = exported.data().identity?.num;
        let (source, run) = (self.source.display(), self.output.display());
        let has_learned =
            format!("the model has learned from {num} training images; {run} goes on");
        if exported.is_for_named_data(config) {
            return Some(format!("{has_learned} with the data that were named"));
        }
        let iterations = own_iterations(exported);
        Some(format!(
            "{has_learned} with these alone. To tune it to pictures of your own: \
             ebm import {source} --output NEW --dataset folder --data-dir PICTURES --set iterations={iterations}"
        ))
    }
}

/// Iterations with which a model that has been trained goes on for as many as its recipe has.
fn own_iterations(exported: &Exported) -> u64 {
    exported.iteration() + exported.config().iterations as u64
}

/// The error, which names the file or folder.
fn naming(source: &Path, error: ImportError) -> anyhow::Error {
    let source = source.display().to_string();
    let is_named = error.to_string().contains(&source);
    let error = anyhow::Error::from(error);
    if is_named {
        error
    } else {
        error.context(format!("cannot import {source}"))
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
