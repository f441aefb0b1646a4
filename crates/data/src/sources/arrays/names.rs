//! Know by which names the arrays of a data set go.

use std::collections::BTreeSet;

use super::layout::Form;

/// The arrays of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub images: &'static str,
    pub labels: &'static str,
}

/// The names that go together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Naming {
    pub train: Names,
    /// Those of held-out images, the first of which there are any counts.
    tests: &'static [Names],
    /// Whether an image is one axis, as in down-sampled ImageNet.
    is_flat: bool,
    /// Whether packed data sets have these names.
    is_packed: bool,
}

const fn names(images: &'static str, labels: &'static str) -> Names {
    Names { images, labels }
}

/// A naming of training images alone.
const fn of_train(images: &'static str, labels: &'static str) -> Naming {
    Naming {
        train: names(images, labels),
        tests: &[],
        is_flat: false,
        is_packed: false,
    }
}

/// All that are read, in order of preference.
static NAMINGS: [Naming; 5] = [
    // MedMNIST, and packed data sets.
    Naming {
        tests: &[
            names("test_images", "test_labels"),
            names("val_images", "val_labels"),
        ],
        is_packed: true,
        ..of_train("train_images", "train_labels")
    },
    // Keras.
    Naming {
        tests: &[names("x_test", "y_test")],
        ..of_train("x_train", "y_train")
    },
    of_train(ALONE, "labels"),
    // Arrays that were saved without names: samples.
    of_train("arr_0", "arr_1"),
    // Down-sampled ImageNet (Chrabaszcz, Loshchilov & Hutter 2017).
    Naming {
        is_flat: true,
        ..of_train("data", "labels")
    },
];

/// What the array of a file that holds no other is called.
pub(super) const ALONE: &str = "images";

impl Naming {
    /// The first of which the training images are among these names.
    pub fn among(there: &BTreeSet<String>) -> Option<&'static Self> {
        let mut namings = NAMINGS.iter();
        namings.find(|naming| there.contains(naming.train.images))
    }

    /// The held-out images, where any array of them is among these names.
    pub fn test(&self, there: &BTreeSet<String>) -> Option<Names> {
        let is_there =
            |names: &&Names| there.contains(names.images) || there.contains(names.labels);
        self.tests.iter().find(is_there).copied()
    }

    /// Whether its labels begin at 1 where none is 0.
    pub fn may_begin_at_1(&self) -> bool {
        self.is_flat
    }

    /// How the axes of its images are told apart, given whether each array is a file of a folder.
    pub fn form(&self, is_in_folder: bool) -> Form {
        match (self.is_flat, self.is_packed && is_in_folder) {
            (true, _) => Form::Flat,
            (false, true) => Form::ChannelsFirst,
            (false, false) => Form::ByLength,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn names_are_preferred_in_order_and_validation_stands_in_for_missing_tests() {
        let assert_finds = |there: &[&str], expected: Option<(&str, Form, Option<&str>)>| {
            let there = set(there);
            let found = Naming::among(&there).map(|naming| {
                let test = naming.test(&there).map(|test| test.images);
                (naming.train.images, naming.form(true), test)
            });
            assert_eq!(found, expected, "{there:?}");
        };
        let (by_length, first) = (Form::ByLength, Form::ChannelsFirst);
        assert_finds(
            &["arr_0", "images", "x_train", "train_images"],
            Some(("train_images", first, None)),
        );
        assert_finds(
            &["data", "arr_0", "images", "x_train"],
            Some(("x_train", by_length, None)),
        );
        assert_finds(
            &["data", "arr_0", "images"],
            Some(("images", by_length, None)),
        );
        assert_finds(&["data", "arr_0"], Some(("arr_0", by_length, None)));
        assert_finds(&["data", "labels"], Some(("data", Form::Flat, None)));
        assert_finds(
            &["x_train", "y_test"],
            Some(("x_train", by_length, Some("x_test"))),
        );
        assert_finds(
            &["train_images", "val_images", "test_labels"],
            Some(("train_images", first, Some("test_images"))),
        );
        assert_finds(
            &["train_images", "val_labels", "val_images"],
            Some(("train_images", first, Some("val_images"))),
        );
        assert_finds(&["train_labels", "test_images", "labels"], None);
        assert_finds(&[], None);
        let packed = Naming::among(&set(&["train_images"])).unwrap();
        assert_eq!(packed.form(false), by_length);
    }
}
