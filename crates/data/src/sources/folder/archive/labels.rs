//! Know the classes of pictures from the files that share their names, as in WebDataset: `0001.jpg` has its class in
//! `0001.cls`, or in `0001.json` as its `label`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::class_name::is_class_name;
use crate::error::DataError;
use crate::sources::folder::rules::{Reason, name_of};

/// The most bytes of a `.cls` file that are read.
const MOST_BYTES_OF_TEXT: u64 = 64 << 10;

/// The most bytes of a `.json` file that are read: some hold captions, boxes or masks beside the label.
const MOST_BYTES_OF_JSON: u64 = 16 << 20;

/// The labels in archives by their key: the path of a file up to the first dot of its name.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// Of `.cls` files; the path of one that holds no label.
    of_texts: HashMap<PathBuf, Result<String, PathBuf>>,
    /// Of `.json` files that have a `label`, or are too long for it to be looked for.
    of_fields: HashMap<PathBuf, Result<String, Odd>>,
}

/// A `.json` file whose `label` is none.
#[derive(Debug)]
struct Odd {
    path: PathBuf,
    /// Whether it has more than [`MOST_BYTES_OF_JSON`].
    is_long: bool,
}

/// The part of a JSON object that is used.
#[derive(Deserialize)]
struct Fields {
    label: Option<Value>,
}

impl Labels {
    /// Whether a file may hold a label, by its name.
    pub fn may_be_in(path: &Path) -> bool {
        let (_, extension) = split(path);
        extension == "cls" || extension == "json"
    }

    /// The most bytes of a file that may hold a label.
    pub fn most_bytes(path: &Path) -> u64 {
        match split(path).1.as_str() {
            "json" => MOST_BYTES_OF_JSON,
            _ => MOST_BYTES_OF_TEXT,
        }
    }

