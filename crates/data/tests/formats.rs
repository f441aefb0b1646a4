//! Compare files that other tools wrote with what they were given: every pixel, label and class name.
//!
//! `scripts/data-fixtures` makes the files in `fixtures`, and says by which tool. The class of image `i` is `i % 3`.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};

use ebm_core::ImageShape;
use ebm_data::{DataConfig, Dataset, DatasetKind, Images, load};
use flate2::read::GzDecoder;

/// Numbers of the images to train on.
const TRAIN: [usize; 6] = [0, 1, 2, 3, 4, 5];
/// Numbers of those to test with.
const TEST: [usize; 3] = [100, 101, 102];
/// Numbers of those to validate with.
const VALIDATION: [usize; 2] = [200, 201];

const GREY: ImageShape = ImageShape::new(1, 12, 12);
const COLOUR: ImageShape = ImageShape::new(3, 12, 12);

/// Files, and what is known of their images.
#[derive(Clone)]
struct Fixture {
    dataset: DatasetKind,
    path: PathBuf,
    shape: ImageShape,
    /// Of the classes 0, 1 and 2.
    labels: [u32; 3],
    class_names: Vec<String>,
}

impl Fixture {
    /// A fixture whose classes have no names but their numbers.
    fn new(dataset: DatasetKind, name: &str, shape: ImageShape) -> Self {
        let package = env::var_os("CARGO_MANIFEST_DIR").expect("set by Cargo");
        let fixtures = Path::new(&package).join("tests/fixtures");
        Self {
            dataset,
            path: fixtures.join(name),
            shape,
            labels: [0, 1, 2],
            class_names: owned(&["0", "1", "2"]),
        }
    }

    fn with_classes(self, labels: [u32; 3], class_names: &[&str]) -> Self {
        Self {
            labels,
            class_names: owned(class_names),
            ..self
        }
    }

