//! Sort pictures into the classes that their labels tell.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::tree::{NEEDS_PICTURES, Tree};
use crate::error::DataError;

/// Pictures of the classes that their labels tell, in the order in which they are given. `missing` is the error of a
/// picture without a label.
///
/// # Errors
/// Where there are no pictures, some have a label and some have none, or `label_of` fails.
pub(super) fn labelled<'a>(
    root: &Path,
    pictures: Vec<PathBuf>,
    label_of: impl Fn(&Path) -> Result<Option<&'a str>, DataError>,
    missing: impl Fn(PathBuf) -> DataError,
) -> Result<Tree, DataError> {
    if pictures.is_empty() {
        return Err(DataError::NoImages {
            path: root.into(),
            remedy: NEEDS_PICTURES,
        });
    }
    let labels = pictures.iter().map(|path| label_of(path));
    let labels = labels.collect::<Result<Vec<_>, _>>()?;
    let classes = classes_of(labels.iter().copied().flatten());
    let numbers: HashMap<&str, u32> = classes.iter().copied().zip(0..).collect();
    let numbered = pictures
        .into_iter()
        .zip(labels)
        .map(|(path, label)| match label {
            Some(label) => Ok((path, numbers[label])),
            None if numbers.is_empty() => Ok((path, 0)),
            None => Err(missing(path)),
        });
    Ok(Tree {
        root: root.into(),
        pictures: numbered.collect::<Result<_, _>>()?,
        class_names: classes.iter().map(|&class| class.to_owned()).collect(),
    })
}

/// The classes of these labels: numbers in their order, and then names in theirs.
pub(super) fn classes_of<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let sorted: BTreeSet<&str> = labels.collect();
    let mut classes: Vec<&str> = sorted.into_iter().collect();
    let number = |label: &str| label.parse::<i64>();
    classes.sort_by_key(|label| number(label).map_or((1, 0), |number| (0, number)));
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sorted_as_numbers_and_come_before_names() {
        let labels = ["10", "dog", "9", "cat", "10", "-1", "Ant"];
        let classes = classes_of(labels.into_iter());
        assert_eq!(classes, ["-1", "9", "10", "Ant", "cat", "dog"]);
    }
}
