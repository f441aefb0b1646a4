//! Print a whole configuration, and what its keys mean.

use std::process::ExitCode;

use clap::Args;
use ebm_train::{Config, preset};

use crate::choices::preset_parser;
use crate::output::say;

/// Print the whole configuration of a preset, as TOML that `--config` takes
#[derive(Args, Debug)]
pub(crate) struct ConfigCommandArgs {
    /// Recipe to print; `ebm presets` lists them
    #[arg(
        value_name = "PRESET",
        default_value = preset::DEFAULT,
        value_parser = preset_parser(),
        hide_possible_values = true
    )]
    preset: String,

    /// Say of each key what it means, its type and range, and its default
    #[arg(long)]
    describe: bool,
}

impl ConfigCommandArgs {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let config = Config::resolve(&self.preset, None, &[])?;
        let text = if self.describe {
            config.to_description()
        } else {
            config.to_listing()
        };
        say(text.trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}
