//! Read CIFAR-10 and CIFAR-100 in their binary version, unpacked or as the official archive.
//!
//! Format: Krizhevsky 2009, *Learning multiple layers of features from tiny images*; the files as
//! on its author's page. Records of the label, one byte, and the red, green and blue planes, 32
//! rows of 32 bytes each. In CIFAR-100 the byte of the coarse label comes first.

use std::path::{Path, PathBuf};

use super::files::Files;
use ebm_model::ImageShape;

use super::{DataConfig, DataError, Dataset, Images};

/// Rows and columns of every image.
pub(super) const NATIVE_SIDE: usize = 32;
/// Bytes of one channel.
const PLANE: usize = NATIVE_SIDE * NATIVE_SIDE;

/// Which of the two sets.
#[derive(Clone, Copy)]
pub(super) enum Cifar {
    /// CIFAR-10.
    Ten,
    /// CIFAR-100, with its fine labels.
    Hundred,
}

/// How a set is laid out in files.
struct Layout {
    /// Name of the official archive.
    archive: &'static str,
    /// Folder in the archive.
    folder: &'static str,
    /// Files of the training images.
    train: &'static [&'static str],
    /// File of the test images.
    test: &'static str,
    /// Position of the label in a record; the pixels follow.
    label_at: usize,
    /// Names of the labels 0, 1, …
    class_names: &'static [&'static str],
}

