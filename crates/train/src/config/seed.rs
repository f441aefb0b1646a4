//! Write a seed in TOML, whose integers end at 2⁶³ − 1: a larger one is a text.

use core::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(seed: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    if i64::try_from(*seed).is_ok() {
        serializer.serialize_u64(*seed)
    } else {
        serializer.serialize_str(&seed.to_string())
    }
}

/// Reads a seed that is a number or a text, whatever its size.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Seed;
    impl Visitor<'_> for Seed {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a whole number from 0 to {}", u64::MAX)
        }
        fn visit_u64<E: Error>(self, seed: u64) -> Result<u64, E> {
            Ok(seed)
        }
        fn visit_i64<E: Error>(self, seed: i64) -> Result<u64, E> {
            let refused = |_| E::invalid_value(Unexpected::Signed(seed), &self);
            u64::try_from(seed).map_err(refused)
        }
        fn visit_str<E: Error>(self, seed: &str) -> Result<u64, E> {
            let refused = |_| E::invalid_value(Unexpected::Str(seed), &self);
            seed.parse().map_err(refused)
        }
    }
    deserializer.deserialize_any(Seed)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    const LARGEST_OF_TOML: u64 = i64::MAX as u64;

    fn with(assignment: &str) -> Result<Config, String> {
        let config = Config::resolve("digits", None, &[assignment.to_owned()]);
        config.map_err(|error| error.to_string())
    }

    #[test]
    fn every_seed_comes_back_from_every_form_of_a_configuration() {
        for seed in [0, 7, LARGEST_OF_TOML, LARGEST_OF_TOML + 1, u64::MAX] {
            let config = with(&format!("seed={seed}")).expect("a seed");
            assert_eq!(config.seed, seed);
            for text in [
                config.to_toml(),
                config.to_listing(),
                config.to_description(),
            ] {
                assert_eq!(Config::parse(&text, "it").expect("valid"), config, "{text}");
            }
            // As where something else is set of it.
            let set = config.resolve_over(None, &["batch_size=8".to_owned()]);
            assert_eq!(set.expect("valid").seed, seed);
        }
    }

    #[test]
    fn a_seed_is_written_as_ever_where_toml_has_its_number() {
        let written = |seed| {
            let config = Config {
                seed,
                ..Config::default()
            };
            let text = config.to_toml();
            let line = text.lines().find(|line| line.starts_with("seed"));
            line.expect("a line").to_owned()
        };
        assert_eq!(written(7), "seed = 7");
        assert_eq!(written(LARGEST_OF_TOML), "seed = 9223372036854775807");
        assert_eq!(written(u64::MAX), "seed = \"18446744073709551615\"");
    }

    #[test]
    fn what_is_no_seed_is_refused_in_words() {
        for (seed, found) in [
            ("-1", "integer `-1`"),
            ("1.5", "floating point `1.5`"),
            ("many", "string \"many\""),
            ("18446744073709551616", "string \"18446744073709551616\""),
        ] {
            let message = with(&format!("seed={seed}")).expect_err("refused");
            let expected =
                format!("{found}, expected a whole number from 0 to 18446744073709551615");
            assert!(message.contains(&expected), "{message}");
        }
    }

    #[test]
    fn a_file_is_told_to_put_a_large_seed_in_quotes() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("mine.toml");
        let of_file = |text: &str| {
            std::fs::write(&path, text).expect("written");
            Config::resolve("digits", Some(&path), &[])
        };
        let quoted = of_file("seed = \"18446744073709551615\"").expect("a seed");
        assert_eq!(quoted.seed, u64::MAX);
        let bare = of_file("seed = 18446744073709551615").expect_err("no TOML");
        let message = bare.to_string();
        assert!(
            message.contains("in quotes, as in seed = \"18446744073709551615\""),
            "{message}"
        );
    }
}
