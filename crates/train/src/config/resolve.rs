//! Resolve a configuration: preset, then file, then `key=value`, then validation.

use std::path::Path;

use toml::{Table, Value};

use super::error::ConfigError;
use super::keys::Key;
use super::preset;
use super::settings::Config;

impl Config {
    /// The configuration of a preset, a file and `key=value` overrides, validated.
    ///
    /// # Errors
    /// Names the preset, file or assignment that is wrong, and the key.
    pub fn resolve(
        preset: &str,
        file: Option<&Path>,
        overrides: &[String],
    ) -> Result<Self, ConfigError> {
        let origin = format!("preset `{preset}`");
        let table = parse_table(preset::text(preset)?, &origin)?;
        let config = Self::laid_over(table, &origin, file, overrides)?;
        config.validate()?;
        Ok(config)
    }

    /// The preset to start from where neither one nor a file is named: what `key=value` overrides say of the
    /// data decides.
    ///
    /// # Errors
    /// Names the assignment that is wrong, and the key.
    pub fn preset_for_data(overrides: &[String]) -> Result<&'static str, ConfigError> {
        let origin = format!("preset `{}`", preset::DEFAULT);
        let table = parse_table(preset::text(preset::DEFAULT)?, &origin)?;
        let config = Self::laid_over(table, &origin, None, overrides)?;
        Ok(if config.data.is_in_colour() {
            preset::DEFAULT_IN_COLOUR
        } else {
            preset::DEFAULT
        })
    }

    /// This configuration with a file and `key=value` overrides laid over it, validated.
    ///
    /// # Errors
    /// Names the file or assignment that is wrong, and the key.
    pub fn resolve_over(
        &self,
        file: Option<&Path>,
        overrides: &[String],
    ) -> Result<Self, ConfigError> {
        let config = self.unvalidated_over(file, overrides)?;
        config.validate()?;
        Ok(config)
    }

    /// [`resolve_over`](Self::resolve_over), of a part of a run.
    pub(super) fn part_over(&self, overrides: &[String]) -> Result<Self, ConfigError> {
        let config = self.unvalidated_over(None, overrides)?;
        config.validate_part()?;
        Ok(config)
    }

    /// [`resolve_over`](Self::resolve_over) without validation.
    pub(super) fn unvalidated_over(
        &self,
        file: Option<&Path>,
        overrides: &[String],
    ) -> Result<Self, ConfigError> {
        let origin = "the run's configuration";
        let table = parse_table(&self.to_toml(), origin)?;
        Self::laid_over(table, origin, file, overrides)
    }

    /// A configuration with others laid over it, not validated.
    fn laid_over(
        mut table: Table,
        base: &str,
        file: Option<&Path>,
        overrides: &[String],
    ) -> Result<Self, ConfigError> {
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable {
                path: path.to_owned(),
                cause,
            })?;
            let origin = path.display().to_string();
            let over = parse_table(&text, &origin)?;
            deserialize(over.clone(), &origin)?;
            merge(&mut table, over);
        }
        for assignment in overrides {
            let origin = format!("`{assignment}`");
            apply_override(&mut table, assignment, &origin)?;
            deserialize(table.clone(), &origin)?;
        }
        deserialize(table, base)
    }

    /// The configuration that a run directory or checkpoint holds.
    ///
    /// # Errors
    /// Where `text` is not a valid configuration; `origin` names it in the message.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let config = deserialize(parse_table(text, origin)?, origin)?;
        config.validate()?;
        Ok(config)
    }
}

fn parse_table(text: &str, origin: &str) -> Result<Table, ConfigError> {
    text.parse::<Table>()
        .map_err(|error| malformed(origin, error.to_string()))
}

fn deserialize(table: Table, origin: &str) -> Result<Config, ConfigError> {
    table
        .try_into::<Config>()
        .map_err(|error| malformed(origin, error.to_string()))
}

pub(super) fn malformed(origin: &str, problem: String) -> ConfigError {
    ConfigError::Malformed {
        origin: origin.to_owned(),
        problem: in_plain_words(problem.trim().replace('\n', " ")),
    }
}

