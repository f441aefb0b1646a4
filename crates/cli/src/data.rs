//! Look at data sets, and pack them.

mod pack;
mod preview;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use pack::PackArgs;
use preview::PreviewArgs;

/// Look at data sets, and pack them
#[derive(Args, Debug)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    Preview(PreviewArgs),
    Pack(PackArgs),
}

impl DataArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        match &self.command {
            DataCommand::Preview(args) => args.run(quiet),
            DataCommand::Pack(args) => args.run(quiet),
        }
    }
}
