//! List the recipes, or print one.

use std::process::ExitCode;

use clap::Args;

use crate::preset;

/// List the presets, or print one
#[derive(Args, Debug)]
pub(super) struct PresetsArgs {
    /// The preset to print
    name: Option<String>,
}

impl PresetsArgs {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.name {
            Some(name) => print!("{}", preset::text(name)?),
            None => {
                for preset in preset::PRESETS {
                    println!("{:<12} {}", preset.name, preset.summary());
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
