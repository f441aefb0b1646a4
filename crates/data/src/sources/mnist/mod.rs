//! Read MNIST and the data sets in its format: four IDX files in one folder.

mod idx;
mod sets;

use std::path::{Path, PathBuf};

use ebm_core::ImageShape;

use crate::config::DataConfig;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::images::Images;

use idx::{Content, IMAGES, read_idx};

pub(super) use sets::{
    EMNIST_BALANCED, EMNIST_BYCLASS, EMNIST_BYMERGE, EMNIST_DIGITS, EMNIST_LETTERS, EMNIST_MNIST,
    FASHION_MNIST, IdxSet, MNIST, QMNIST,
};

/// Reads both splits from `config.dir`; the test split may be absent as a whole.
pub(super) fn load(config: &DataConfig, set: IdxSet) -> Result<Dataset, DataError> {
    let dir = config.existing_dir()?;
    config.grey_only()?;
    let files = Files::in_dir(dir, set);
    let [train, test] = set.splits;
    let train = files.read(train, config.image_size)?;
    let test = files.read_test(test, config.image_size, train.shape);
    Ok(Dataset::of_train(train).with_test(test))
}

/// Whether the file of the images to train on is in a folder, where [`load`] looks for it.
pub(super) fn is_in(dir: &Path, set: IdxSet) -> bool {
    let files = Files::in_dir(dir, set);
    files.find(IMAGES, set.splits[0]).is_ok()
}

/// The files of a data set, all in one folder: those in others may be of another one.
struct Files {
    folder: PathBuf,
    set: IdxSet,
}

impl Files {
    /// The files in `dir`, or where torchvision or the archive of EMNIST puts them: in the first folder that has the
    /// images and labels to train on, or else in the first that has these images.
    fn in_dir(dir: &Path, set: IdxSet) -> Self {
        let raw = Path::new(set.folder).join("raw");
        let folders = [
            dir.to_owned(),
            dir.join("raw"),
            dir.join(raw),
            dir.join("gzip"),
        ];
        let first_with = |contents: &[Content]| {
            let mut folders = folders.iter();
            let has = |folder: &Path, content| file_in(folder, content, set.splits[0]).is_some();
            folders.find(|folder| contents.iter().all(|&content| has(folder, content)))
        };
        let folder = first_with(&[IMAGES, set.labels]).or_else(|| first_with(&[IMAGES]));
        Self {
            folder: folder.cloned().unwrap_or_else(|| dir.to_owned()),
            set,
        }
    }

    /// The test split, of images of `shape`, where any of its files is there.
    fn read_test(
        &self,
        split: &str,
        image_size: usize,
        shape: ImageShape,
    ) -> Result<Option<Images>, DataError> {
        let contents = [IMAGES, self.set.labels];
        if !contents
            .iter()
            .any(|content| self.find(*content, split).is_ok())
        {
            return Ok(None);
        }
        let test = self.read(split, image_size)?;
        if test.shape != shape {
            return Err(DataError::ShapesDiffer {
                path: self.folder.clone(),
                train: shape,
                test: test.shape,
            });
        }
        Ok(Some(test))
    }

    /// Reads the images and labels of one split and resizes them to `image_size` (0: not at all).
    fn read(&self, split: &str, image_size: usize) -> Result<Images, DataError> {
        let images_path = self.find(IMAGES, split)?;
        let labels_path = self.find(self.set.labels, split)?;
        let (dims, mut pixels) = read_idx(&images_path, IMAGES)?;
        let (label_dims, labels) = read_idx(&labels_path, self.set.labels)?;
        if pixels.is_empty() {
            return Err(DataError::NoImages {
                path: images_path,
                remedy: "download it again",
            });
        }
        let mut shape = ImageShape::new(1, dims[1], dims[2]);
        if self.set.by_columns {
            pixels = transposed(&pixels, shape);
            shape = ImageShape::new(1, dims[2], dims[1]);
        }
        let labels = first_of_each(&labels, &label_dims);
        let class_names = self.set.class_names.list();
        let images = Images {
            pixels: pixels.into(),
            shape,
            labels: self.classes(
                &labels,
                class_names.len(),
                labels_path,
                dims[0],
                images_path,
            )?,
            class_names,
        };
        Ok(images.resized(image_size))
    }

    /// The classes that labels stand for. Refuses labels that do not fit their images or are no class.
    fn classes(
        &self,
        labels: &[u32],
        num_classes: usize,
        path: PathBuf,
        num_images: usize,
        images: PathBuf,
    ) -> Result<Vec<u32>, DataError> {
        if labels.len() != num_images {
            return Err(DataError::CountMismatch {
                images,
                labels: path,
                num_images,
                num_labels: labels.len(),
            });
        }
        let first = u32::from(self.set.first_label);
        let is_class = |label: u32| (first..first + num_classes as u32).contains(&label);
        match labels.iter().position(|&label| !is_class(label)) {
            None => Ok(labels.iter().map(|label| label - first).collect()),
            Some(index) => Err(DataError::BadLabel {
                path,
                index,
                label: labels[index].into(),
                first,
                num_classes,
                named_in: None,
            }),
        }
    }

    /// The first of the names of a file that is there.
    fn find(&self, content: Content, split: &str) -> Result<PathBuf, DataError> {
        file_in(&self.folder, content, split).ok_or_else(|| DataError::MissingFile {
            dir: self.folder.clone(),
            names: file_names(content, split),
        })
    }
}

/// A file of `split` in a folder, under the first of its names that is there.
fn file_in(folder: &Path, content: Content, split: &str) -> Option<PathBuf> {
    let names = file_names(content, split).into_iter();
    let mut paths = names.map(|name| folder.join(name));
    paths.find(|path| path.is_file())
}

