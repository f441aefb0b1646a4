//! Turn an error into an exit code.

use std::error::Error;
use std::io::ErrorKind;
use std::process::ExitCode;

use ebm_apply::UnknownClass;
use ebm_train::ConfigError;

use crate::device::DeviceError;
use crate::typed::Mistyped;

/// What clap exits with where it cannot read the command line.
const WRONG_COMMAND_LINE: u8 = 2;

/// The exit code of an error: 2 where what was typed on the command line is wrong, else 1.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.chain().any(is_mistyped) {
        ExitCode::from(WRONG_COMMAND_LINE)
    } else {
        ExitCode::FAILURE
    }
}

/// Whether all that went wrong is that nobody reads the results any more, as under `head`.
pub fn stopped_reading(error: &anyhow::Error) -> bool {
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
