//! Write a configuration for people: every key, and on request what it means.

use std::fmt::Write;

use toml::{Table, Value};

use super::keys::Key;
use super::settings::Config;

/// Columns of a comment.
const WIDTH: usize = 96;

impl Config {
    /// The whole configuration as TOML; optional keys without a value are comments.
    pub fn to_listing(&self) -> String {
        self.listing(|text, key, value, _| match value {
            Some(value) => writeln!(text, "{} = {value}", key.short_name()),
            None => writeln!(
                text,
                "# {} = … (optional; {})",
                key.short_name(),
                key.values
            ),
        })
    }

    /// The same, with meaning, type, range and default of each key as comments above it.
    pub fn to_description(&self) -> String {
        self.listing(|text, key, value, default| {
            writeln!(text)?;
            text.push_str(&comment(&key.meaning, ""));
            for (name, meaning) in &key.choices {
                text.push_str(&comment(&format!("{name}: {meaning}"), "  "));
            }
            let by_default = default.map_or_else(
                || "optional, and without a value unless a preset sets it".to_owned(),
                |default| format!("{default} unless a preset sets it"),
            );
            let range = format!("{}; {by_default}", key.values);
            text.push_str(&comment(&format!("({range})"), ""));
            match value {
                Some(value) => writeln!(text, "{} = {value}", key.short_name()),
                None => writeln!(text, "# {} = …", key.short_name()),
            }
        })
    }

    /// Section by section, each key as `line` writes it, given its value and its default.
    fn listing(
        &self,
        line: impl Fn(&mut String, &Key, Option<&Value>, Option<&Value>) -> std::fmt::Result,
    ) -> String {
        let [own, default] = [self, &Self::default()].map(|config| {
            let table = config.to_toml().parse::<Table>();
            table.expect("what was written as TOML is TOML")
        });
        let (mut text, mut section) = (String::new(), String::new());
        for key in Self::keys() {
            if key.section() != section {
                key.section().clone_into(&mut section);
                let _ = writeln!(text, "\n[{section}]");
            }
            let (own, default) = (value(&own, &key.name), value(&default, &key.name));
            let _ = line(&mut text, &key, own, default);
        }
        text.trim_start().to_owned()
    }
}

fn value<'a>(table: &'a Table, name: &str) -> Option<&'a Value> {
    match name.split_once('.') {
        None => table.get(name),
        Some((section, rest)) => value(table.get(section)?.as_table()?, rest),
    }
}

/// A text as lines of a comment.
fn comment(text: &str, indent: &str) -> String {
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + word.chars().count() >= WIDTH {
            let _ = writeln!(lines, "# {indent}{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(lines, "# {indent}{line}");
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::preset::PRESETS;

    #[test]
    fn what_is_written_for_people_is_the_same_configuration() {
        for preset in PRESETS {
            let config = Config::resolve(preset.name, None, &[]).expect("resolves");
            for text in [config.to_listing(), config.to_description()] {
                let parsed = Config::parse(&text, preset.name).expect("valid");
                assert_eq!(parsed, config, "{text}");
            }
        }
    }

    #[test]
    fn optional_keys_without_a_value_are_shown_as_comments() {
        let listing = Config::default().to_listing();
        assert!(
            listing.contains("\n# grad_clip = … (optional; number above 0)\n"),
            "{listing}"
        );
        let description = Config::default().to_description();
        let expected = "# K: Langevin steps per iteration.\n\
            # (whole number from 1 to 16777215; 60 unless a preset sets it)\nnum_steps = 60\n";
        assert!(description.contains(expected), "{description}");
    }

    #[test]
    fn the_page_of_keys_is_what_the_program_says() {
        let config = Config::resolve("digits", None, &[]).expect("resolves");
        let page = include_str!("../../../../docs/keys.md");
        assert!(
            page.contains(&config.to_description()),
            "docs/keys.md differs from `ebm config --describe`; replace its TOML by that"
        );
    }
}
