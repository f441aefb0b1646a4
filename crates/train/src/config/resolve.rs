//! Resolve a configuration: preset, then file, then `key=value`, then validation.

use std::path::Path;

use toml::{Table, Value};

use super::changes::flat;
use super::error::ConfigError;
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
        let mut table = parse_table(preset::text(preset)?, &format!("preset `{preset}`"))?;
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
        let config = deserialize(table, &format!("preset `{preset}`"))?;
        config.validate()?;
        Ok(config)
    }

    /// This configuration with `key=value` overrides of the sampler, validated.
    ///
    /// # Errors
    /// Names the assignment that is wrong, or a key outside `[langevin]`.
    pub fn with_sampler_overrides(&self, overrides: &[String]) -> Result<Self, ConfigError> {
        let mut table = parse_table(&self.to_toml(), "the run's configuration")?;
        for assignment in overrides {
            let origin = format!("`{assignment}`");
            if !assignment.trim_start().starts_with("langevin.") {
                let problem = "only keys of langevin can be changed here".into();
                return Err(malformed(&origin, problem));
            }
            apply_override(&mut table, assignment, &origin)?;
            deserialize(table.clone(), &origin)?;
        }
        let config = deserialize(table, "the run's configuration")?;
        config.validate()?;
        Ok(config)
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

fn malformed(origin: &str, problem: String) -> ConfigError {
    ConfigError::Malformed {
        origin: origin.to_owned(),
        problem: problem.trim().replace('\n', " "),
    }
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

/// Refuse a key that a configuration must have, or that it does not know: what an optional key lacks
/// by default, every other one has.
fn require_optional(path: &str, origin: &str) -> Result<(), ConfigError> {
    let by_default = flat(&Config::default());
    let is_section = |key: &String| key.starts_with(&format!("{path}."));
    if by_default.contains_key(path) || by_default.keys().any(is_section) {
        return Err(malformed(origin, format!("`{path}` is not optional")));
    }
    let mut alone = Table::new();
    let (section, key) = section_of(&mut alone, path, origin)?;
    // Whatever the type of a key that is known, the error is another one.
    section.insert(key.to_owned(), Value::String(String::new()));
    match alone.try_into::<Config>() {
        Err(error) if error.to_string().contains("unknown field") => {
            Err(malformed(origin, error.to_string()))
        }
        _ => Ok(()),
    }
}

/// `value` as TOML where it is TOML, else as a string.
fn toml_value(value: &str) -> Value {
    let parsed = format!("v = {value}").parse::<Table>().ok();
    let parsed = parsed.and_then(|mut table| table.remove("v"));
    parsed.unwrap_or_else(|| Value::String(value.to_owned()))
}

/// Lay `over` on `base`, section by section. What is a section is known from the default
/// configuration; any other table, like a schedule, replaces what was there whole.
fn merge(base: &mut Table, over: Table) {
    let by_default = parse_table(&Config::default().to_toml(), "the default configuration");
    merge_sections(base, over, &by_default.unwrap_or_default());
}

fn merge_sections(base: &mut Table, over: Table, by_default: &Table) {
    for (key, value) in over {
        let section = by_default.get(&key).and_then(Value::as_table);
        match (base.get_mut(&key), value, section) {
            (Some(Value::Table(base)), Value::Table(over), Some(section)) => {
                merge_sections(base, over, section);
            }
            (_, value, _) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ebm_core::{Schedule, Varying};

    use super::*;
    use crate::objective::contrastive::LossKind;

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
        assert_eq!(config.objective.kind, LossKind::Softplus);
        assert_eq!(config.objective.sharpness, 4.0);
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

    /// The keys of a section, or of the whole for "", as the error for an unknown one lists them.
    fn keys_of(section: &str) -> Vec<String> {
        let header = match section {
            "" => String::new(),
            section => format!("[{section}]\n"),
        };
        let table = parse_table(&format!("{header}nobody = 1"), "").expect("TOML");
        let error = table.try_into::<Config>().expect_err("an unknown key");
        let text = error.to_string();
        let (_, known) = text.split_once("expected ").expect("a list");
        let list = known.lines().next().unwrap_or_default();
        let names = list.split('`').skip(1).step_by(2);
        names.map(String::from).collect()
    }

    #[test]
    fn every_key_is_explained_where_the_recipes_are() {
        let explained = include_str!("../../../../docs/recipes.md");
        let by_default = parse_table(&Config::default().to_toml(), "").expect("TOML");
        let mut keys = Vec::new();
        for name in keys_of("") {
            match by_default.get(&name).and_then(Value::as_table) {
                Some(_) => keys.extend(keys_of(&name).iter().map(|key| format!("{name}.{key}"))),
                None => keys.push(name),
            }
        }
        assert!(
            keys.contains(&"model.centered_input".to_owned()),
            "{keys:?}"
        );
        keys.retain(|key| !explained.contains(&format!("`{key}`")));
        assert!(keys.is_empty(), "not explained: {keys:?}");
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
            ("langevin.num_stepz", "unknown field"),
            ("langevinn.num_steps", "unknown field"),
            ("langevin.num_steps.x", "not"),
        ] {
            let message = with(&format!("{key}=none")).expect_err("refused");
            assert!(message.contains(problem), "{key}: {message}");
        }
    }
}
