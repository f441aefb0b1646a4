//! List the recipes, or print one.

use std::process::ExitCode;

use clap::Args;
use ebm_train::ConfigError;
use ebm_train::preset::{self, PRESETS};

use crate::output::{Table, say};

/// List the presets, or print one
#[derive(Args, Debug)]
pub(crate) struct PresetsArgs {
    /// The preset to print
    name: Option<String>,
}

impl PresetsArgs {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.name {
            Some(name) => say(text(name)?.trim_end())?,
            None => {
                let mut table = Table::new();
                for preset in PRESETS {
                    table.row([preset.name.to_owned(), preset.summary().to_owned()]);
                }
                say(table.render(2))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The TOML of a preset.
fn text(name: &str) -> Result<&'static str, ConfigError> {
    preset::text(name).ok_or_else(|| {
        let known: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
        ConfigError::UnknownPreset {
            name: name.to_owned(),
            known: known.join(", "),
        }
    })
}
