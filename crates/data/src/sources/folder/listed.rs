//! Know the classes of pictures from a `dataset.json`, as the tools of StyleGAN and EDM2 write it:
//! `{"labels": [["00000/img00000000.png", 6], …]}`, each path as seen from the folder that the file lies in.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::labelled::labelled;
use super::rules::Reason;
use super::tree::{Splits, Tree};
use super::walk::{Store, Walk};
use crate::dataset::PassedOver;
use crate::error::DataError;

/// The name of such a file.
const NAME: &str = "dataset.json";

/// The most bytes of such a file that are read: that of ImageNet has 60 million.
const MOST_BYTES: u64 = 256 << 20;

/// What the `dataset.json` of some folders tell of the pictures below them, the one of the nearest folder first.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// By the folders that they lie in.
    lists: BTreeMap<PathBuf, List>,
}

/// Pictures and their labels; no picture where the file says that there are no labels.
#[derive(Debug, Default)]
struct List {
    /// Places in `labels`, by the path of a picture, its names with `/` between them.
    pictures: HashMap<Box<str>, u32>,
    labels: Vec<String>,
}

/// The part of a file that is used.
#[derive(Deserialize)]
struct Json {
    /// `None` without the key, `Some(None)` where it is `null`.
    #[serde(default, deserialize_with = "as_given")]
    labels: Option<Option<List>>,
}

impl Listed {
    /// Reads the file that lies directly in a folder. One without the key `labels` is not such a file.
    ///
    /// # Errors
    /// Where it cannot be read, or tells labels in another way.
    pub fn read<S: Store>(&mut self, walk: &mut Walk<S>, dir: &Path) -> Result<(), DataError> {
        if self.lists.contains_key(dir) {
            return Ok(());
        }
        let path = dir.join(NAME);
        let Some(content) = walk.content(&path, MOST_BYTES)? else {
            return Ok(());
        };
        match List::of(&content) {
            Ok(Some(list)) => {
                self.lists.insert(dir.into(), list);
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(problem) => Err(DataError::BadLabelList { path, problem }),
        }
    }

    /// Whether a file tells the classes of the pictures below a folder, or that they have none.
    pub fn covers(&self, dir: &Path) -> bool {
        self.list_of(dir).is_some()
    }

    /// The pictures below a folder, of the classes that a file tells, or else as `tree_of` gives them.
    ///
    /// # Errors
    /// As [`read`](Self::read), [`tree`](Self::tree) and `tree_of`.
    pub fn tree_or<S: Store>(
        &mut self,
        walk: &mut Walk<S>,
        root: &Path,
        tree_of: impl Fn(&mut Walk<S>, &Path) -> Result<Tree, DataError>,
    ) -> Result<Tree, DataError> {
        self.read(walk, root)?;
        if self.covers(root) {
            self.tree(root, walk.pictures_below(root)?)
        } else {
            tree_of(walk, root)
        }
    }

    /// Pictures of the classes that the files tell.
    ///
    /// # Errors
    /// Where there are none, or some have a label and some have none.
    pub fn tree(&self, root: &Path, pictures: Vec<PathBuf>) -> Result<Tree, DataError> {
        let missing = |picture: PathBuf| {
            let list = self.list_of(&picture);
            DataError::NotListed {
                list: list.map(|(folder, _)| folder.join(NAME)),
                picture,
            }
        };
        // A list of which no path is that of a picture is not one of data without labels.
        let is_meant = |picture: &PathBuf| {
            let list = self.list_of(picture);
            list.is_some_and(|(_, list)| !list.pictures.is_empty())
        };
        let first = pictures.iter().find(|picture| is_meant(picture)).cloned();
        let label_of = |picture: &Path| Ok(self.label_of(picture));
        let tree = labelled(root, pictures, label_of, missing)?;
        match first {
            Some(first) if tree.class_names.is_empty() => Err(missing(first)),
            _ => Ok(tree),
        }
    }

    /// What a walk passed over where these pictures were found: without the files that were read here, and with the
    /// paths in them at which there is nothing.
    pub fn passed_over<S: Store>(&self, mut walk: Walk<S>, splits: &Splits) -> Vec<PassedOver> {
        let test = splits.test.as_ref().ok().and_then(Option::as_ref);
        for (folder, list) in &self.lists {
            walk.use_file(folder.join(NAME));
            let trees = [Some(&splits.train), test].into_iter().flatten();
            let pictures = trees.flat_map(|tree| &tree.pictures);
            let found: HashSet<String> = pictures
                .filter_map(|(path, _)| key_of(path.strip_prefix(folder).ok()?))
                .collect();
            for key in list.pictures.keys().filter(|key| !found.contains(&***key)) {
                let path = folder.join(&**key);
                if !walk.has_file(&path) {
                    walk.pass_over(path, Reason::ListedAlone);
                }
            }
        }
        walk.passed_over()
    }

    fn label_of(&self, picture: &Path) -> Option<&str> {
        let (folder, list) = self.list_of(picture)?;
        let key = key_of(picture.strip_prefix(folder).ok()?)?;
        let &place = list.pictures.get(key.as_str())?;
        list.labels.get(place as usize).map(String::as_str)
    }

    /// The file for what lies at a path, and its folder.
    fn list_of(&self, path: &Path) -> Option<(&Path, &List)> {
        let mut above = path.ancestors();
        let (folder, list) = above.find_map(|folder| self.lists.get_key_value(folder))?;
        Some((folder.as_path(), list))
    }
}

impl List {
    /// What a file of this content tells; `None` where it has no key `labels`. What is wrong with it, otherwise.
    fn of(content: &[u8]) -> Result<Option<Self>, String> {
        if content.len() as u64 > MOST_BYTES {
            return Err(format!("it has more than {MOST_BYTES} bytes"));
        }
        if !content.trim_ascii_start().starts_with(b"{") {
            return Err("it is no JSON object".to_owned());
        }
        let json: Json = serde_json::from_slice(content).map_err(|error| error.to_string())?;
        Ok(json.labels.map(Option::unwrap_or_default))
    }
}

/// A value that is there, `null` included.
fn as_given<'de, D: Deserializer<'de>>(labels: D) -> Result<Option<Option<List>>, D::Error> {
    Option::deserialize(labels).map(Some)
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(labels: D) -> Result<Self, D::Error> {
        labels.deserialize_seq(Pairs)
    }
}

/// Takes the pairs of a list one by one.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = List;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of pairs, each a path and a whole number from 0, or null")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<List, A::Error> {
        let mut list = List::default();
        let mut places = HashMap::<u64, u32>::new();
        while let Some((path, label)) = pairs.next_element::<(String, Value)>()? {
            let refused = |problem: String| Err(de::Error::custom(problem));
            let Some(key) = key_of(Path::new(&path)) else {
                return refused(format!("{path} leads out of its folder"));
            };
            let Some(number) = label.as_u64() else {
                return refused(format!("the label of {path} is {}", described(&label)));
            };
            let place = *places.entry(number).or_insert_with(|| {
                list.labels.push(number.to_string());
                list.labels.len() as u32 - 1
            });
            let earlier = list.pictures.insert(key.into(), place);
            if earlier.is_some_and(|earlier| earlier != place) {
                return refused(format!("{path} has two labels"));
            }
        }
        Ok(list)
    }
}