    fn load(&self) -> Dataset {
        let config = DataConfig {
            dataset: self.dataset,
            dir: Some(self.path.clone()),
            channels: if self.shape.channels == 1 { 1 } else { 0 },
            ..DataConfig::default()
        };
        load(&config, 0).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()))
    }

    /// The images of these numbers.
    fn images(&self, numbers: &[usize]) -> Images {
        let [channels, height, width] = self.shape.dims();
        let mut pixels = Vec::new();
        for i in numbers {
            for c in 0..channels {
                for y in 0..height {
                    for x in 0..width {
                        pixels.push(((37 * i + 11 * c + 5 * y + 3 * x) % 256) as u8);
                    }
                }
            }
        }
        Images {
            pixels: pixels.into(),
            shape: self.shape,
            labels: numbers.iter().map(|i| self.labels[i % 3]).collect(),
            class_names: self.class_names.clone(),
        }
    }

    /// Loads the files and compares their images with those of these numbers, in this order.
    fn holds(&self, train: &[usize], test: Option<&[usize]>) {
        let data = self.load();
        assert_eq!(data.test_problem, None, "{}", self.path.display());
        self.compare(&data.train, train, "train");
        match (&data.test, test) {
            (Some(found), Some(test)) => self.compare(found, test, "test"),
            (None, None) => {}
            _ => panic!("{}: test images, expected {test:?}", self.path.display()),
        }
    }

    fn compare(&self, found: &Images, numbers: &[usize], split: &str) {
        let expected = self.images(numbers);
        let what = format!("{split} of {}", self.path.display());
        assert_eq!(found.shape, expected.shape, "{what}");
        assert_eq!(found.class_names, expected.class_names, "{what}");
        assert_eq!(found.labels, expected.labels, "{what}");
        for (index, number) in numbers.iter().enumerate() {
            let [found, expected] = [found, &expected].map(|images| images.image(index));
            assert_eq!(found, expected, "image {number}, {what}");
        }
        assert_eq!(found.pixels.len(), expected.pixels.len(), "{what}");
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn medmnist_is_read_in_grey_and_in_colour_without_what_it_validates_with() {
    Fixture::new(DatasetKind::Arrays, "medmnist.npz", GREY).holds(&TRAIN, Some(&TEST));
    Fixture::new(DatasetKind::Arrays, "medmnist-colour.npz", COLOUR).holds(&TRAIN, Some(&TEST));
}

#[test]
fn arrays_to_validate_with_stand_in_for_missing_ones_to_test_with() {
    let fixture = Fixture::new(DatasetKind::Arrays, "medmnist-untested.npz", GREY);
    fixture.holds(&TRAIN, Some(&VALIDATION));
}

#[test]
fn keras_mnist_is_read_as_python_3_and_python_2_write_it() {
    for name in ["keras.npz", "keras-python2.npz"] {
        Fixture::new(DatasetKind::Arrays, name, GREY).holds(&TRAIN, Some(&TEST));
    }
}

#[test]
fn a_folder_of_arrays_is_read() {
    Fixture::new(DatasetKind::Arrays, "arrays", COLOUR).holds(&TRAIN, Some(&TEST));
}

#[test]
fn a_hugging_face_repository_has_classes_in_its_own_order_even_without_images() {
    Fixture::new(DatasetKind::Folder, "parquet-mnist", GREY)
        .with_classes([0, 1, 3], &["ship", "cat", "frog", "dog"])
        .holds(&TRAIN, Some(&TEST));
}

#[test]
fn the_fine_label_of_a_hugging_face_repository_is_the_class() {
    Fixture::new(DatasetKind::Folder, "parquet-cifar100", COLOUR)
        .with_classes([0, 1, 2], &["cat", "dog", "oak"])
        .holds(&TRAIN, Some(&TEST));
}

#[test]
fn parquet_of_encoded_pictures_is_read_without_what_hugging_face_adds() {
    for name in ["pyarrow.parquet", "pandas.parquet"] {
        Fixture::new(DatasetKind::Folder, name, COLOUR).holds(&TRAIN, None);
    }
}

#[test]
fn webdataset_shards_have_numbers_as_labels() {
    Fixture::new(DatasetKind::Folder, "webdataset-cls", GREY).holds(&TRAIN, Some(&TEST));
}

#[test]
fn a_webdataset_has_labels_in_json() {
    Fixture::new(DatasetKind::Folder, "webdataset-json.tar", COLOUR)
        .with_classes([2, 0, 1], &["cat", "dog", "ship"])
        .holds(&TRAIN, None);
}

#[test]
fn the_classes_of_edm2_are_those_of_its_list_and_not_its_folders() {
    Fixture::new(DatasetKind::Folder, "edm2.zip", COLOUR).holds(&TRAIN, None);
    Fixture::new(DatasetKind::Folder, "edm2-unlabelled.zip", COLOUR)
        .with_classes([0, 0, 0], &[])
        .holds(&TRAIN, None);
}

#[test]
fn class_folders_of_archives_may_have_any_letters_and_long_names() {
    for name in ["pictures.zip", "pictures.tar.gz"] {
        Fixture::new(DatasetKind::Folder, name, COLOUR)
            .with_classes([0, 1, 2], &["cat", "dog", "Übersee"])
            .holds(&[0, 3, 1, 4, 2, 5], Some(&[102, 100, 101]));
    }
}

/// Unpacks a fixture into `folder`.
fn unpack(fixture: &Fixture, folder: &Path) {
    let file = File::open(&fixture.path).expect("the fixture");
    tar::Archive::new(GzDecoder::new(file))
        .unpack(folder)
        .expect("an archive");
}

#[test]
fn cifar_10_is_read_as_python_2_pickled_it_packed_and_unpacked() {
    let shape = ImageShape::new(3, 32, 32);
    let names = "airplane automobile bird cat deer dog frog horse ship truck";
    let names: Vec<&str> = names.split(' ').collect();
    let packed = Fixture::new(DatasetKind::Cifar10, "cifar-10-python.tar.gz", shape)
        .with_classes([0, 1, 2], &names);
    packed.holds(&TRAIN, Some(&TEST));

    let dir = tempfile::tempdir().expect("a folder");
    unpack(&packed, dir.path());
    for path in [dir.path().into(), dir.path().join("cifar-10-batches-py")] {
        let unpacked = Fixture {
            path,
            ..packed.clone()
        };
        unpacked.holds(&TRAIN, Some(&TEST));
    }
}

#[test]
fn cifar_100_is_read_as_python_3_pickles_it() {
    let shape = ImageShape::new(3, 32, 32);
    let fixture = Fixture::new(DatasetKind::Cifar100, "cifar-100-python.tar.gz", shape);
    let names = fixture.load().train.class_names;
    assert_eq!(names.len(), 100);
    assert_eq!(
        [&*names[0], &*names[49], &*names[99]],
        ["apple", "mountain", "worm"]
    );
    let fixture = Fixture {
        labels: [0, 49, 99],
        class_names: names,
        ..fixture
    };
    fixture.holds(&TRAIN, Some(&TEST));
}
