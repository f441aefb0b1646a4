//! Know how the two sets are laid out in files, and find those files.

use std::path::{Path, PathBuf};

use crate::error::DataError;

use super::files::Files;

/// How a set is laid out in files.
pub(super) struct Layout {
    /// Name of the official archive.
    archive: &'static str,
    /// Folder in the archive.
    folder: &'static str,
    /// Files of the training images.
    pub train: &'static [&'static str],
    /// File of the test images.
    pub test: &'static str,
    /// Position of the label in a record; the pixels follow.
    pub label_at: usize,
    /// Names of the labels 0, 1, …
    pub class_names: &'static [&'static str],
}

/// CIFAR-10.
pub(super) const CIFAR_10: Layout = Layout {
    archive: "cifar-10-binary.tar.gz",
    folder: "cifar-10-batches-bin",
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: "test_batch.bin",
    label_at: 0,
    class_names: &CIFAR_10_CLASSES,
};

/// CIFAR-100, with its fine labels.
pub(super) const CIFAR_100: Layout = Layout {
    archive: "cifar-100-binary.tar.gz",
    folder: "cifar-100-binary",
    train: &["train.bin"],
    test: "test.bin",
    label_at: 1,
    class_names: &CIFAR_100_CLASSES,
};

/// As in `batches.meta.txt`.
#[rustfmt::skip]
const CIFAR_10_CLASSES: [&str; 10] = [
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
];
/// As in `fine_label_names.txt`.
#[rustfmt::skip]
const CIFAR_100_CLASSES: [&str; 100] = [
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
    "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
    "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
    "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
    "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
    "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
];

impl Layout {
    /// Reads the archive `path`, or from the folder `path` the first that is there: the files
    /// themselves, its sub-folder of the published name, its archive of the published name.
    pub(super) fn find_files(&self, path: &Path) -> Result<Files, DataError> {
        let names = [self.train, &[self.test]].concat();
        if path.is_file() {
            return Files::in_archive(path.into(), &names);
        }
        let holds_some = |folder: &PathBuf| names.iter().any(|name| folder.join(name).is_file());
        let folders = [path.into(), path.join(self.folder)];
        if let Some(folder) = folders.into_iter().find(holds_some) {
            return Files::in_folder(folder, &names);
        }
        let archive = path.join(self.archive);
        if archive.is_file() {
            return Files::in_archive(archive, &names);
        }
        Err(DataError::MissingFile {
            dir: path.into(),
            names: vec![
                self.train[0].into(),
                format!("{}/{}", self.folder, self.train[0]),
                self.archive.into(),
            ],
        })
    }
}
