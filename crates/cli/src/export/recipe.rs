//! Tell a recipe by what is unusual in it.

use ebm_train::Config;
use toml::{Table, Value};

/// The keys of a configuration whose values are not the default's, as TOML. Where its data were is left out: it means
/// nothing elsewhere.
pub(super) fn unusual_keys(config: &Config) -> String {
    let mut config = config.clone();
    config.data.dir = None;
    let [own, default] = [&config, &Config::default()].map(|config| {
        let table = config.to_toml().parse::<Table>();
        table.expect("what was written as TOML is TOML")
    });
    differing(own, &default).to_string()
}

/// What is not the same in `default`. A section is one in both; any other table, like a schedule, is kept whole.
fn differing(own: Table, default: &Table) -> Table {
    let entries = own.into_iter().filter_map(|(key, value)| {
        let value = match (value, default.get(&key)) {
            (Value::Table(own), Some(Value::Table(default))) => {
                let section = differing(own, default);
                (!section.is_empty()).then_some(Value::Table(section))
            }
            (value, default) => (default != Some(&value)).then_some(value),
        };
        Some((key, value?))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(overrides: &[&str]) -> Config {
        let overrides: Vec<String> = overrides.iter().map(|it| it.to_string()).collect();
        Config::default()
            .resolve_over(None, &overrides)
            .expect("resolves")
    }

    #[test]
    fn what_is_not_the_default_is_told_and_nothing_else() {
        assert_eq!(unusual_keys(&Config::default()), "");
        let config = resolved(&[
            "lr={ kind = \"linear\", start = 0.5, end = 0.25 }",
            "langevin.num_steps=7",
            "data.dir=/home/somebody",
            "model.filters=4",
        ]);
        let text = unusual_keys(&config);
        assert!(!text.contains("somebody"), "{text}");
        let told: Table = text.parse().expect("TOML");
        let mut keys: Vec<_> = told.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["langevin", "lr", "model"]);
        assert_eq!(told["langevin"].as_table().map(Table::len), Some(1));
        assert_eq!(told["langevin"]["num_steps"].as_integer(), Some(7));
        // Laid over the default, it is the same recipe.
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("recipe.toml");
        std::fs::write(&path, &text).expect("written");
        let mut again = Config::default()
            .resolve_over(Some(path.as_path()), &[])
            .expect("resolves");
        again.data.dir.clone_from(&config.data.dir);
        assert_eq!(again, config);
    }
}
