//! Turn what came of a command into an exit code, and say what went wrong.

use std::error::Error;
use std::io::ErrorKind;
use std::process::ExitCode;

use ebm_apply::UnknownClass;
use ebm_train::ConfigError;

use crate::device::DeviceError;
use crate::ranks::{self, Failure};
use crate::remedies::remedy;
use crate::typed::Mistyped;

/// What clap exits with where it cannot read the command line.
const WRONG_COMMAND_LINE: u8 = 2;

/// Say what went wrong, end the work with other ranks, and tell what to exit with.
pub fn end(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    let failure = match &outcome {
        Ok(_) => None,
        Err(error) if stopped_reading(error) => Some(Failure {
            code: 0,
            message: None,
        }),
        Err(error) => Some(failure_of(error)),
    };
    ranks::end(failure.as_ref());
    outcome.unwrap_or_else(|_| ExitCode::from(failure.map_or(0, |failure| failure.code)))
}

fn failure_of(error: &anyhow::Error) -> Failure {
    let remedy = remedy(error).map_or_else(String::new, |remedy| format!("; {remedy}"));
    Failure {
        code: exit_code(error),
        message: Some(format!("error: {error:#}{remedy}")),
    }
}

/// The exit code of an error: 2 where what was typed on the command line is wrong, else 1.
fn exit_code(error: &anyhow::Error) -> u8 {
    if error.chain().any(is_mistyped) {
        WRONG_COMMAND_LINE
    } else {
        1
    }
}

/// Whether all that went wrong is that nobody reads the results any more, as under `head`.
pub(crate) fn stopped_reading(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == ErrorKind::BrokenPipe)
}

/// Whether an error of a chain is about a word of the command line, and not about a file.
fn is_mistyped(cause: &(dyn Error + 'static)) -> bool {
    if let Some(error) = cause.downcast_ref::<ConfigError>() {
        return match error {
            ConfigError::UnknownPreset { .. } => true,
            // Named as it was typed, `--set key=value` for example; files and presets are not.
            ConfigError::Malformed { origin, .. } => origin.starts_with("--"),
            _ => false,
        };
    }
    if cause.is::<Mistyped>() || cause.is::<UnknownClass>() {
        return true;
    }
    let device = cause.downcast_ref::<DeviceError>();
    device.is_some_and(|error| matches!(error, DeviceError::Unknown(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_wrong_command_line(error: anyhow::Error) -> bool {
        error.chain().any(is_mistyped)
    }

    fn malformed(origin: &str) -> anyhow::Error {
        let (origin, problem) = (origin.to_owned(), "expected key=value".to_owned());
        ConfigError::Malformed { origin, problem }.into()
    }

    #[test]
    fn what_was_typed_is_a_wrong_command_line_below_a_context_too() {
        assert!(is_wrong_command_line(malformed("--set lr=fast")));
        let below = malformed("--iterations 0").context("cannot train");
        assert!(is_wrong_command_line(below));
        let (name, known) = ("nope".to_owned(), "digits".to_owned());
        let preset = ConfigError::UnknownPreset { name, known };
        assert!(is_wrong_command_line(preset.into()));
        let device = DeviceError::Unknown("gpu".to_owned());
        assert!(is_wrong_command_line(device.into()));
    }

    #[test]
    fn a_bad_file_or_a_machine_that_lacks_something_is_not() {
        assert!(!is_wrong_command_line(malformed("my.toml")));
        let device = DeviceError::NotCompiledIn("vulkan");
        assert!(!is_wrong_command_line(device.into()));
        assert!(!is_wrong_command_line(anyhow::anyhow!("no luck")));
    }
}
