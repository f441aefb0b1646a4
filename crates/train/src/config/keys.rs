//! List the keys of a configuration and what they mean, from the types that hold them.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::settings::Config;

/// A key of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its dotted name.
    pub name: String,
    /// What it means.
    pub meaning: String,
    /// Type and range of its values, in words.
    pub values: String,
    /// The values that it can have, with their meanings, where they are named.
    pub choices: Vec<(String, String)>,
    /// Whether it may have no value.
    pub is_optional: bool,
}

impl Key {
    /// The section that it is in; empty for one in none.
    pub fn section(&self) -> &str {
        self.name
            .rsplit_once('.')
            .map_or("", |(section, _)| section)
    }

    /// Its name within its section.
    pub fn short_name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }
}

impl Config {
    /// Every key, in the order of a configuration file, the optional ones of a section last.
    pub fn keys() -> Vec<Key> {
        let mut keys = Vec::new();
        walk("", &schema(), &mut keys);
        let written = written_order();
        for key in &mut keys {
            key.is_optional |= !written.contains(&key.name);
        }
        keys.sort_by_cached_key(|key| {
            let place = |name: &str| {
                let place = written.iter().position(|written| written == name);
                place.unwrap_or(usize::MAX)
            };
            (place(key.section()), place(&key.name))
        });
        keys
    }
}

/// Sections and keys as a configuration writes them, the section without a name first.
fn written_order() -> Vec<String> {
    let (mut order, mut prefix) = (vec![String::new()], String::new());
    for line in Config::default().to_toml().lines() {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            order.push(section.to_owned());
            prefix = format!("{section}.");
        } else if let Some((key, _)) = line.split_once(" = ") {
            order.push(format!("{prefix}{key}"));
        }
    }
    order
}

fn schema() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let generator = settings.into_generator();
    generator.into_root_schema_for::<Config>().to_value()
}

fn walk(prefix: &str, section: &Value, keys: &mut Vec<Key>) {
    let nothing = Map::new();
    let properties = section["properties"].as_object().unwrap_or(&nothing);
    for (name, schema) in properties {
        let name = format!("{prefix}{name}");
        if schema.get("properties").is_some() {
            walk(&format!("{name}."), schema, keys);
        } else {
            keys.push(key(name, schema));
        }
    }
}

fn key(name: String, schema: &Value) -> Key {
    // An optional choice is one of its values or null.
    let alternatives = schema["anyOf"].as_array();
    let value = alternatives.map_or(schema, |alternatives| &alternatives[0]);
    let is_list = has_type(value, "array");
    let items = if is_list { &value["items"] } else { value };
    let choices = choices(items);
    Key {
        name,
        meaning: first_paragraph(schema),
        values: match (is_list, choices.is_empty()) {
            (true, false) => format!("list of {}", names(&choices, "and")),
            (true, true) => list_in_words(items),
            (false, false) => names(&choices, "or"),
            (false, true) => in_words(value),
        },
        choices,
        is_optional: alternatives.is_some() || has_type(schema, "null"),
    }
}

fn has_type(schema: &Value, name: &str) -> bool {
    match &schema["type"] {
        Value::Array(types) => types.iter().any(|found| found == name),
        found => found == name,
    }
}

fn choices(schema: &Value) -> Vec<(String, String)> {
    let variants = schema["oneOf"].as_array().into_iter().flatten();
    let choice = |variant: &Value| {
        let name = variant["const"].as_str()?;
        Some((name.to_owned(), first_paragraph(variant)))
    };
    variants.filter_map(choice).collect()
}

fn names(choices: &[(String, String)], last: &str) -> String {
    let names: Vec<&str> = choices.iter().map(|choice| choice.0.as_str()).collect();
    match names.split_last() {
        Some((end, [])) => (*end).to_owned(),
        Some((end, before)) => format!("{} {last} {end}", before.join(", ")),
        None => String::new(),
    }
}

/// The first paragraph of a description, in one line.
fn first_paragraph(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn in_words(schema: &Value) -> String {
    format!("{}{}", kind(schema), range(schema))
}

/// A list of values of this schema, or of tables of keys.
fn list_in_words(items: &Value) -> String {
    if let Some(properties) = items["properties"].as_object() {
        let names: Vec<_> = properties.keys().map(String::as_str).collect();
        return format!("list of tables of {}", names.join(" and "));
    }
    match range(items).trim_start_matches(',').trim_start() {
        "" => format!("list of {}s", kind(items)),
        range => format!("list of {}s, each {range}", kind(items)),
    }
}

fn kind(schema: &Value) -> &'static str {
    match () {
        () if has_type(schema, "boolean") => "true or false",
        () if has_type(schema, "string") => "text",
        () if has_type(schema, "integer") => "whole number",
        () if has_type(schema, "object") => "number or schedule",
        () => "number",
    }
}

