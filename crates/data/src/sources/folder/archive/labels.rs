//! Know the classes of pictures from the files that share their names, as in WebDataset: `0001.jpg` has its class in
//! `0001.cls`, or in `0001.json` as its `label`.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::DataError;
use crate::sources::folder::rules::name_of;

/// The most bytes of a file that holds a label.
pub(super) const MOST_BYTES: u64 = 64 << 10;

/// The labels in archives by their key: the path of a file up to the first dot of its name.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// Of `.cls` files; the path of one that holds no label.
    of_texts: HashMap<PathBuf, Result<String, PathBuf>>,
    /// Of `.json` files that have a `label`.
    of_fields: HashMap<PathBuf, String>,
}

/// The part of a `.json` file that is used.
#[derive(Deserialize)]
struct Sidecar {
    label: Label,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Label {
    Number(i64),
    Text(String),
}

impl Labels {
    /// Whether a file may hold a label, by its name.
    pub fn may_be_in(path: &Path) -> bool {
        let (_, extension) = split(path);
        extension == "cls" || extension == "json"
    }

    /// Takes the label out of the content of a file that may hold one; the content may have a byte more than
    /// [`MOST_BYTES`], which is too many.
    pub fn add(&mut self, path: &Path, content: &[u8]) {
        let (key, extension) = split(path);
        if extension == "cls" {
            let label = of_text(content).ok_or_else(|| path.to_owned());
            self.of_texts.insert(key, label);
        } else if let Some(label) = of_json(content) {
            self.of_fields.insert(key, label);
        }
    }

    /// Whether a file holds a label, or should.
    pub fn has(&self, path: &Path) -> bool {
        let (key, extension) = split(path);
        match extension.as_str() {
            "cls" => self.of_texts.contains_key(&key),
            "json" => self.of_fields.contains_key(&key),
            _ => false,
        }
    }

    /// The label of a picture, where it has one.
    ///
    /// # Errors
    /// Where the file for it holds something else.
    pub fn of(&self, picture: &Path) -> Result<Option<&str>, DataError> {
        let (key, _) = split(picture);
        match self.of_texts.get(&key) {
            Some(Ok(label)) => Ok(Some(label.as_str())),
            Some(Err(path)) => Err(DataError::NotALabel { path: path.clone() }),
            None => Ok(self.of_fields.get(&key).map(String::as_str)),
        }
    }
}

/// The classes of these labels: numbers in their order, and then names in theirs.
pub(super) fn classes_of<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let sorted: BTreeSet<&str> = labels.collect();
    let mut classes: Vec<&str> = sorted.into_iter().collect();
    let number = |label: &str| label.parse::<i64>();
    classes.sort_by_key(|label| number(label).map_or((1, 0), |number| (0, number)));
    classes
}

/// The path of a file up to the first dot of its name, and what follows that dot in lower case.
fn split(path: &Path) -> (PathBuf, String) {
    let name = name_of(path);
    let (key, extension) = name.split_once('.').unwrap_or((name.as_str(), ""));
    (path.with_file_name(key), extension.to_lowercase())
}

/// The label that a file of text is.
fn of_text(content: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content).ok()?;
    let is_small = content.len() as u64 <= MOST_BYTES;
    one_line(text).filter(|_| is_small)
}

/// The `label` of a JSON object, a whole number or a text.
fn of_json(content: &[u8]) -> Option<String> {
    let Sidecar { label } = serde_json::from_slice(content).ok()?;
    match label {
        Label::Number(number) => Some(number.to_string()),
        Label::Text(text) => one_line(&text),
    }
}

/// A text without the space around it, if it is one line of letters, figures and signs.
fn one_line(text: &str) -> Option<String> {
    let text = text.trim();
    let is_label = !text.is_empty() && !text.contains(char::is_control);
    is_label.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The label of `a/1.jpg` beside these files, errors as text.
    fn label(files: &[(&str, &[u8])]) -> Result<Option<String>, String> {
        let mut labels = Labels::default();
        for (path, content) in files {
            labels.add(Path::new(path), content);
        }
        let label = labels.of(Path::new("a/1.jpg"));
        label
            .map(|label| label.map(str::to_owned))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_label_is_a_line_of_text_or_the_label_of_a_json_object() {
        let found = |name: &str, content: &str| label(&[(name, content.as_bytes())]).unwrap();
        assert_eq!(found("a/1.cls", "7\n").as_deref(), Some("7"));
        assert_eq!(
            found("a/1.CLS", " große Katze ").as_deref(),
            Some("große Katze")
        );
        assert_eq!(
            found("a/1.json", r#"{"x": [1], "label": -3}"#).as_deref(),
            Some("-3")
        );
        assert_eq!(
            found("a/1.json", r#"{"label": "cat"}"#).as_deref(),
            Some("cat")
        );
        for none in [
            "{}",
            "7",
            "[",
            r#"{"label": 1.5}"#,
            r#"{"label": null}"#,
            r#"{"label": ""}"#,
        ] {
            assert_eq!(found("a/1.json", none), None, "{none}");
        }
        for other in ["a/2.cls", "b/1.cls", "1.cls", "a/1.x.cls", "a/1.txt"] {
            if Labels::may_be_in(Path::new(other)) {
                assert_eq!(found(other, "7"), None, "{other}");
            }
        }
        assert!(!Labels::may_be_in(Path::new("a/1.x.cls")));
    }

    #[test]
    fn a_text_comes_before_a_field_wherever_they_lie() {
        let [text, field] = [
            ("a/1.cls", &b"cat"[..]),
            ("a/1.json", &br#"{"label": 3}"#[..]),
        ];
        for files in [[text, field], [field, text]] {
            assert_eq!(label(&files).unwrap().as_deref(), Some("cat"));
        }
    }

    #[test]
    fn names_a_file_that_should_hold_a_label_and_does_not() {
        let long = vec![b'a'; MOST_BYTES as usize + 1];
        for content in [&b"\xff\xd8"[..], b"", b" \n", b"cat\ndog", b"a\0b", &long] {
            let message = label(&[("a/1.cls", content)]).unwrap_err();
            assert!(message.starts_with("a/1.cls holds no label"), "{message}");
        }
        assert!(label(&[("a/1.cls", &long[1..])]).is_ok());
    }

    #[test]
    fn numbers_are_sorted_as_numbers_and_come_before_names() {
        let labels = ["10", "dog", "9", "cat", "10", "-1", "Ant"];
        let classes = classes_of(labels.into_iter());
        assert_eq!(classes, ["-1", "9", "10", "Ant", "cat", "dog"]);
    }
}
