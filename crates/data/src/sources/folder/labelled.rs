//! Sort pictures into the classes that their labels tell.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::tree::{NEEDS_PICTURES, Tree, refuse_many};
use crate::error::DataError;

/// Pictures of the classes that their labels tell, in the order in which they are given. `missing` is the error of a
/// picture without a label.
///
/// # Errors
/// Where there are no pictures, some have a label and some have none, `label_of` fails, or as [`classes_of`].
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
    let classes = classes_of(root, labels.iter().copied().flatten())?;
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

/// The classes of these labels of what lies at `root`: numbers in their order, and then names in theirs.
///
/// # Errors
/// Where there are too many, or two are one number in two ways of writing.
pub(super) fn classes_of<'a>(
    root: &Path,
    labels: impl Iterator<Item = &'a str>,
) -> Result<Vec<&'a str>, DataError> {
    let sorted: BTreeSet<&str> = labels.collect();
    refuse_many(root, sorted.len())?;
    let mut ways = BTreeMap::<i64, &str>::new();
    for &label in &sorted {
        let other = label
            .parse::<i64>()
            .ok()
            .and_then(|number| ways.insert(number, label));
        if let Some(other) = other {
            return Err(DataError::AmbiguousLabels {
                path: root.into(),
                one: other.to_owned(),
                other: label.to_owned(),
            });
        }
    }
    let mut classes: Vec<&str> = sorted.into_iter().collect();
    classes.sort_by_key(|label| number_of(label).map_or((1, 0), |number| (0, number)));
    Ok(classes)
}

/// The number that a label is, as numbers are written: `01` and `+1` are names.
fn number_of(label: &str) -> Option<i64> {
    let number: i64 = label.parse().ok()?;
    (number.to_string() == label).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class_name::MOST_CLASSES;

    fn classes<'a>(labels: &[&'a str]) -> Result<Vec<&'a str>, String> {
        let classes = classes_of(Path::new("DIR"), labels.iter().copied());
        classes.map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_are_sorted_as_numbers_and_come_before_names() {
        let found = classes(&["10", "dog", "9", "cat", "10", "-1", "Ant"]).unwrap();
        assert_eq!(found, ["-1", "9", "10", "Ant", "cat", "dog"]);
    }

    #[test]
    fn only_numbers_as_they_are_written_count_as_such() {
        let found = classes(&["10", "01", "9", "+2", "-0"]).unwrap();
        assert_eq!(found, ["9", "10", "+2", "-0", "01"]);
    }

    #[test]
    fn refuses_one_number_in_two_ways_of_writing() {
        for [one, other] in [
            ["01", "1"],
            ["+1", "1"],
            ["-0", "0"],
            ["007", "7"],
            ["+1", "01"],
        ] {
            for labels in [[one, "cat", other], [other, one, "5"]] {
                assert_eq!(
                    classes(&labels).unwrap_err(),
                    format!(
                        "labels in DIR write one number in two ways, {one} and {other}: write it in one way"
                    )
                );
            }
        }
    }

    #[test]
    fn refuses_more_classes_than_are_read() {
        let labels: Vec<String> = (0..=MOST_CLASSES).map(|label| label.to_string()).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        assert_eq!(classes(&labels[1..]).unwrap().len(), MOST_CLASSES);
        assert!(
            classes(&labels)
                .unwrap_err()
                .starts_with("DIR has 65537 classes")
        );
    }
}