const CIFAR_10: Layout = Layout {
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

const CIFAR_100: Layout = Layout {
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

/// Reads both splits from `config.dir`; the test split may be absent.
pub(super) fn load(config: &DataConfig, kind: Cifar) -> Result<Dataset, DataError> {
    let path = config.existing_path()?;
    let channels = config.rgb_or_grey()?;
    let layout = match kind {
        Cifar::Ten => &CIFAR_10,
        Cifar::Hundred => &CIFAR_100,
    };
    let mut files = layout.find_files(path)?;
    let train = files
        .take(layout.train)
        .map_err(|names| DataError::Incomplete {
            path: files.root.clone(),
            names,
            dataset: config.dataset,
        })?;
    let test = files.take(&[layout.test]).ok();
    let images = |files| {
        let images = layout.decode(files, channels)?;
        Ok(images.resized(config.image_size))
    };
    Ok(Dataset {
        train: images(train)?,
        test: test.map(images).transpose()?,
        skipped: Vec::new(),
    })
}

impl Layout {
    /// Reads the archive `path`, or what there is first of: the files in the folder `path`, in its
    /// sub-folder of the published name, or in its archive of the published name.
    fn find_files(&self, path: &Path) -> Result<Files, DataError> {
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

    /// The images of these files, in order, with 3 channels or in grey.
    fn decode(&self, files: Vec<(PathBuf, Vec<u8>)>, channels: usize) -> Result<Images, DataError> {
        let num_classes = self.class_names.len();
        let pixels_at = self.label_at + 1;
        let record_len = pixels_at + 3 * PLANE;
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for (path, bytes) in files {
            if bytes.is_empty() || !bytes.len().is_multiple_of(record_len) {
                return Err(DataError::NotRecords {
                    path,
                    record_len,
                    got: bytes.len(),
                });
            }
            for (index, record) in bytes.chunks_exact(record_len).enumerate() {
                let label = record[self.label_at];
                if usize::from(label) >= num_classes {
                    return Err(DataError::BadLabel {
                        path,
                        index,
                        label,
                        num_classes,
                    });
                }
                labels.push(label.into());
                match channels {
                    1 => pixels.extend(luma(&record[pixels_at..])),
                    _ => pixels.extend_from_slice(&record[pixels_at..]),
                }
            }
        }
        Ok(Images {
            pixels,
            shape: ImageShape::new(channels, NATIVE_SIDE, NATIVE_SIDE),
            labels,
            class_names: self.class_names.iter().map(|&name| name.into()).collect(),
        })
    }
}

/// Luma of three planes, 0.299 R + 0.587 G + 0.114 B (Rec. ITU-R BT.601), rounded.
fn luma(rgb: &[u8]) -> impl Iterator<Item = u8> {
    let (red, rest) = rgb.split_at(PLANE);
    let (green, blue) = rest.split_at(PLANE);
    red.iter().zip(green).zip(blue).map(|((&r, &g), &b)| {
        let thousandths = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b);
        ((thousandths + 500) / 1000) as u8
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::DatasetKind;
    use crate::data::files::tests::archive;

    /// A record of CIFAR-10 with one value per channel.
    fn record(label: u8, [r, g, b]: [u8; 3]) -> Vec<u8> {
        [vec![label], vec![r; 1024], vec![g; 1024], vec![b; 1024]].concat()
    }

    /// Paths and contents.
    type Named = Vec<(String, Vec<u8>)>;

    /// Five training files with one plain image each, of label and value 1 to 5.
    fn train_files() -> Named {
        (1..=5)
            .map(|n| (format!("data_batch_{n}.bin"), record(n, [n; 3])))
            .collect()
    }

    fn all_files() -> Named {
        let mut files = train_files();
        files.push(("test_batch.bin".into(), record(9, [7, 8, 9])));
        files
    }

    /// Files of CIFAR-100 with one plain image each, of coarse label 19.
    fn fine_files(train_label: u8, test_label: u8) -> Named {
        [("train.bin", train_label), ("test.bin", test_label)]
            .map(|(name, label)| {
                let bytes = [vec![19], record(label, [label; 3])].concat();
                (name.into(), bytes)
            })
            .to_vec()
    }

    /// The same files in a folder.
    fn moved(files: &Named, folder: &str) -> Named {
        let move_one =
            |(name, bytes): &(String, _)| (format!("{folder}/{name}"), Vec::clone(bytes));
        files.iter().map(move_one).collect()
    }

    /// Loads `path` in a folder of these files; errors as text, the folder's path replaced by `DIR`.
    fn load_from(path: &str, files: &Named, config: DataConfig) -> Result<Dataset, String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        // Without the slash that joining an empty path leaves.
        let path = dir.path().join(path).components().collect();
        let config = DataConfig {
            dir: Some(path),
            ..config
        };
        crate::data::load(&config, 0).map_err(|error| {
            let text = error.to_string();
            text.replace(&dir.path().display().to_string(), "DIR")
        })
    }

    fn config(dataset: DatasetKind) -> DataConfig {
        DataConfig {
            dataset,
            ..DataConfig::default()
        }
    }

    fn load_10(files: &Named) -> Result<Dataset, String> {
        load_from("", files, config(DatasetKind::Cifar10))
    }

    fn load_100(files: &Named) -> Result<Dataset, String> {
        load_from("", files, config(DatasetKind::Cifar100))
    }

    #[test]
    fn reads_the_five_training_files_in_order_and_the_test_file() {
        let mut files = all_files();
        files[0].1.extend(record(0, [6; 3]));
        let Dataset { train, test, .. } = load_10(&files).unwrap();
        assert_eq!(train.labels, [1, 0, 2, 3, 4, 5]);
        assert_eq!(train.shape.to_string(), "3×32×32");
        for (index, value) in [1, 6, 2, 3, 4, 5].into_iter().enumerate() {
            assert_eq!(train.image(index), [value; 3072]);
        }
        let test = test.unwrap();
        assert_eq!(test.pixels, record(9, [7, 8, 9])[1..]);
        assert_eq!((&test.labels[..], test.shape), (&[9][..], train.shape));
        assert_eq!(test.class_names, train.class_names);
        assert_eq!(
            (&*test.class_names[0], &*test.class_names[9]),
            ("airplane", "truck")
        );
    }

    #[test]
    fn the_test_file_may_be_absent() {
        assert_eq!(load_10(&train_files()).unwrap().test, None);
    }

    #[test]
    fn pixels_are_red_green_and_blue_planes_of_rows() {
        let mut files = train_files();
        let rows = |value: fn(u8, u8) -> u8| {
            (0..32).flat_map(move |row| (0..32).map(move |column| value(row, column)))
        };
        files[0].1 = vec![3];
        files[0].1.extend(rows(|row, _| row));
        files[0].1.extend(rows(|_, column| 100 + column));
        files[0].1.extend(rows(|_, _| 200));
        let train = load_10(&files).unwrap().train;
        let [_, height, width] = train.shape.dims();
        let pixel =
            |channel, row, column| train.image(0)[(channel * height + row) * width + column];
        assert_eq!([pixel(0, 0, 31), pixel(0, 31, 0)], [0, 31]);
        assert_eq!([pixel(1, 0, 31), pixel(1, 31, 0)], [131, 100]);
        assert_eq!([pixel(2, 0, 0), pixel(2, 31, 31)], [200, 200]);
    }

    #[test]
    fn finds_the_files_in_a_folder_its_parent_an_archive_or_beside_one() {
        let whole = load_10(&all_files()).unwrap();
        let unpacked = moved(&all_files(), "cifar-10-batches-bin");
        assert_eq!(load_10(&unpacked).unwrap(), whole);
        for (name, path) in [("cifar-10-binary.tar.gz", ""), ("my.tgz", "my.tgz")] {
            let files = vec![(name.into(), archive(&unpacked))];
            let loaded = load_from(path, &files, config(DatasetKind::Cifar10));
            assert_eq!(loaded.unwrap(), whole);
        }
    }

    #[test]
    fn cifar_100_has_the_fine_labels_of_a_hundred_classes() {
        let data = load_100(&fine_files(0, 99)).unwrap();
        let test = data.test.as_ref().unwrap();
        assert_eq!((&data.train.labels, &test.labels), (&vec![0], &vec![99]));
        assert_eq!(
            (&data.train.pixels, &test.pixels),
            (&vec![0; 3072], &vec![99; 3072])
        );
        assert_eq!(test.class_names.len(), 100);
        assert!(test.class_names.is_sorted_by(|name, next| name < next));
        let unpacked = moved(&fine_files(0, 99), "cifar-100-binary");
        assert_eq!(load_100(&unpacked).as_ref(), Ok(&data));
        let packed = vec![("cifar-100-binary.tar.gz".into(), archive(&unpacked))];
        assert_eq!(load_100(&packed).as_ref(), Ok(&data));
    }

    #[test]
    fn grey_is_rounded_luma_and_three_channels_stay_as_they_are() {
        let mut files = all_files();
        // The last two are 97.500 and 90.490: no weight may be smaller or larger by 0.001.
        let (red, green, blue) = ([255, 0, 0], [0, 255, 0], [0, 0, 255]);
        let colours = [red, green, blue, [255; 3], [60, 120, 80], [60, 110, 70]];
        files[0].1 = colours.map(|colour| record(0, colour)).concat();
        let with = |channels| {
            let config = DataConfig {
                channels,
                ..config(DatasetKind::Cifar10)
            };
            load_from("", &files, config)
        };
        let train = with(1).unwrap().train;
        assert_eq!(train.shape.to_string(), "1×32×32");
        for (index, luma) in [76, 150, 29, 255, 98, 90].into_iter().enumerate() {
            assert_eq!(train.image(index), [luma; 1024]);
        }
        assert_eq!(with(3), with(0));
        assert_eq!(
            with(2).unwrap_err(),
            "`data.channels` is 2: pictures are read with 1 (grey) or 3 (RGB); 0 stands for 3"
        );
    }

    #[test]
    fn resizes_both_splits_and_leaves_32_as_it_is() {
        let at = |image_size| {
            let config = DataConfig {
                image_size,
                ..config(DatasetKind::Cifar10)
            };
            load_from("", &all_files(), config).unwrap()
        };
        assert_eq!(at(32), at(0));
        let Dataset { train, test, .. } = at(4);
        let test = test.unwrap();
        assert_eq!((train.len(), train.image(4)), (5, &[5; 48][..]));
        assert_eq!(
            (train.shape.to_string(), train.shape),
            ("3×4×4".into(), test.shape)
        );
        assert_eq!(test.pixels, [[7; 16], [8; 16], [9; 16]].concat());
    }

    #[test]
    fn names_all_places_looked_at_and_the_remedy() {
        let python_version = vec![("cifar-10-batches-py/data_batch_1".into(), vec![])];
        assert_eq!(
            load_10(&python_version).unwrap_err(),
            "DIR has none of data_batch_1.bin, cifar-10-batches-bin/data_batch_1.bin, \
             cifar-10-binary.tar.gz: download the file, or pass the folder that holds it with \
             `--data-dir DIR`"
        );
    }

    #[test]
    fn names_every_missing_training_file_of_a_folder_or_an_archive() {
        let mut files = all_files();
        files.remove(3);
        files.remove(1);
        assert_eq!(
            load_10(&files).unwrap_err(),
            "DIR lacks data_batch_2.bin, data_batch_4.bin: \
             take every file of the binary version of cifar10"
        );
        let other_set = vec![("cifar-100-binary.tar.gz".into(), archive(&files))];
        assert_eq!(
            load_100(&other_set).unwrap_err(),
            "DIR/cifar-100-binary.tar.gz lacks train.bin: \
             take every file of the binary version of cifar100"
        );
    }

    #[test]
    fn refuses_a_file_that_is_empty_or_ends_within_a_record() {
        for len in [0, 3072, 3074] {
            let message = |path| {
                format!(
                    "DIR/{path} has {len} bytes, expected one or more records of 3073 bytes: \
                     it is another file, or damaged; download it again"
                )
            };
            let mut files = all_files();
            files[5].1 = vec![0; len];
            assert_eq!(load_10(&files).unwrap_err(), message("test_batch.bin"));
            files[4].1 = vec![0; len];
            let packed = vec![("cifar-10-binary.tar.gz".into(), archive(&files))];
            let path = "cifar-10-binary.tar.gz/data_batch_5.bin";
            assert_eq!(load_10(&packed).unwrap_err(), message(path));
        }
        let mut files = fine_files(0, 0);
        files[0].1.pop();
        assert_eq!(
            load_100(&files).unwrap_err(),
            "DIR/train.bin has 3073 bytes, expected one or more records of 3074 bytes: \
             it is another file, or damaged; download it again"
        );
    }

    #[test]
    fn refuses_a_label_that_is_no_class() {
        let mut files = all_files();
        files[0].1.extend(record(10, [0; 3]));
        assert_eq!(
            load_10(&files).unwrap_err(),
            "label 1 of DIR/data_batch_1.bin is 10, expected 0 to 9: it is another set, or damaged"
        );
        assert_eq!(
            load_100(&fine_files(99, 100)).unwrap_err(),
            "label 0 of DIR/test.bin is 100, expected 0 to 99: it is another set, or damaged"
        );
    }
}
