//! List the recipes, or print one.

use std::process::ExitCode;

use clap::Args;
use ebm_train::preset::{self, PRESETS};

use crate::choices::preset_parser;
use crate::output::{Table, say};

/// List the presets, or print one
#[derive(Args, Debug)]
pub(crate) struct PresetsArgs {
    /// The preset to print
    #[arg(value_parser = preset_parser(), hide_possible_values = true)]
    name: Option<String>,
}

impl PresetsArgs {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.name {
            Some(name) => say(preset::text(name)?.trim_end())?,
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
