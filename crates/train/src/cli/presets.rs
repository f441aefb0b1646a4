//! List the recipes, or print one.

use std::process::ExitCode;

use clap::Args;

use super::say;
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
            Some(name) => say(preset::text(name)?.trim_end())?,
            None => {
                for preset in preset::PRESETS {
                    say(format_args!("{:<12} {}", preset.name, preset.summary()))?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