/// Names of a file of `split`: as published or as some archives unpack it, gzipped or not.
fn file_names(content: Content, split: &str) -> Vec<String> {
    let (name, dims, item) = (content.name, content.num_dims(), content.type_name);
    let plain = ["-", "."].map(|dot| format!("{split}-{name}{dot}idx{dims}-{item}"));
    let gzipped = plain.clone().map(|name| name + ".gz");
    [plain, gzipped].concat()
}

/// The first number of each item: a byte, or where an item has several numbers, these are of 32 bits, big-endian.
fn first_of_each(bytes: &[u8], dims: &[usize]) -> Vec<u32> {
    let Some(&numbers) = dims.get(1) else {
        return bytes.iter().copied().map(u32::from).collect();
    };
    // Items without a number have no bytes either.
    let items = bytes.chunks_exact(4 * numbers.max(1));
    items
        .map(|item| u32::from_be_bytes([item[0], item[1], item[2], item[3]]))
        .collect()
}

/// Images stored by columns as images stored by rows.
///
/// # Shapes
/// - `pixels`: `[n, width, height]` with the height and width of `shape` exchanged, returns `[n, height, width]`
fn transposed(pixels: &[u8], shape: ImageShape) -> Vec<u8> {
    let (rows, columns) = (shape.height, shape.width);
    let images = pixels.chunks_exact(rows * columns);
    let by_rows = images.flat_map(|image| {
        (0..columns).flat_map(move |column| (0..rows).map(move |row| image[row * columns + column]))
    });
    by_rows.collect()
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
        load(&config, FASHION_MNIST)
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
        assert_eq!(
            (test.pixels, test.labels),
            (vec![5, 6, 7, 8].into(), vec![4])
        );
    }

    #[test]
    fn all_files_are_those_of_one_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folders = ["raw", "FashionMNIST/raw", "gzip"].map(|name| dir.path().join(name));
        let write = |folder: &Path, files: &[(&str, Vec<u8>)]| {
            fs::create_dir_all(folder).unwrap();
            load_files_in(folder, files, 0)
        };
        // Another data set, whose test images would fit, and images without labels.
        let mut others = train_files();
        others[1].1 = idx(&[3], &[1, 1, 1]);
        others.push(("t10k-images-idx3-ubyte", idx(&[1, 2, 2], &[5, 6, 7, 8])));
        others.push(("t10k-labels-idx1-ubyte", idx(&[1], &[4])));
        write(&folders[2], &others).unwrap();
        write(&folders[1], &train_files()).unwrap();
        assert!(write(&folders[0], &train_files()[..1]).is_err());
        let data = load_files_in(dir.path(), &[], 0).unwrap();
        assert_eq!(data.train.labels, [0, 9, 9]);
        assert_eq!((data.test, data.test_problem), (None, None));

        fs::remove_dir_all(&folders[1]).unwrap();
        fs::remove_dir_all(&folders[2]).unwrap();
        let message = load_files_in(dir.path(), &[], 0).unwrap_err().to_string();
        let start = format!("{} has none of train-labels", folders[0].display());
        assert!(message.starts_with(&start), "{message}");
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

    #[test]
    fn emnist_is_stored_by_columns_and_its_letters_count_from_1() {
        let dir = tempfile::tempdir().unwrap();
        let raw = dir.path().join("EMNIST/raw");
        fs::create_dir_all(&raw).unwrap();
        let images = idx(&[2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8]);
        fs::write(raw.join("emnist-letters-train-images-idx3-ubyte"), images).unwrap();
        let labels = raw.join("emnist-letters-train-labels-idx1-ubyte");
        fs::write(&labels, idx(&[2], &[1, 26])).unwrap();
        let config = DataConfig {
            dataset: DatasetKind::EmnistLetters,
            dir: Some(dir.path().into()),
            ..DataConfig::default()
        };
        let train = crate::load(&config, 0).unwrap().train;
        assert_eq!(train.pixels, [1, 3, 2, 4, 5, 7, 6, 8]);
        let names = train
            .labels
            .iter()
            .map(|&label| &train.class_names[label as usize]);
        assert_eq!(names.collect::<Vec<_>>(), ["A", "Z"]);
        fs::write(&labels, idx(&[2], &[0, 26])).unwrap();
        let message = crate::load(&config, 0).unwrap_err().to_string();
        assert!(message.contains("is 0, expected 1 to 26"), "{message}");
    }

    #[test]
    fn the_class_of_qmnist_is_the_first_of_eight_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let images = idx(&[2, 1, 1], &[3, 4]);
        fs::write(dir.path().join("qmnist-test-images-idx3-ubyte"), &images).unwrap();
        fs::write(dir.path().join("qmnist-train-images-idx3-ubyte"), &images).unwrap();
        let mut labels = vec![0, 0, 12, 2, 0, 0, 0, 2, 0, 0, 0, 8];
        for class in [7u32, 0] {
            let numbers = [class, 4, 9, 9, 9, 9, 0, 0];
            labels.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        }
        let path = dir.path().join("qmnist-train-labels-idx2-int");
        fs::write(&path, &labels).unwrap();
        let config = DataConfig {
            dataset: DatasetKind::Qmnist,
            dir: Some(dir.path().into()),
            ..DataConfig::default()
        };
        let data = crate::load(&config, 0).unwrap();
        assert_eq!(
            (data.train.pixels, data.train.labels),
            (vec![3, 4].into(), vec![7, 0])
        );
        assert!(
            data.test_problem
                .is_some_and(|it| it.contains("qmnist-test-labels-idx2-int"))
        );
        fs::write(&path, &labels[..60]).unwrap();
        let message = crate::load(&config, 0).unwrap_err().to_string();
        assert!(
            message.contains("cut short: expected 76 bytes, got 60"),
            "{message}"
        );
    }
}
