//! Compare configurations by their dotted keys.

use std::collections::{BTreeMap, BTreeSet};

use ebm_data::DataConfig;
use toml::{Table, Value};

use super::settings::Config;

impl Config {
    /// The keys, with old and new value, in which a resumed run would differ from `self` in what it
    /// learns. What a run writes may change, and so may the images that a device works on at a time,
    /// its length where the learning rate does not depend on it, and where the data are and, in another place, how they
    /// are read: their checksum tells whether they are the same ones. A key that is only written otherwise has not
    /// changed.
    pub fn changes_from(&self, old: &Self) -> Vec<String> {
        let mut comparable = self.clone();
        comparable.output = old.output.clone();
        comparable.micro_batch = old.micro_batch;
        comparable.on_divergence = old.on_divergence;
        comparable.rollback.max = old.rollback.max;
        if self.moved_data(old).is_some() {
            comparable.data = DataConfig {
                dataset: old.data.dataset,
                image_size: old.data.image_size,
                channels: old.data.channels,
                skip_bad: old.data.skip_bad,
                crops: old.data.crops,
                leave_out: old.data.leave_out.clone(),
                ..comparable.data
            };
        }
        comparable.data.dir.clone_from(&old.data.dir);
        if !self.lr.depends_on_length() {
            comparable.iterations = old.iterations;
        }
        let meant = differences(&old.spelled_out(), &comparable.spelled_out());
        let written = differences(old, &comparable);
        let mut shown = meant.clone();
        shown.retain(|key, _| written.contains_key(key));
        if shown.is_empty() {
            shown = meant; // another key, which means nothing by itself, has changed its meaning
        }
        let absent = || "none".to_owned();
        let in_words = |(key, values): (String, [Option<String>; 2])| {
            let [before, after] = values.map(|value| value.unwrap_or_else(absent));
            format!("{key}: {before} → {after}")
        };
        shown.into_iter().map(in_words).collect()
    }
}

/// The dotted keys in which two configurations differ as they are written, with both values.
pub(super) fn differences(old: &Config, new: &Config) -> BTreeMap<String, [Option<String>; 2]> {
    let (old, new) = (flat(old), flat(new));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let values = |key: &String| [old.get(key).cloned(), new.get(key).cloned()];
    let all = keys.into_iter().map(|key| (key.clone(), values(key)));
    all.filter(|(_, [before, after])| before != after).collect()
}

/// Dotted keys and their values.
pub(super) fn flat(config: &Config) -> BTreeMap<String, String> {
    fn walk(prefix: &str, table: &Table, out: &mut BTreeMap<String, String>) {
        for (key, value) in table {
            match value {
                Value::Table(inner) => walk(&format!("{prefix}{key}."), inner, out),
                leaf => {
                    out.insert(format!("{prefix}{key}"), leaf.to_string());
                }
            }
        }
    }
    let mut keys = BTreeMap::new();
    if let Ok(table) = config.to_toml().parse::<Table>() {
        walk("", &table, &mut keys);
    }
    keys
}

#[cfg(test)]
mod tests {
    use ebm_core::{Schedule, Varying};
    use ebm_data::DatasetKind;

    use super::*;
    use crate::config::OnDivergence;

    #[test]
    fn what_changes_nothing_that_is_learned_is_no_change() {
        let old = Config::default();
        let mut new = Config {
            micro_batch: Some(4),
            iterations: old.iterations + 1,
            ..old.clone()
        };
        new.output.log_every += 1;
        new.on_divergence = OnDivergence::Rollback;
        new.rollback.max += 1;
        new.data.dir = Some("/elsewhere".into());
        assert_eq!(new.changes_from(&old), [""; 0]);
        for (varying, is_same) in [
            (
                Varying::Polynomial {
                    start: 1e-3,
                    offset: 10.0,
                    power: 0.5,
                },
                true,
            ),
            (
                Varying::Cosine {
                    start: 1e-3,
                    end: 0.0,
                },
                false,
            ),
        ] {
            let [old, new] = [&old, &new].map(|config| Config {
                lr: Schedule::Varying(varying),
                ..config.clone()
            });
            assert_eq!(new.changes_from(&old).is_empty(), is_same, "{varying:?}");
        }
        new.energy_l2 = 0.5;
        new.langevin.grad_clip = Some(0.25);
        let changes = ["energy_l2: 0.1 → 0.5", "langevin.grad_clip: none → 0.25"];
        assert_eq!(new.changes_from(&old), changes);
    }

    #[test]
    fn data_may_be_read_in_another_way_where_they_have_moved_and_not_where_they_are() {
        let mut old = Config::default();
        old.data.dataset = DatasetKind::Folder;
        old.data.dir = Some("/photos".into());
        let mut new = old.clone();
        new.data.dataset = DatasetKind::Arrays;
        new.data.image_size = 32;
        new.data.channels = 3;
        assert!(!new.changes_from(&old).is_empty());
        new.data.dir = Some("/packed".into());
        assert_eq!(new.changes_from(&old), [""; 0]);
        new.data.flip = true;
        assert_eq!(new.changes_from(&old), ["data.flip: false → true"]);
    }
}
