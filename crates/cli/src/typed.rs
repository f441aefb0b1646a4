//! Name what was typed on the command line where a configuration cannot be used.

use ebm_core::Invalid;
use ebm_train::ConfigError;
use thiserror::Error;

/// A word of the command line that cannot be used.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct Mistyped(pub(crate) String);

/// Name the flag where the error is in one of these `key=value` overrides of `--set`.
pub(crate) fn as_typed(error: ConfigError, overrides: &[String]) -> ConfigError {
    name_typed(error, overrides, |assignment| format!("--set {assignment}"))
}

/// Name what was `typed` for an override where the error is in it, or in the value of its key.
pub(crate) fn name_typed(
    error: ConfigError,
    overrides: &[String],
    typed: impl Fn(&str) -> String,
) -> ConfigError {
    match error {
        ConfigError::Malformed { origin, problem } => {
            let is_it = |assignment: &&String| origin == format!("`{assignment}`");
            let found = overrides.iter().find(is_it);
            let found = found.map(|assignment| typed(assignment));
            ConfigError::Malformed {
                origin: found.unwrap_or(origin),
                problem,
            }
        }
        ConfigError::Invalid(invalid) => {
            let sets_it = |assignment: &&String| sets(assignment, &invalid.key);
            match overrides.iter().rfind(sets_it) {
                Some(assignment) => blame(&invalid, typed(assignment)),
                None => ConfigError::Invalid(invalid),
            }
        }
        other => other,
    }
}

/// The error of a key as one of what was `typed`, which makes it impossible.
pub(crate) fn blame(invalid: &Invalid, typed: String) -> ConfigError {
    ConfigError::Malformed {
        origin: typed,
        problem: format!("`{}` {}", invalid.key, invalid.problem),
    }
}

/// Whether an assignment sets a key, or the section or the list that it is in.
fn sets(assignment: &str, key: &str) -> bool {
    let rest = key.strip_prefix(split(assignment).0);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Key and value of an assignment.
pub(crate) fn split(assignment: &str) -> (&str, &str) {
    let (key, value) = assignment.split_once('=').unwrap_or((assignment, ""));
    (key.trim(), value.trim())
}

/// The flag that stands for an assignment, with its value.
pub(crate) fn flag_of(assignment: &str) -> String {
    match split(assignment) {
        ("data.skip_bad", _) => "--skip-bad".to_owned(),
        ("data.dir", dir) => format!("--data-dir {dir}"),
        (key, value) => {
            let name = key.rsplit('.').next().unwrap_or(key).replace('_', "-");
            format!("--{name} {value}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_value_is_blamed_on_what_was_typed_last_for_its_key() {
        let invalid = || ConfigError::from(Invalid::new("iterations", "must be at least 1, got 0"));
        let typed = ["iterations=5", "lr=1", "iterations = 0"].map(String::from);
        let message = as_typed(invalid(), &typed).to_string();
        let expected = "--set iterations = 0: `iterations` must be at least 1, got 0";
        assert_eq!(message, expected);
        let message = name_typed(invalid(), &typed[..1], flag_of).to_string();
        assert!(message.starts_with("--iterations 5: "), "{message}");
        let elsewhere = as_typed(invalid(), &typed[1..2]);
        assert!(matches!(elsewhere, ConfigError::Invalid(_)));
    }

    #[test]
    fn a_section_or_a_list_that_was_typed_is_blamed_for_the_keys_in_it() {
        let phases = "phases=[{ until = 0, set = [] }]";
        for (assignment, key, is_blamed) in [
            (phases, "phases[0].until", true),
            ("posterior={ every = 2 }", "posterior.temperature", true),
            ("model.width=3", "model.widths", false),
            ("=3", "lr", false),
        ] {
            let invalid = ConfigError::from(Invalid::new(key, "is impossible"));
            let error = as_typed(invalid, &[assignment.to_owned()]);
            let found = matches!(error, ConfigError::Malformed { .. });
            assert_eq!(found, is_blamed, "{assignment}");
        }
    }

    #[test]
    fn a_flag_is_the_last_part_of_its_key() {
        assert_eq!(flag_of("micro_batch=8"), "--micro-batch 8");
        assert_eq!(flag_of("data.image_size=32"), "--image-size 32");
        assert_eq!(flag_of("data.skip_bad=true"), "--skip-bad");
    }
}