    /// Takes the label out of the content of a file that may hold one; the content may have a byte more than
    /// [`most_bytes`](Self::most_bytes), which is too many.
    pub fn add(&mut self, path: &Path, content: &[u8]) {
        let (key, extension) = split(path);
        if extension == "cls" {
            let label = of_text(content).ok_or_else(|| path.to_owned());
            self.of_texts.insert(key, label);
            return;
        }
        let is_long = content.len() as u64 > MOST_BYTES_OF_JSON;
        let label = if is_long {
            Some(None)
        } else {
            of_json(content)
        };
        if let Some(label) = label {
            let odd = || Odd {
                path: path.to_owned(),
                is_long,
            };
            self.of_fields.insert(key, label.ok_or_else(odd));
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

    /// Why the label of a file of JSON is not read, where it is none.
    pub fn why_odd(&self, path: &Path) -> Option<Reason> {
        let (key, extension) = split(path);
        match self.of_fields.get(&key) {
            Some(Err(odd)) if extension == "json" => Some(if odd.is_long {
                Reason::LongLabel
            } else {
                Reason::OddLabel
            }),
            _ => None,
        }
    }

    /// Whether a picture has a label, or a file for nothing else.
    pub fn is_for(&self, picture: &Path) -> bool {
        let (key, _) = split(picture);
        self.of_texts.contains_key(&key) || matches!(self.of_fields.get(&key), Some(Ok(_)))
    }

    /// The label of a picture, where it has one.
    ///
    /// # Errors
    /// Where the file for it holds something else.
    pub fn of(&self, picture: &Path) -> Result<Option<&str>, DataError> {
        let (key, _) = split(picture);
        let not_a_label = |path: &Path, expected| DataError::NotALabel {
            path: path.into(),
            expected,
        };
        if let Some(label) = self.of_texts.get(&key) {
            let expected = "it must be one line of text, the number or the name of a class";
            let label = label.as_deref();
            return label.map(Some).map_err(|path| not_a_label(path, expected));
        }
        match self.of_fields.get(&key) {
            Some(Ok(label)) => Ok(Some(label.as_str())),
            Some(Err(odd)) => Err(not_a_label(
                &odd.path,
                if odd.is_long {
                    "it has more than 16 MiB, and is not read: shorten it, or give the label in a .cls file"
                } else {
                    "its `label` must be a whole number or one line of text"
                },
            )),
            None => Ok(None),
        }
    }
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
    let is_small = content.len() as u64 <= MOST_BYTES_OF_TEXT;
    one_line(text).filter(|_| is_small)
}

/// The `label` of a JSON object, if it has one: a whole number or a text, `None` where it is something else.
fn of_json(content: &[u8]) -> Option<Option<String>> {
    // Lists are taken for structs too.
    if !content.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let Ok(fields) = serde_json::from_slice::<Fields>(content) else {
        // JSON with two labels, or with one of too many lists in each other.
        let is_json = serde_json::from_slice::<IgnoredAny>(content).is_ok();
        return is_json.then_some(None);
    };
    match fields.label? {
        Value::Null => None,
        Value::Number(number) => Some(number.as_i64().map(|number| number.to_string())),
        Value::String(text) => Some(one_line(&text)),
        _ => Some(None),
    }
}

/// A text without the space around it, if it is one line of letters, figures and signs.
fn one_line(text: &str) -> Option<String> {
    let text = text.trim();
    is_class_name(text).then(|| text.to_owned())
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
        for none in ["{}", "7", "[7]", "[", r#"{"label": null}"#] {
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
        let long = vec![b'a'; MOST_BYTES_OF_TEXT as usize + 1];
        for content in [&b"\xff\xd8"[..], b"", b" \n", b"cat\ndog", b"a\0b", &long] {
            let message = label(&[("a/1.cls", content)]).unwrap_err();
            assert!(message.starts_with("a/1.cls holds no label"), "{message}");
        }
        assert!(label(&[("a/1.cls", &long[1..])]).is_ok());
    }

    #[test]
    fn a_label_of_json_that_is_none_is_known_as_such() {
        for odd in ["1.5", "\"\"", "\"a\\nb\"", "true", "[7]", "{\"a\": 7}"] {
            let content = format!("{{\"label\": {odd}}}");
            let message = label(&[("a/1.json", content.as_bytes())]).unwrap_err();
            assert!(message.starts_with("a/1.json holds no label"), "{message}");
            assert!(message.contains("a whole number or"), "{message}");
            let text = label(&[("a/1.json", content.as_bytes()), ("a/1.cls", b"7")]);
            assert_eq!(text.unwrap().as_deref(), Some("7"));
            let mut labels = Labels::default();
            labels.add(Path::new("a/1.json"), content.as_bytes());
            let reason = labels.why_odd(Path::new("a/1.json"));
            assert_eq!(reason, Some(Reason::OddLabel));
            assert!(!labels.is_for(Path::new("a/1.jpg")));
        }
    }

    #[test]
    fn a_long_file_of_json_is_read_as_a_short_one_or_known_as_too_long() {
        let long = |num: usize| {
            let text = "a".repeat(num);
            format!(r#"{{"masks": "{text}", "label": "cat"}}"#)
        };
        let overhead = long(0).len();
        let most = MOST_BYTES_OF_JSON as usize;
        for num in [0, 64 << 10, most - overhead] {
            let found = label(&[("a/1.json", long(num).as_bytes())]);
            assert_eq!(found.unwrap().as_deref(), Some("cat"));
        }
        let too_long = long(most - overhead + 1);
        let message = label(&[("a/1.json", too_long.as_bytes())]).unwrap_err();
        assert!(message.contains("more than 16 MiB"), "{message}");
        let mut labels = Labels::default();
        labels.add(Path::new("a/1.json"), too_long.as_bytes());
        let reason = labels.why_odd(Path::new("a/1.json"));
        assert_eq!(reason, Some(Reason::LongLabel));
        assert!(!labels.is_for(Path::new("a/1.jpg")));
    }

    #[test]
    fn two_labels_in_one_object_are_odd() {
        let content = br#"{"label": 1, "label": 2}"#;
        let message = label(&[("a/1.json", content)]).unwrap_err();
        assert!(message.starts_with("a/1.json holds no label"), "{message}");
    }
}
