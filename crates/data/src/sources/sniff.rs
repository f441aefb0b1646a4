//! Tell which data sets a folder may hold, from the names of its files.

use std::path::Path;

use super::{arrays, folder};
use crate::kind::DatasetKind;

/// The data sets whose files are in `path`; none where nothing is recognised.
pub fn kinds_in(path: &Path) -> Vec<DatasetKind> {
    let has = |start: &str| names_in(path).iter().any(|name| name.starts_with(start));
    let below = |folder: &str, file: &str| path.join(folder).join(file).exists() || has(file);
    let is_named = |start: &str| path.file_name().is_some_and(|name| starts(name, start));
    let emnist = [
        DatasetKind::EmnistBalanced,
        DatasetKind::EmnistByclass,
        DatasetKind::EmnistBymerge,
        DatasetKind::EmnistDigits,
        DatasetKind::EmnistLetters,
        DatasetKind::EmnistMnist,
    ];
    if path.is_file() && arrays::holds_arrays(path) {
        vec![DatasetKind::Arrays]
    } else if has("train-images") {
        vec![DatasetKind::Mnist, DatasetKind::FashionMnist]
    } else if has("qmnist-train-images") {
        vec![DatasetKind::Qmnist]
    } else if has("emnist-") {
        let is_there = |kind: &DatasetKind| has(&format!("{kind}-train-images"));
        emnist.into_iter().filter(is_there).collect()
    } else if below("cifar-10-batches-bin", "data_batch_1.bin")
        || below("cifar-10-batches-py", "data_batch_1")
        || has("cifar-10-binary")
        || has("cifar-10-python")
        || is_named("cifar-10-")
    {
        vec![DatasetKind::Cifar10]
    } else if below("cifar-100-binary", "train.bin")
        || has("cifar-100-binary")
        || has("cifar-100-python")
        || ["train", "test", "meta"]
            .iter()
            .all(|file| path.join(file).is_file())
        || is_named("cifar-100-")
    {
        vec![DatasetKind::Cifar100]
    } else if folder::holds_pictures(path) {
        vec![DatasetKind::Folder]
    } else if arrays::holds_arrays(path) {
        vec![DatasetKind::Arrays]
    } else {
        Vec::new()
    }
}

fn starts(name: &std::ffi::OsStr, start: &str) -> bool {
    name.to_string_lossy().starts_with(start)
}

fn names_in(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_known_by_the_names_of_its_files() {
        for (file, expected) in [
            (
                "train-images-idx3-ubyte.gz",
                vec![DatasetKind::Mnist, DatasetKind::FashionMnist],
            ),
            (
                "cifar-10-batches-bin/data_batch_1.bin",
                vec![DatasetKind::Cifar10],
            ),
            (
                "cifar-10-batches-py/data_batch_1",
                vec![DatasetKind::Cifar10],
            ),
            ("data_batch_1", vec![DatasetKind::Cifar10]),
            ("cifar-10-python.tar.gz", vec![DatasetKind::Cifar10]),
            ("cifar-100-python/train", vec![DatasetKind::Cifar100]),
            ("cifar-100-python.tar.gz", vec![DatasetKind::Cifar100]),
            ("qmnist-train-images-idx3-ubyte", vec![DatasetKind::Qmnist]),
            (
                "emnist-letters-train-images-idx3-ubyte.gz",
                vec![DatasetKind::EmnistLetters],
            ),
            ("train.bin", vec![DatasetKind::Cifar100]),
            ("holiday/beach.JPG", vec![DatasetKind::Folder]),
            ("train_images.npy", vec![DatasetKind::Arrays]),
            ("PathMNIST.NPZ", vec![DatasetKind::Arrays]),
            (".hidden.npz", vec![]),
            ("thesis.tex", vec![]),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
            assert_eq!(kinds_in(dir.path()), expected, "{file}");
        }
        assert_eq!(kinds_in(Path::new("/no/such/place")), []);
    }

    #[test]
    fn files_without_extension_are_known_together() {
        let dir = tempfile::tempdir().unwrap();
        for (file, expected) in [
            ("train", vec![]),
            ("test", vec![]),
            ("meta", vec![DatasetKind::Cifar100]),
        ] {
            std::fs::write(dir.path().join(file), "").unwrap();
            assert_eq!(kinds_in(dir.path()), expected, "{file}");
        }
    }

    #[test]
    fn an_archive_is_known_by_its_name_and_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("holiday.tar");
        assert_eq!(kinds_in(&path), []);
        std::fs::write(&path, "").unwrap();
        assert_eq!(kinds_in(&path), [DatasetKind::Folder]);
        assert_eq!(kinds_in(dir.path()), [DatasetKind::Folder]);
    }

    #[test]
    fn arrays_are_known_by_their_extension_where_no_picture_lies_beside_them() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["cifar-10-small.npz", "images.npy"] {
            let path = dir.path().join(name);
            std::fs::write(&path, "").unwrap();
            assert_eq!(kinds_in(&path), [DatasetKind::Arrays], "{name}");
            assert_eq!(kinds_in(dir.path()), [DatasetKind::Arrays]);
            std::fs::write(dir.path().join("a.png"), "").unwrap();
            assert_eq!(kinds_in(dir.path()), [DatasetKind::Folder]);
            for file in [name, "a.png"] {
                std::fs::remove_file(dir.path().join(file)).unwrap();
            }
        }
    }
}
