//! Parse the command line, run it, turn the result into an exit code.

use std::process::ExitCode;

use ebm_cli::{Cli, end, keep_freed};

fn main() -> ExitCode {
    keep_freed();
    let cli = Cli::of_command_line();
    end(cli.start().and_then(|()| cli.run()))
}
