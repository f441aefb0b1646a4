//! Read MNIST and Fashion-MNIST: four IDX files in one folder.

mod idx;

use std::path::{Path, PathBuf};

use ebm_core::ImageShape;

use crate::config::DataConfig;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::images::Images;

use idx::{Content, IMAGES, LABELS, read_idx};

/// Names of the MNIST classes.
pub(super) const MNIST_CLASSES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
/// Names of the Fashion-MNIST classes (Xiao, Rasul & Vollgraf 2017, table 2).
#[rustfmt::skip]
pub(super) const FASHION_MNIST_CLASSES: [&str; 10] = [
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot",
];

/// Reads both splits from `config.dir`; the test split may be absent as a whole.
pub(super) fn load(config: &DataConfig, class_names: &[&str]) -> Result<Dataset, DataError> {
    let dir = config.existing_dir()?;
    config.grey_only()?;
    let train = read_split(dir, "train", config.image_size, class_names)?;
    let test = read_test(dir, config.image_size, class_names, train.shape);
    Ok(Dataset::of_train(train).with_test(test))
}

/// The test split, of images of `shape`, where any of its files is there.
fn read_test(
    dir: &Path,
    image_size: usize,
    class_names: &[&str],
    shape: ImageShape,
) -> Result<Option<Images>, DataError> {
    let is_there = |content: &Content| find(*content, dir, "t10k").is_ok();
    if ![IMAGES, LABELS].iter().any(is_there) {
        return Ok(None);
    }
    let test = read_split(dir, "t10k", image_size, class_names)?;
    if test.shape != shape {
        return Err(DataError::ShapesDiffer {
            path: dir.into(),
            train: shape,
            test: test.shape,
        });
    }
    Ok(Some(test))
}

/// Reads the images and labels of one split and resizes them to `image_size` (0: not at all).
fn read_split(
    dir: &Path,
    split: &str,
    image_size: usize,
    class_names: &[&str],
) -> Result<Images, DataError> {
    let images_path = find(IMAGES, dir, split)?;
    let labels_path = find(LABELS, dir, split)?;
    let (dims, pixels) = read_idx(&images_path, IMAGES)?;
    let (_, labels) = read_idx(&labels_path, LABELS)?;
    if pixels.is_empty() {
        return Err(DataError::NoImages {
            path: images_path,
            remedy: "download it again",
        });
    }
    check_labels(&labels, labels_path, dims[0], images_path)?;
    let images = Images {
        pixels,
        shape: ImageShape::new(1, dims[1], dims[2]),
        labels: labels.into_iter().map(u32::from).collect(),
        class_names: class_names.iter().map(|&name| name.into()).collect(),
    };
    Ok(images.resized(image_size))
}

/// Refuses labels that do not fit their images or are no class.
fn check_labels(
    labels: &[u8],
    path: PathBuf,
    num_images: usize,
    images: PathBuf,
) -> Result<(), DataError> {
    if labels.len() != num_images {
        return Err(DataError::CountMismatch {
            images,
            labels: path,
            num_images,
            num_labels: labels.len(),
        });
    }
    match labels.iter().position(|&label| label > 9) {
        None => Ok(()),
        Some(index) => Err(DataError::BadLabel {
            path,
            index,
            label: labels[index],
            num_classes: 10,
        }),
    }
}

/// Names of a file of `split`: as published or as some archives unpack it, gzipped or not.
fn file_names(content: Content, split: &str) -> Vec<String> {
    let (name, dims) = (content.name, content.num_dims());
    let plain = ["-", "."].map(|dot| format!("{split}-{name}{dot}idx{dims}-ubyte"));
    let gzipped = plain.clone().map(|name| name + ".gz");
    [plain, gzipped].concat()
}