/// A message of the parser without the names of this program's types.
fn in_plain_words(mut message: String) -> String {
    for (typed, plain) in [
        ("expected usize", "expected a whole number"),
        ("expected u32", "expected a whole number"),
        ("expected u64", "expected a whole number"),
        ("expected f64", "expected a number"),
        ("expected path string", "expected a text"),
        (
            "expected a sequence",
            "expected a list, as in [32, 64] or [\"crop\", \"flip\"]",
        ),
        ("unknown field", "unknown key"),
        ("unknown variant", "unknown value"),
        (
            "u64 value was too large",
            "a number above 9223372036854775807 stands in quotes, as in seed = \"18446744073709551615\"",
        ),
        ("invalid type: ", ""),
        ("invalid value: ", ""),
    ] {
        message = message.replace(typed, plain);
    }
    while let Some(start) = message.find("expected struct ") {
        let rest = &message[start + "expected struct ".len()..];
        let name = rest.split_whitespace().next().unwrap_or_default();
        message = message.replace(&format!("expected struct {name}"), "expected a section");
    }
    message
}

/// Set one dotted key. The value is TOML, or a bare string; `none` removes an optional key.
fn apply_override(table: &mut Table, assignment: &str, origin: &str) -> Result<(), ConfigError> {
    let (path, value) = assignment.split_once('=').ok_or_else(|| {
        let problem = "expected key=value, for example langevin.num_steps=40";
        malformed(origin, problem.into())
    })?;
    let (path, value) = (path.trim(), value.trim());
    if value == "none" {
        require_optional(path, origin)?;
        let (section, key) = section_of(table, path, origin)?;
        section.remove(key);
        return Ok(());
    }
    // An unknown key is refused where the table becomes a configuration.
    let (section, key) = section_of(table, path, origin)?;
    section.insert(key.to_owned(), toml_value(value));
    Ok(())
}

/// The section of a dotted key, made where it is missing, and the key's name in it.
fn section_of<'t, 'p>(
    table: &'t mut Table,
    path: &'p str,
    origin: &str,
) -> Result<(&'t mut Table, &'p str), ConfigError> {
    let (sections, key) = path.rsplit_once('.').unwrap_or(("", path));
    let mut section = table;
    for name in sections.split('.').filter(|name| !name.is_empty()) {
        let entry = section
            .entry(name)
            .or_insert_with(|| Value::Table(Table::new()));
        section = entry
            .as_table_mut()
            .ok_or_else(|| malformed(origin, format!("`{name}` is not a section")))?;
    }
    Ok((section, key))
}

/// Refuse a key that a configuration must have, or that it does not know.
fn require_optional(path: &str, origin: &str) -> Result<(), ConfigError> {
    let keys = Config::keys();
    let is_section = keys
        .iter()
        .any(|key| key.name.starts_with(&format!("{path}.")));
    let problem = match keys.iter().find(|key| key.name == path) {
        Some(key) if key.is_optional => return Ok(()),
        None if !is_section => unknown(path, &keys),
        _ => format!("`{path}` is not optional"),
    };
    Err(malformed(origin, problem))
}

/// What to say of a key that nobody knows: those that its section has.
fn unknown(path: &str, keys: &[Key]) -> String {
    let section = path.rfind('.').map_or("", |dot| &path[..=dot]);
    let known = keys.iter().filter_map(|key| {
        let name = key.name.strip_prefix(section)?;
        Some(format!("`{}`", name.split('.').next().unwrap_or(name)))
    });
    let mut known: Vec<String> = known.collect();
    known.dedup();
    format!("unknown key `{path}`, expected one of {}", known.join(", "))
}

/// `value` as TOML where it is TOML, else as a string.
fn toml_value(value: &str) -> Value {
    let parsed = format!("v = {value}").parse::<Table>().ok();
    let parsed = parsed.and_then(|mut table| table.remove("v"));
    parsed.unwrap_or_else(|| Value::String(value.to_owned()))
}

