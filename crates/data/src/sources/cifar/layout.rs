//! Know how the two sets are laid out in files, and find those files.

use std::path::{Path, PathBuf};

use crate::error::DataError;

use super::files::Files;

/// How a set is laid out in files.
pub(super) struct Layout {
    /// Its published versions. Where files of both are found, the first is read.
    versions: [Version; 2],
    /// Names of the labels 0, 1, …
    pub class_names: &'static [&'static str],
}

/// One of the versions in which a set is published.
pub(super) struct Version {
    /// As its author calls it.
    pub name: &'static str,
    /// Name of the official archive.
    archive: &'static str,
    /// Folder in the archive.
    folder: &'static str,
    /// Files of the training images.
    pub train: &'static [&'static str],
    /// File of the test images.
    pub test: &'static str,
    /// Files that together tell it where they lie in a folder of another name.
    told_by: &'static [&'static str],
    /// What is in each of these files.
    pub format: Format,
}

/// How a file holds images and labels.
#[derive(Clone, Copy)]
pub(super) enum Format {
    /// Records, each with the label at this position, and the pixels after it.
    Records {
        /// Position of the label.
        label_at: usize,
    },
    /// A pickled dict of an array `data` and a list of labels.
    Pickle {
        /// Key of the labels.
        labels: &'static str,
    },
}

/// CIFAR-10.
pub(super) const CIFAR_10: Layout = Layout {
    versions: [
        Version {
            name: "binary",
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
            told_by: &["data_batch_1.bin"],
            format: Format::Records { label_at: 0 },
        },
        Version {
            name: "Python",
            archive: "cifar-10-python.tar.gz",
            folder: "cifar-10-batches-py",
            train: &[
                "data_batch_1",
                "data_batch_2",
                "data_batch_3",
                "data_batch_4",
                "data_batch_5",
            ],
            test: "test_batch",
            told_by: &["data_batch_1"],
            format: Format::Pickle { labels: "labels" },
        },
    ],
    class_names: &CIFAR_10_CLASSES,
};

/// CIFAR-100, with its fine labels.
pub(super) const CIFAR_100: Layout = Layout {
    versions: [
        Version {
            name: "binary",
            archive: "cifar-100-binary.tar.gz",
            folder: "cifar-100-binary",
            train: &["train.bin"],
            test: "test.bin",
            told_by: &["train.bin", "test.bin"],
            format: Format::Records { label_at: 1 },
        },
        Version {
            name: "Python",
            archive: "cifar-100-python.tar.gz",
            folder: "cifar-100-python",
            train: &["train"],
            test: "test",
            told_by: &["train", "test", "meta"],
            format: Format::Pickle {
                labels: "fine_labels",
            },
        },
    ],
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
    /// Whether one of its versions is in the folder or the archive `path`, by names alone.
    pub(super) fn is_in(&self, path: &Path) -> bool {
        self.versions.iter().any(|version| version.is_in(path))
    }

    /// Reads one version from the archive `path` or from the folder `path`, and says which: the first that is complete,
    /// else the first that has all training images, else the first of which there is any file.
    ///
    /// # Errors
    /// Where there is none, or none is complete and one cannot be read.
    pub(super) fn find_files(&self, path: &Path) -> Result<(&Version, Files), DataError> {
        if path.is_file() {
            return self.read_archive(path);
        }
        let mut best: Option<(&Version, Files)> = None;
        let mut problem = None;
        for version in &self.versions {
            for place in version.places_in(path) {
                let files = match version.read(place) {
                    Ok(files) => files,
                    Err(found) => {
                        problem = problem.or(Some(found));
                        continue;
                    }
                };
                let completeness = version.completeness(&files);
                if completeness == (true, true) {
                    return Ok((version, files));
                }
                let is_better = best
                    .as_ref()
                    .is_none_or(|(other, found)| completeness > other.completeness(found));
                if is_better {
                    best = Some((version, files));
                }
            }
        }
        if let Some(problem) = problem {
            return Err(problem);
        }
        best.ok_or_else(|| DataError::MissingFile {
            dir: path.into(),
            names: self.versions.iter().flat_map(Version::places).collect(),
        })
    }

    /// Reads an archive of whatever name.
    fn read_archive(&self, path: &Path) -> Result<(&Version, Files), DataError> {
        let names: Vec<_> = self.versions.iter().flat_map(Version::names).collect();
        let files = Files::in_archive(path.into(), &names)?;
        let is_there = |version: &&Version| files.has_some(&version.names());
        // Of equals the last is taken.
        let versions = self.versions.iter().rev().filter(is_there);
        match versions.max_by_key(|version| version.completeness(&files)) {
            Some(version) => Ok((version, files)),
            None => Err(DataError::MissingFile {
                dir: path.into(),
                names: self
                    .versions
                    .iter()
                    .map(|version| version.train[0].into())
                    .collect(),
            }),
        }
    }
}

impl Version {
    fn is_in(&self, path: &Path) -> bool {
        let is_called = |name: &str| path.file_name().is_some_and(|found| found == name);
        let is_first_in = |folder: &Path| folder.join(self.train[0]).is_file();
        if path.is_file() {
            return is_called(self.archive);
        }
        path.join(self.archive).is_file()
            || is_first_in(&path.join(self.folder))
            || (is_called(self.folder) && is_first_in(path))
            || self.told_by.iter().all(|name| path.join(name).is_file())
    }

    /// Where some of its files are below a folder: the folder itself, its sub-folder of the published name, its archive
    /// of the published name.
    fn places_in(&self, path: &Path) -> Vec<PathBuf> {
        let names = self.names();
        let holds_some = |folder: &PathBuf| names.iter().any(|name| folder.join(name).is_file());
        let folders = [path.into(), path.join(self.folder)];
        let mut places: Vec<PathBuf> = folders.into_iter().filter(holds_some).collect();
        let archive = path.join(self.archive);
        if archive.is_file() {
            places.push(archive);
        }
        places
    }

    /// Whether all of its files were found, and all to train on.
    fn completeness(&self, files: &Files) -> (bool, bool) {
        (files.has_all(&self.names()), files.has_all(self.train))
    }

    /// Its files, as far as a folder or an archive has them.
    fn read(&self, place: PathBuf) -> Result<Files, DataError> {
        if place.is_file() {
            Files::in_archive(place, &self.names())
        } else {
            Files::in_folder(place, &self.names())
        }
    }

    /// Names of its files.
    fn names(&self) -> Vec<&'static str> {
        [self.train, &[self.test]].concat()
    }

    /// Where in a folder it is looked for.
    fn places(&self) -> [String; 3] {
        let first = self.train[0];
        [
            first.into(),
            format!("{}/{first}", self.folder),
            self.archive.into(),
        ]
    }
}
