//! Tell the classes that labels stand for.

use std::path::{Path, PathBuf};

use super::class_names::ClassNames;
use super::labels::{Labels, numbered_anew};
use crate::class_name::MOST_CLASSES;
use crate::error::DataError;

/// The classes of a data set.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Classes {
    /// The label of the first class.
    first: u32,
    /// Empty where there is none: all labels are 0.
    pub names: Vec<String>,
    /// Where these names stand, unless they are the labels.
    named_in: Option<PathBuf>,
}

impl Classes {
    /// The classes of training images with these names, else those up to the largest label, by their numbers.
    /// Where `may_begin_at_1`, and no label is 0, the first is 1.
    ///
    /// # Errors
    /// Where there are no names, and too many classes.
    pub fn of(
        labels: &Labels,
        names: Option<ClassNames>,
        may_begin_at_1: bool,
    ) -> Result<Self, DataError> {
        let first = u32::from(may_begin_at_1 && !labels.values.contains(&0));
        let (names, named_in) = match names {
            Some(ClassNames { path, names }) => (names, Some(path)),
            None => (numbers(labels, first)?, None),
        };
        Ok(Self {
            first,
            names,
            named_in,
        })
    }

    /// The classes of labels.
    ///
    /// # Errors
    /// Where one is none of them.
    pub fn of_labels(&self, labels: Labels) -> Result<Vec<u32>, DataError> {
        let Labels { path, values } = &labels;
        let (first, num_classes) = (self.first, self.names.len());
        if num_classes == 0 {
            if values.iter().all(|&label| label == 0) {
                return Ok(labels.values);
            }
            let list = self.named_in.as_deref().unwrap_or(Path::new(""));
            let problem = format!(
                "holds labels, and the list of the names of the classes, {}, is empty",
                list.display()
            );
            return Err(labels.unfit(problem, "put the names into it, or remove it"));
        }
        let is_class = |label: u32| label >= first && ((label - first) as usize) < num_classes;
        match values.iter().position(|&label| !is_class(label)) {
            None => Ok(values.iter().map(|label| label - first).collect()),
            Some(index) => Err(DataError::BadLabel {
                path: path.clone(),
                index,
                label: values[index].into(),
                first,
                num_classes,
                named_in: self.named_in.clone(),
            }),
        }
    }
}

/// The labels from `first` to the largest, as text.
fn numbers(labels: &Labels, first: u32) -> Result<Vec<String>, DataError> {
    let Some(&largest) = labels.values.iter().max() else {
        return Ok(Vec::new());
    };
    let (num, num_images) = (largest as usize, labels.values.len());
    if num >= MOST_CLASSES {
        let problem =
            format!("has labels up to {largest}, and {MOST_CLASSES} classes are the most");
        return Err(labels.unfit(problem, numbered_anew()));
    }
    // Some classes would have no image.
    if num >= num_images + first as usize {
        let problem = format!("has labels up to {largest} for {num_images} images");
        let remedy = numbered_anew() + ", or name all classes in class_names.json";
        return Err(labels.unfit(problem, remedy));
    }
    Ok((first..=largest).map(|number| number.to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[u32]) -> Labels {
        Labels {
            path: "y".into(),
            values: values.to_vec(),
        }
    }

    fn named(names: &[&str]) -> Option<ClassNames> {
        Some(ClassNames {
            path: "names".into(),
            names: names.iter().map(|&name| name.to_owned()).collect(),
        })
    }

    #[test]
    fn classes_go_to_the_largest_label_or_are_those_that_have_names() {
        let classes = |values: &[u32], names, may_begin_at_1| {
            let labels = labels(values);
            let classes = Classes::of(&labels, names, may_begin_at_1)?;
            let of_labels = classes.of_labels(labels)?;
            Ok::<_, DataError>((of_labels, classes.names.join(" ")))
        };
        let ok = |values: &[u32], names: &str| (values.to_vec(), names.to_owned());
        for (may_begin_at_1, values, names, expected) in [
            (false, [2, 0, 2], None, ok(&[2, 0, 2], "0 1 2")),
            (false, [2, 1, 1], None, ok(&[2, 1, 1], "0 1 2")),
            (true, [2, 0, 2], None, ok(&[2, 0, 2], "0 1 2")),
            (true, [3, 1, 3], None, ok(&[2, 0, 2], "1 2 3")),
            (
                false,
                [7, 0, 7],
                named(&["a"; 9]),
                ok(&[7, 0, 7], "a a a a a a a a a"),
            ),
            (true, [1, 1, 2], named(&["a", "b"]), ok(&[0, 0, 1], "a b")),
            (false, [0, 0, 0], named(&[]), ok(&[0, 0, 0], "")),
        ] {
            assert_eq!(classes(&values, names, may_begin_at_1).unwrap(), expected);
        }
        for (values, names, problem) in [
            (
                [0, 3, 0],
                None,
                "y has labels up to 3 for 3 images: number the classes",
            ),
            (
                [0, 65_536, 0],
                None,
                "y has labels up to 65536, and 65536 classes are",
            ),
            (
                [0, 1, 2],
                named(&["a", "b"]),
                "label 2 of y is 2, expected 0 to 1, the places of the names in names: ",
            ),
            ([0, 0, 1], named(&[]), "y holds labels, and the list"),
        ] {
            let message = classes(&values, names, false).unwrap_err().to_string();
            assert!(message.starts_with(problem), "{message}");
        }
    }
}
