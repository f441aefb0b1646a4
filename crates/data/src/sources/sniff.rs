//! Tell which data sets a folder may hold, from the names of its files.

use std::path::Path;

use super::cifar::{self, Cifar};
use super::mnist::{self, IdxSet};
use super::{arrays, folder};
use crate::kind::DatasetKind;

/// The data sets of IDX files.
const IDX_SETS: [(DatasetKind, IdxSet); 9] = [
    (DatasetKind::Mnist, mnist::MNIST),
    (DatasetKind::FashionMnist, mnist::FASHION_MNIST),
    (DatasetKind::Qmnist, mnist::QMNIST),
    (DatasetKind::EmnistBalanced, mnist::EMNIST_BALANCED),
    (DatasetKind::EmnistByclass, mnist::EMNIST_BYCLASS),
    (DatasetKind::EmnistBymerge, mnist::EMNIST_BYMERGE),
    (DatasetKind::EmnistDigits, mnist::EMNIST_DIGITS),
    (DatasetKind::EmnistLetters, mnist::EMNIST_LETTERS),
    (DatasetKind::EmnistMnist, mnist::EMNIST_MNIST),
];

/// The data sets that the file `path` or files in the folder `path` may be, by their names alone: those that were
/// published under such names, or else pictures or arrays: arrays where they have the names that a data set is packed
/// under, whatever lies beside them. Both of these where pictures lie beside arrays or in folders
/// there, and it is not clear which are meant: an array has a name that images are known by, or is in an archive. None
/// where nothing is recognised.
pub fn kinds_in(path: &Path) -> Vec<DatasetKind> {
    let published = published_in(path);
    if !published.is_empty() {
        return published;
    }
    let arrays = arrays::names_in(path);
    if arrays::are_packed(&arrays) {
        return vec![DatasetKind::Arrays];
    }
    let has_pictures = folder::holds_pictures(path);
    let has_arrays = match has_pictures {
        true => arrays::have_known_names(&arrays),
        false => !arrays.is_empty(),
    };
    let kinds = [
        (has_pictures, DatasetKind::Folder),
        (has_arrays, DatasetKind::Arrays),
    ];
    let kinds = kinds.into_iter().filter(|(is_there, _)| *is_there);
    kinds.map(|(_, kind)| kind).collect()
}

/// The data sets that have names of their own for their files.
fn published_in(path: &Path) -> Vec<DatasetKind> {
    let of_idx = IDX_SETS.iter().filter(|(_, set)| mnist::is_in(path, *set));
    let mut kinds: Vec<DatasetKind> = of_idx.map(|(kind, _)| *kind).collect();
    for (kind, set) in [
        (DatasetKind::Cifar10, Cifar::Ten),
        (DatasetKind::Cifar100, Cifar::Hundred),
    ] {
        if cifar::is_in(path, set) {
            kinds.push(kind);
        }
    }
    kinds
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
            (
                "raw/train-images.idx3-ubyte",
                vec![DatasetKind::Mnist, DatasetKind::FashionMnist],
            ),
            (
                "FashionMNIST/raw/train-images-idx3-ubyte",
                vec![DatasetKind::FashionMnist],
            ),
            ("qmnist-train-images-idx3-ubyte", vec![DatasetKind::Qmnist]),
            (
                "emnist-letters-train-images-idx3-ubyte.gz",
                vec![DatasetKind::EmnistLetters],
            ),
            ("cifar-100-binary/train.bin", vec![DatasetKind::Cifar100]),
            ("holiday/beach.JPG", vec![DatasetKind::Folder]),
            ("train_images.npy", vec![DatasetKind::Arrays]),
            ("PathMNIST.NPZ", vec![DatasetKind::Arrays]),
            (".hidden.npz", vec![]),
            ("train.bin", vec![]),
            ("train-images-of-cats.txt", vec![]),
            ("emnist-letters.txt", vec![]),
            ("cifar-10-binary.txt", vec![]),
            ("cifar-10-batches-py/notes.txt", vec![]),
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

    /// What is recognised in a folder of this name with these empty files.
    fn kinds_among(folder: &str, files: &[&str]) -> Vec<DatasetKind> {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(folder);
        for file in files {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        kinds_in(&folder)
    }

    #[test]
    fn the_name_of_a_published_data_set_is_that_of_its_files_and_of_nothing_else() {
        let (folder, arrays) = (vec![DatasetKind::Folder], vec![DatasetKind::Arrays]);
        for (name, files, expected) in [
            ("cifar-10-packed", &["train_images.npy"][..], &arrays),
            ("cifar-100-small", &["cat/1.png"], &folder),
            ("data", &["cifar-10-images.zip"], &folder),
            ("data", &["train-images/1.png"], &folder),
            ("data", &["train-images-idx3-ubyte/1.png"], &folder),
            ("data", &["cifar-10-python.tar.gz/1.png"], &folder),
            ("data", &["emnist-notes.txt", "cat/1.png"], &folder),
            ("data", &["qmnist-train-images.npy"], &arrays),
            (
                "data",
                &["train/1.png", "test/1.png", "meta/1.png"],
                &folder,
            ),
        ] {
            assert_eq!(kinds_among(name, files), *expected, "{name}: {files:?}");
        }
        let fine = vec![DatasetKind::Cifar100];
        assert_eq!(kinds_among("cifar-100-binary", &["train.bin"]), fine);
        assert_eq!(kinds_among("data", &["train.bin", "test.bin"]), fine);
        assert_eq!(
            kinds_among("data", &["data_batch_1", "qmnist-train-images-idx3-ubyte"]),
            [DatasetKind::Qmnist, DatasetKind::Cifar10]
        );
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
    fn a_file_is_known_by_its_own_name() {
        let dir = tempfile::tempdir().unwrap();
        for (name, expected) in [
            ("cifar-10-python.tar.gz", DatasetKind::Cifar10),
            ("cifar-100-binary.tar.gz", DatasetKind::Cifar100),
            ("cifar-10-images.tar.gz", DatasetKind::Folder),
            ("cifar-10-images.zip", DatasetKind::Folder),
            ("cifar-10-small.npz", DatasetKind::Arrays),
            ("images.npy", DatasetKind::Arrays),
            ("train.parquet", DatasetKind::Folder),
        ] {
            let path = dir.path().join(name);
            std::fs::write(&path, "").unwrap();
            assert_eq!(kinds_in(&path), [expected], "{name}");
        }
    }

    #[test]
    fn pictures_with_arrays_that_may_be_images_are_not_clear() {
        const ARRAYS: &[DatasetKind] = &[DatasetKind::Arrays];
        const FOLDER: &[DatasetKind] = &[DatasetKind::Folder];
        const BOTH: &[DatasetKind] = &[DatasetKind::Folder, DatasetKind::Arrays];
        for (arrays, expected) in [
            ("a.npz", BOTH),
            ("images.npy", BOTH),
            ("train_images.npy", ARRAYS),
            ("features.npy", FOLDER),
        ] {
            assert_eq!(kinds_among("data", &[arrays]), [DatasetKind::Arrays]);
            for picture in ["preview.png", "samples/of/1.png", "photos.tar"] {
                let kinds = kinds_among("data", &[arrays, picture]);
                assert_eq!(kinds, expected, "{arrays}, {picture}");
            }
        }
    }
}
