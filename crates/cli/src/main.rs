//! Parse the command line, run it, turn the result into an exit code.

use std::io::{Write, stderr};
use std::process::ExitCode;

use ebm_cli::{Cli, exit_code, keep_freed, remedy, stopped_reading};

fn main() -> ExitCode {
    keep_freed();
    let cli = Cli::of_command_line();
    cli.start_logging();
    match cli.run() {
        Ok(code) => code,
        Err(error) if stopped_reading(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let remedy = remedy(&error).map_or_else(String::new, |remedy| format!("; {remedy}"));
            // Nobody may read it, and the exit code tells.
            let _ = writeln!(stderr(), "error: {error:#}{remedy}");
            exit_code(&error)
        }
    }
}