/// The first of the names that is a file in `dir`.
fn find(content: Content, dir: &Path, split: &str) -> Result<PathBuf, DataError> {
    let names = file_names(content, split);
    let found = names
        .iter()
        .map(|name| dir.join(name))
        .find(|path| path.is_file());
    found.ok_or(DataError::MissingFile {
        dir: dir.into(),
        names,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::kind::DatasetKind;

    /// A file with the sizes `dims` and the items `items`.
    fn idx(dims: &[u32], items: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        bytes.extend(dims.iter().flat_map(|size| size.to_be_bytes()));
        bytes.extend(items);
        bytes
    }

    /// Loads a folder of these files; errors as text, the folder's path replaced by `DIR`.
    fn load_files(files: &[(&str, Vec<u8>)], image_size: usize) -> Result<Dataset, String> {
        let dir = tempfile::tempdir().unwrap();
        load_files_in(dir.path(), files, image_size).map_err(|error| {
            let text = error.to_string();
            text.replace(&dir.path().display().to_string(), "DIR")
        })
    }

    fn load_files_in(
        dir: &Path,
        files: &[(&str, Vec<u8>)],
        image_size: usize,
    ) -> Result<Dataset, DataError> {
        for (name, bytes) in files {
            fs::write(dir.join(name), bytes).unwrap();
        }
        let config = DataConfig {
            dataset: DatasetKind::FashionMnist,
            dir: Some(dir.into()),
            image_size,
            ..DataConfig::default()
        };
        load(&config, &FASHION_MNIST_CLASSES)
    }

    /// What is wrong with the test images of these files, whose training images are in order.
    fn test_problem(files: &[(&str, Vec<u8>)]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let data = load_files_in(dir.path(), files, 0).unwrap();
        assert_eq!((data.train.len(), data.test), (3, None));
        let problem = data.test_problem.expect("something is wrong");
        problem.replace(&dir.path().display().to_string(), "DIR")
    }

    fn train_files() -> Vec<(&'static str, Vec<u8>)> {
        let images = idx(&[3, 2, 2], &[0, 0, 0, 0, 9, 9, 9, 9, 1, 2, 3, 4]);
        vec![
            ("train-images-idx3-ubyte", images),
            ("train-labels.idx1-ubyte", idx(&[3], &[0, 9, 9])),
        ]
    }

    #[test]
    fn reads_images_labels_and_class_names_without_a_test_split() {
        let data = load_files(&train_files(), 0).unwrap();
        assert_eq!(data.train.image(2), [1, 2, 3, 4]);
        assert_eq!(data.train.labels, [0, 9, 9]);
        assert_eq!(data.train.class_names[9], "ankle-boot");
        assert_eq!(data.train.shape.to_string(), "1×2×2");
        assert_eq!(data.test, None);
    }

    #[test]
    fn reads_the_test_split_when_it_is_there() {
        let mut files = train_files();
        files.push(("t10k-images.idx3-ubyte", idx(&[1, 2, 2], &[5, 6, 7, 8])));
        files.push(("t10k-labels-idx1-ubyte", idx(&[1], &[4])));
        let test = load_files(&files, 0).unwrap().test.unwrap();
        assert_eq!((test.pixels, test.labels), (vec![5, 6, 7, 8], vec![4]));
    }

    #[test]
    fn resizes_and_keeps_plain_images_plain() {
        let train = load_files(&train_files(), 3).unwrap().train;
        assert_eq!(train.shape.to_string(), "1×3×3");
        assert_eq!((train.image(0), train.image(1)), (&[0; 9][..], &[9; 9][..]));
    }

    #[test]
    fn names_all_files_looked_for_and_the_remedy() {
        let files = &train_files()[..1];
        assert_eq!(
            load_files(files, 0).unwrap_err(),
            "DIR has none of train-labels-idx1-ubyte, train-labels.idx1-ubyte, \
             train-labels-idx1-ubyte.gz, train-labels.idx1-ubyte.gz: download the file, \
             or set `data.dir` to the folder that holds it"
        );
    }

    #[test]
    fn test_images_without_test_labels_are_no_obstacle_to_training() {
        let mut files = train_files();
        files.push(("t10k-images-idx3-ubyte", idx(&[1, 2, 2], &[5, 6, 7, 8])));
        let message = test_problem(&files);
        assert!(
            message.starts_with("DIR has none of t10k-labels-idx1-ubyte,"),
            "{message}"
        );
    }

    #[test]
    fn refuses_a_labels_file_shorter_than_its_images() {
        let mut files = train_files();
        files[1].1 = idx(&[2], &[0, 9]);
        assert_eq!(
            load_files(&files, 0).unwrap_err(),
            "DIR/train-images-idx3-ubyte has 3 images but DIR/train-labels.idx1-ubyte has 2 labels: \
             take both from the same set"
        );
    }

    #[test]
    fn refuses_a_label_above_nine() {
        let mut files = train_files();
        files[1].1 = idx(&[3], &[0, 10, 9]);
        assert_eq!(
            load_files(&files, 0).unwrap_err(),
            "label 1 of DIR/train-labels.idx1-ubyte is 10, expected 0 to 9: it is another set, or damaged"
        );
    }

    #[test]
    fn refuses_a_file_of_no_images() {
        for dims in [[0, 2, 2], [3, 0, 2]] {
            let mut files = train_files();
            files[0].1 = idx(&dims, &[]);
            assert_eq!(
                load_files(&files, 0).unwrap_err(),
                "DIR/train-images-idx3-ubyte holds no image: download it again"
            );
        }
    }

    #[test]
    fn test_images_of_another_size_are_left_out_unless_they_are_resized() {
        let mut files = train_files();
        files.push(("t10k-images-idx3-ubyte", idx(&[1, 1, 2], &[5, 5])));
        files.push(("t10k-labels-idx1-ubyte", idx(&[1], &[4])));
        assert_eq!(
            test_problem(&files),
            "test images of DIR are 1×1×2 but training images are 1×2×2: set `data.image_size`"
        );
        assert!(load_files(&files, 2).is_ok());
    }
}