/// Lay `over` on `base`, section by section. What is a section is known from the keys; any other table, like a
/// schedule, replaces what was there whole.
fn merge(base: &mut Table, over: Table) {
    let keys = Config::keys();
    for (name, value) in over {
        let is_section = keys.iter().any(|key| key.section() == name);
        match (base.get_mut(&name), value) {
            (Some(Value::Table(base)), Value::Table(over)) if is_section => base.extend(over),
            (_, value) => {
                base.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ebm_core::{Schedule, Varying};

    use super::*;
    use crate::config::ObjectiveKind;

    fn with_file(text: &str) -> Config {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("recipe.toml");
        std::fs::write(&path, text).expect("written");
        Config::resolve("digits", Some(&path), &[]).expect("resolves")
    }

    fn with(assignment: &str) -> Result<Config, String> {
        let overrides = ["micro_batch=8", "langevin.grad_clip=0.5", assignment];
        let config = Config::resolve("digits", None, &overrides.map(String::from));
        config.map_err(|error| error.to_string())
    }

    #[test]
    fn a_kind_of_loss_leaves_the_other_keys_of_its_section() {
        let mut table =
            parse_table("[objective]\nkind = \"cd\"\nsharpness = 4.0", "").expect("TOML");
        let over = parse_table("[objective]\nkind = \"softplus\"", "").expect("TOML");
        merge(&mut table, over);
        let config = deserialize(table, "").expect("a configuration");
        assert_eq!(config.objective.kind, ObjectiveKind::Softplus);
        assert_eq!(config.objective.sharpness, 4.0);
    }

    #[test]
    fn a_section_that_is_written_where_it_says_something_is_laid_over_key_by_key() {
        let mut table = parse_table("[posterior]\nburn_in = 7\nevery = 2", "").expect("TOML");
        let over = parse_table("[posterior]\nevery = 3", "").expect("TOML");
        merge(&mut table, over);
        let config = deserialize(table, "").expect("a configuration");
        assert_eq!((config.posterior.burn_in, config.posterior.every), (7, 3));
        assert!(!Config::default().to_toml().contains("posterior"));
    }

    #[test]
    fn a_schedule_replaces_a_schedule_whole() {
        let first = "lr = { kind = \"cyclic\", start = 1.0, cycles = 3 }";
        let mut table = parse_table(first, "").expect("TOML");
        let over = "lr = { kind = \"linear\", start = 1.0, end = 0.5 }";
        merge(&mut table, parse_table(over, "").expect("TOML"));
        let config = deserialize(table, "").expect("a configuration");
        let (start, end) = (1.0, 0.5);
        assert_eq!(config.lr, Schedule::Varying(Varying::Linear { start, end }));
    }

    #[test]
    fn a_file_changes_what_it_names_and_nothing_else() {
        let usual = Config::resolve("digits", None, &[]).expect("resolves");
        let config = with_file("[langevin]\nnum_steps = 7");
        assert_eq!(config.langevin.num_steps, 7);
        let mut expected = usual;
        expected.langevin.num_steps = 7;
        assert_eq!(config, expected);
    }

    #[test]
    fn none_removes_any_optional_key_and_no_other() {
        assert_eq!(
            with("micro_batch=none").expect("optional").micro_batch,
            None
        );
        let config = with("langevin.grad_clip = none").expect("optional");
        assert_eq!(config.langevin.grad_clip, None);
        for (key, problem) in [
            ("batch_size", "not optional"),
            ("langevin", "not optional"),
            ("langevin.num_stepz", "unknown key"),
            ("langevinn.num_steps", "unknown key"),
            ("langevin.num_steps.x", "unknown key"),
        ] {
            let message = with(&format!("{key}=none")).expect_err("refused");
            assert!(message.contains(problem), "{key}: {message}");
        }
    }

    #[test]
    fn messages_have_no_names_of_types() {
        for (assignment, expected) in [
            (
                "batch_size=many",
                "string \"many\", expected a whole number",
            ),
            ("batch_size=-1", "integer `-1`, expected a whole number"),
            ("energy_l2=x", "string \"x\", expected a number"),
            ("langevin=3", "integer `3`, expected a section"),
            ("data.dir=3", "expected a text"),
            ("buffer.augment=crop", "expected a list"),
            (
                "langevin.num_stepz=3",
                "unknown key `num_stepz`, expected one of",
            ),
            (
                "langevin.method=nuts",
                "unknown value `nuts`, expected one of",
            ),
        ] {
            let message = with(assignment).expect_err("refused");
            assert!(message.contains(expected), "{assignment}: {message}");
            for typed in ["usize", "u64", "f64", "struct", "field", "variant"] {
                assert!(!message.contains(typed), "{assignment}: {message}");
            }
        }
    }
}