/// A path below a folder, its names with `/` between them; `None` where it leads elsewhere or is no text.
fn key_of(path: &Path) -> Option<String> {
    let mut key = String::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => {
                if !key.is_empty() {
                    key.push('/');
                }
                key.push_str(name.to_str()?);
            }
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(key)
}

/// What is in the place of a label; long values by their kind.
fn described(label: &Value) -> String {
    match label {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(_) => "a text".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(content: &str) -> Result<Option<List>, String> {
        List::of(content.as_bytes())
    }

    #[test]
    fn a_file_lists_labels_or_says_that_there_are_none_or_is_another() {
        let found = list(r#"{"x": [1.5], "labels": [["./a//b.png", 7], ["c.png", 7]], "y": {}}"#);
        let found = found.unwrap().unwrap();
        assert_eq!(found.labels, ["7"]);
        let mut keys: Vec<&str> = found.pictures.keys().map(|key| &**key).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["a/b.png", "c.png"]);
        for none in [r#"{"labels": null}"#, r#"{"labels": []}"#] {
            assert!(list(none).unwrap().unwrap().pictures.is_empty(), "{none}");
        }
        for other in ["{}", r#"{"label": 3}"#] {
            assert!(list(other).unwrap().is_none(), "{other}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_list_and_where() {
        for (content, problem) in [
            (r#"{"labels": [["a.png", 0.5]]}"#, "label of a.png is 0.5"),
            (r#"{"labels": [["a.png", 6.0]]}"#, "label of a.png is 6.0"),
            (r#"{"labels": [["a.png", -1]]}"#, "label of a.png is -1"),
            (r#"{"labels": [["a.png", null]]}"#, "label of a.png is null"),
            (r#"{"labels": [["a.png", true]]}"#, "label of a.png is true"),
            (r#"{"labels": [["a.png", "6"]]}"#, "a.png is a text"),
            (r#"{"labels": [["a.png", [0, 1]]]}"#, "a.png is a list"),
            (r#"{"labels": [["a.png", {"b": 1}]]}"#, "is an object"),
            (
                r#"{"labels": [["../a.png", 1]]}"#,
                "leads out of its folder",
            ),
            (r#"{"labels": [["/a.png", 1]]}"#, "leads out of its folder"),
            (
                r#"{"labels": [["a.png", 1], ["./a.png", 2]]}"#,
                "./a.png has two labels",
            ),
            (r#"{"labels": {"a.png": 1}}"#, "expected a list of pairs"),
            (r#"{"labels": [["a.png"]]}"#, "column"),
            (r#"{"labels": ["a.png", 1]}"#, "column"),
            (r#"{"labels": [[1, "a.png"]]}"#, "column"),
            (r#"{"labels": 3}"#, "expected a list of pairs"),
            (r#"{"labels": [["a.png", 1]]} x"#, "column"),
            (r#"{"labels": [["a.png", 1]"#, "column"),
            (r#"[[["a.png", 1]]]"#, "no JSON object"),
            ("3", "no JSON object"),
            ("", "no JSON object"),
            ("\u{1}\u{2}", "no JSON object"),
        ] {
            let found = list(content).unwrap_err();
            assert!(found.contains(problem), "{content}: {found}");
        }
        assert!(List::of(b"{\"labels\": \"\xff\"}").is_err());
    }

    #[test]
    fn a_list_cut_anywhere_is_refused() {
        let whole = r#"{"labels": [["a.png", 12], ["b/c.png", 0]]}"#;
        for kept in 0..whole.len() {
            assert!(list(&whole[..kept]).is_err(), "{kept} bytes");
        }
    }
}
