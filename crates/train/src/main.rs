//! Parse the command line, run it, turn the result into an exit code.

use std::process::ExitCode;

use clap::Parser;
use ebm_train::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.start_logging();
    match cli.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
