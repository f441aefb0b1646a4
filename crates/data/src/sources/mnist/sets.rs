//! Name the data sets in the format of MNIST: their files, their classes, and how they differ.

use super::idx::{Content, LABELS, NIST_LABELS};

/// A data set of four IDX files.
#[derive(Clone, Copy, Debug)]
pub(in crate::sources) struct IdxSet {
    /// Beginnings of the names of the files to train on and of the held-out ones.
    pub splits: [&'static str; 2],
    /// The folder that torchvision puts them into, in which they are in `raw`.
    pub folder: &'static str,
    pub labels: Content,
    /// One letter or digit for each class, or names.
    pub class_names: Names,
    /// The label of the first class.
    pub first_label: u8,
    /// Whether images are stored by columns.
    pub by_columns: bool,
}

/// Names of classes.
#[derive(Clone, Copy, Debug)]
pub(in crate::sources) enum Names {
    /// Each a character.
    Characters(&'static str),
    Words(&'static [&'static str]),
}

impl Names {
    pub fn list(self) -> Vec<String> {
        match self {
            Self::Characters(text) => text.chars().map(String::from).collect(),
            Self::Words(words) => words.iter().map(|&word| word.to_owned()).collect(),
        }
    }
}

const DIGITS: Names = Names::Characters("0123456789");
const CAPITALS: Names = Names::Characters("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
/// Digits, capitals and those small letters that do not look like theirs (Cohen et al. 2017, EMNIST).
const MERGED: Names = Names::Characters("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt");
const ALL: Names =
    Names::Characters("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
/// Xiao, Rasul & Vollgraf 2017, table 2.
const CLOTHES: Names = Names::Words(&[
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle-boot",
]);

pub(in crate::sources) const MNIST: IdxSet = IdxSet {
    splits: ["train", "t10k"],
    folder: "MNIST",
    labels: LABELS,
    class_names: DIGITS,
    first_label: 0,
    by_columns: false,
};
pub(in crate::sources) const FASHION_MNIST: IdxSet = IdxSet {
    folder: "FashionMNIST",
    class_names: CLOTHES,
    ..MNIST
};
/// Yadav & Bottou 2019.
pub(in crate::sources) const QMNIST: IdxSet = IdxSet {
    splits: ["qmnist-train", "qmnist-test"],
    folder: "QMNIST",
    labels: NIST_LABELS,
    ..MNIST
};
pub(in crate::sources) const EMNIST_BALANCED: IdxSet = IdxSet {
    class_names: MERGED,
    ..emnist(["emnist-balanced-train", "emnist-balanced-test"])
};
pub(in crate::sources) const EMNIST_BYCLASS: IdxSet = IdxSet {
    class_names: ALL,
    ..emnist(["emnist-byclass-train", "emnist-byclass-test"])
};
pub(in crate::sources) const EMNIST_BYMERGE: IdxSet = IdxSet {
    class_names: MERGED,
    ..emnist(["emnist-bymerge-train", "emnist-bymerge-test"])
};
pub(in crate::sources) const EMNIST_DIGITS: IdxSet =
    emnist(["emnist-digits-train", "emnist-digits-test"]);
pub(in crate::sources) const EMNIST_LETTERS: IdxSet = IdxSet {
    class_names: CAPITALS,
    first_label: 1,
    ..emnist(["emnist-letters-train", "emnist-letters-test"])
};
pub(in crate::sources) const EMNIST_MNIST: IdxSet =
    emnist(["emnist-mnist-train", "emnist-mnist-test"]);

/// A part of EMNIST, of digits.
const fn emnist(splits: [&'static str; 2]) -> IdxSet {
    IdxSet {
        splits,
        folder: "EMNIST",
        by_columns: true,
        ..MNIST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_has_the_classes_that_were_published() {
        for (set, num, last) in [
            (MNIST, 10, "9"),
            (FASHION_MNIST, 10, "ankle-boot"),
            (QMNIST, 10, "9"),
            (EMNIST_BALANCED, 47, "t"),
            (EMNIST_BYCLASS, 62, "z"),
            (EMNIST_BYMERGE, 47, "t"),
            (EMNIST_DIGITS, 10, "9"),
            (EMNIST_LETTERS, 26, "Z"),
            (EMNIST_MNIST, 10, "9"),
        ] {
            let names = set.class_names.list();
            assert_eq!(
                (names.len(), names[num - 1].as_str()),
                (num, last),
                "{set:?}"
            );
        }
    }
}
