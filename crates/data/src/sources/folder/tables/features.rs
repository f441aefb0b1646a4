//! Know what Python's `datasets` library says of the columns of a file: which are pictures, and the names of classes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The text in which it says so.
pub(super) const KEY: &str = "huggingface";

/// What columns are, by their names.
#[derive(Debug, Default)]
pub(super) struct Features {
    of_columns: BTreeMap<String, Feature>,
}

#[derive(Debug, Deserialize)]
struct Feature {
    #[serde(rename = "_type")]
    kind: String,
    names: Option<Vec<String>>,
}

/// The part of the text that is used.
#[derive(Deserialize)]
struct Text {
    info: Option<Info>,
}

#[derive(Deserialize)]
struct Info {
    features: Option<BTreeMap<String, Value>>,
}

impl Features {
    /// Those in a JSON text, which may have none.
    ///
    /// # Errors
    /// Where it is another text.
    pub fn read(json: &str) -> Result<Self, serde_json::Error> {
        let Text { info } = serde_json::from_str(json)?;
        let features = info.and_then(|info| info.features).unwrap_or_default();
        // Lists and groups of features have no type of their own, and are neither pictures nor classes.
        let known = features.into_iter().filter_map(|(name, feature)| {
            let feature: Feature = serde_json::from_value(feature).ok()?;
            Some((name, feature))
        });
        Ok(Self {
            of_columns: known.collect(),
        })
    }

    /// Whether a column holds pictures.
    pub fn is_image(&self, column: &str) -> bool {
        self.of_columns
            .get(column)
            .is_some_and(|feature| feature.kind == "Image")
    }

    /// Whether a column holds the numbers of classes.
    pub fn is_class_label(&self, column: &str) -> bool {
        self.class_label(column).is_some()
    }

    /// The names of the classes of a column, where it has some.
    pub fn class_names(&self, column: &str) -> Option<&[String]> {
        let names = self.class_label(column)?.names.as_deref()?;
        (!names.is_empty()).then_some(names)
    }

    fn class_label(&self, column: &str) -> Option<&Feature> {
        let feature = self.of_columns.get(column)?;
        (feature.kind == "ClassLabel").then_some(feature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_known_as_old_and_new_versions_write_them() {
        let features = Features::read(
            r#"{"info": {"features": {
                "img": {"decode": true, "id": null, "_type": "Image"},
                "label": {"num_classes": 2, "names": ["cat", "dog"], "names_file": null, "id": null, "_type": "ClassLabel"},
                "kind": {"num_classes": 2, "_type": "ClassLabel"},
                "boxes": [{"x": {"dtype": "float32", "_type": "Value"}}],
                "list": {"feature": {"_type": "Image"}, "_type": "List"},
                "caption": {"dtype": "string", "_type": "Value"}
            }}, "fingerprint": "d4f"}"#,
        )
        .unwrap();
        let columns = ["img", "label", "kind", "boxes", "list", "caption", "none"];
        let which = |is_it: &dyn Fn(&str) -> bool| {
            let found = columns.into_iter().filter(|&column| is_it(column));
            found.collect::<Vec<_>>()
        };
        assert_eq!(which(&|column| features.is_image(column)), ["img"]);
        assert_eq!(
            which(&|column| features.is_class_label(column)),
            ["label", "kind"]
        );
        assert_eq!(features.class_names("label").unwrap(), ["cat", "dog"]);
        assert_eq!(features.class_names("kind"), None);
    }

    #[test]
    fn a_text_without_features_says_nothing_and_another_text_is_refused() {
        for none in ["{}", r#"{"info": null}"#, r#"{"info": {"features": null}}"#] {
            assert!(Features::read(none).unwrap().of_columns.is_empty());
        }
        let deep = "[".repeat(100_000);
        for other in [
            "",
            "7",
            r#"{"info": 3}"#,
            r#"{"info": {"features": []}}"#,
            &deep,
        ] {
            assert!(Features::read(other).is_err());
        }
    }
}