/// What follows the kind of a value: its bounds.
fn range(schema: &Value) -> String {
    let bound = |name: &str| schema.get(name).map(Value::to_string);
    match (
        bound("minimum"),
        bound("maximum"),
        bound("exclusiveMinimum"),
    ) {
        (Some(low), Some(high), _) => format!(" from {low} to {high}"),
        (Some(low), None, _) => match bound("exclusiveMaximum") {
            Some(high) => format!(" from {low} to below {high}"),
            None => format!(", at least {low}"),
        },
        (None, Some(high), Some(low)) => format!(" above {low}, at most {high}"),
        (None, None, Some(low)) => match bound("exclusiveMaximum") {
            Some(high) => format!(" between {low} and {high}, not equal to either"),
            None => format!(" above {low}"),
        },
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::changes::flat;

    #[test]
    fn every_key_that_a_configuration_writes_is_listed_and_explained() {
        let keys = Config::keys();
        for key in &keys {
            assert!(key.meaning.len() > 3 && !key.values.is_empty(), "{key:?}");
        }
        let listed = |name: &String| keys.iter().any(|key| key.name == *name);
        let written = flat(&Config::default());
        let missing: Vec<_> = written.keys().filter(|name| !listed(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let required = keys.iter().filter(|key| !key.is_optional);
        let invented: Vec<_> = required
            .filter(|key| !written.contains_key(&key.name))
            .collect();
        assert!(invented.is_empty(), "{invented:?}");
        assert!(listed(&"model.centered_input".to_owned()));
    }

    #[test]
    fn types_and_ranges_are_said_in_words() {
        let keys = Config::keys();
        for (name, expected) in [
            ("iterations", "whole number from 1 to 4294967295"),
            ("lr", "number or schedule, at least 0"),
            ("ema_decay", "number from 0 to below 1"),
            ("langevin.grad_clip", "number above 0"),
            ("rollback.lr_factor", "number above 0, at most 1"),
            ("model.plain", "true or false"),
            ("model.activation", "swish, leaky-relu or relu"),
            ("model.head", "dot, half-squared or pooled"),
            ("model.widths", "list of whole numbers, each from 1 to 4096"),
            ("buffer.augment", "list of crop, flip, color and grey"),
            ("data.dir", "text"),
        ] {
            let key = keys.iter().find(|key| key.name == name);
            assert_eq!(key.map(|key| key.values.as_str()), Some(expected), "{name}");
        }
    }

    #[test]
    fn values_just_outside_a_range_are_refused() {
        let mut tried = 0;
        let mut try_out = |name: &str, value: f64, is_integer: bool| {
            let value = if is_integer {
                format!("{value:.0}")
            } else {
                format!("{value:?}")
            };
            let assignment = format!("{name}={value}");
            let needed = ["langevin.method=hmc".to_owned(), assignment.clone()];
            assert!(
                Config::resolve("digits", None, &needed).is_err(),
                "{assignment}"
            );
            tried += 1;
        };
        fn leaves<'a>(prefix: &str, section: &'a Value, found: &mut Vec<(String, &'a Value)>) {
            for (name, schema) in section["properties"].as_object().into_iter().flatten() {
                let name = format!("{prefix}{name}");
                found.push((name.clone(), schema));
                leaves(&format!("{name}."), schema, found);
            }
        }
        let (schema, mut found) = (schema(), Vec::new());
        leaves("", &schema, &mut found);
        for (name, key) in found {
            let is_integer = has_type(key, "integer");
            let outside = if is_integer { 1.0 } else { 1e-6 };
            for (bound, beyond) in [
                ("minimum", -outside),
                ("maximum", outside),
                ("exclusiveMinimum", 0.0),
                ("exclusiveMaximum", 0.0),
            ] {
                if let Some(limit) = key[bound].as_f64() {
                    try_out(&name, limit + beyond, is_integer);
                }
            }
        }
        assert!(tried > 40, "{tried}");
    }
}
