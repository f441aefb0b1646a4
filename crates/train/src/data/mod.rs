//! Load a labelled set of 8-bit images: drawn by code, read from IDX or CIFAR files, or decoded from
//! a folder.

mod cifar;
mod digits;
mod error;
mod factor;
mod files;
mod folder;
mod glyphs;
mod hand;
mod idx;
mod images;
mod mnist;
mod order;
mod outline;
mod pen;
mod picture;
mod shapes;
mod tree;

use std::fmt;
use std::path::{Path, PathBuf};

use ebm_model::ImageShape;
use serde::{Deserialize, Serialize};

pub use error::DataError;
pub use factor::{Factor, Factors, factors};
pub use images::Images;
pub use order::BatchOrder;

/// What a run trains on, and what it is evaluated on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Images to train on; never empty.
    pub train: Images,
    /// Held-out images of the same shape and classes.
    pub test: Option<Images>,
    /// Pictures that could not be decoded and were left out (`--skip-bad`), in order.
    pub skipped: Vec<PathBuf>,
}

/// Where the images come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetKind {
    /// Handwritten-looking digits drawn by code; needs no file.
    #[default]
    Digits,
    /// Squares, ellipses and hearts drawn by code; needs no file.
    Shapes,
    /// The MNIST files in `dir`.
    Mnist,
    /// The Fashion-MNIST files in `dir`.
    FashionMnist,
    /// The binary version of CIFAR-10 in `dir`.
    Cifar10,
    /// The binary version of CIFAR-100 in `dir`, with its 100 fine classes.
    Cifar100,
    /// Any folder of pictures in `dir`.
    Folder,
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digits => "digits",
            Self::Shapes => "shapes",
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Folder => "folder",
        })
    }
}

/// The `[data]` section of a configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Where the images come from.
    pub dataset: DatasetKind,
    /// Folder that holds the files, for `cifar10` and `cifar100` also their archive; unused by
    /// `digits` and `shapes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// Side of the images in pixels. 0: 28 for `digits`, 64 for `shapes`, the first picture's size
    /// for `folder` if that is square, the size in the files for the others.
    pub image_size: usize,
    /// Colour channels. 0: 3 for `cifar10`, `cifar100` and `folder` (which also take 1), else 1.
    pub channels: usize,
    /// Leave out pictures that cannot be decoded instead of stopping.
    pub skip_bad: bool,
    /// What the labels tell about an image (`shapes` only).
    pub factor: Factor,
    /// Training images to draw (`digits` and `shapes` only).
    pub train_images: usize,
    /// Test images to draw (`digits` and `shapes` only); 0 for none.
    pub test_images: usize,
    /// Mirror every image left to right with probability ½ each time it is used. Not for digits,
    /// letters or labels that tell left from right.
    pub flip: bool,
    /// Standard deviation of the Gaussian noise added to the data each time an image is used,
    /// with pixels in [0, 1]. Loading leaves the images as they are.
    pub noise_std: f64,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            dataset: DatasetKind::Digits,
            dir: None,
            image_size: 0,
            channels: 0,
            skip_bad: false,
            factor: Factor::Shape,
            train_images: 20_000,
            test_images: 2_000,
            flip: false,
            noise_std: 0.0,
        }
    }
}

impl DataConfig {
    /// Shape of the images that this configuration gives where the files do not decide: those of a
    /// folder are taken for 32×32 unless `image_size` says otherwise.
    pub fn native_shape(&self) -> ImageShape {
        let (channels, side) = match self.dataset {
            DatasetKind::Digits | DatasetKind::Mnist | DatasetKind::FashionMnist => {
                (1, digits::NATIVE_SIDE)
            }
            DatasetKind::Shapes => (1, shapes::NATIVE_SIDE),
            DatasetKind::Cifar10 | DatasetKind::Cifar100 | DatasetKind::Folder => {
                (3, cifar::NATIVE_SIDE)
            }
        };
        let or = |asked: usize, native| if asked == 0 { native } else { asked };
        let side = or(self.image_size, side);
        ImageShape::new(or(self.channels, channels), side, side)
    }

    /// The folder to read, which must be given and exist.
    fn existing_dir(&self) -> Result<&Path, DataError> {
        match self.existing_path()? {
            dir if dir.is_dir() => Ok(dir),
            file => Err(DataError::NoSuchDir { path: file.into() }),
        }
    }

    /// The folder or archive to read, which must be given and exist.
    fn existing_path(&self) -> Result<&Path, DataError> {
        let path = self.dir.as_deref().ok_or(DataError::NoDirGiven {
            dataset: self.dataset,
        })?;
        match path.exists() {
            true => Ok(path),
            false => Err(DataError::NoSuchDir { path: path.into() }),
        }
    }

    /// Refuses a training set without images.
    fn some_training_images(&self) -> Result<(), DataError> {
        if self.train_images > 0 {
            return Ok(());
        }
        Err(DataError::BadSetting {
            key: "data.train_images",
            got: 0,
            remedy: "ask for at least one image",
        })
    }

    /// Refuses a number of channels that the dataset does not have.
    fn grey_only(&self) -> Result<(), DataError> {
        if self.channels <= 1 {
            return Ok(());
        }
        Err(DataError::BadSetting {
            key: "data.channels",
            got: self.channels,
            remedy: "this dataset is grey: use 1, or 0 for the dataset's own",
        })
    }

    /// Channels of a dataset in colour, which can also be read in grey.
    fn rgb_or_grey(&self) -> Result<usize, DataError> {
        match self.channels {
            0 => Ok(3),
            channels @ (1 | 3) => Ok(channels),
            got => Err(DataError::BadSetting {
                key: "data.channels",
                got,
                remedy: "pictures are read with 1 (grey) or 3 (RGB); 0 stands for 3",
            }),
        }
    }
}

/// A picture's centre square, resized to `shape`, as `[channels, height, width]`.
///
/// # Errors
/// Where the file is missing or no picture.
pub fn decode_picture(path: &Path, shape: ImageShape) -> Result<Vec<u8>, DataError> {
    picture::decode(path, shape).map_err(|cause| DataError::NotAPicture {
        path: path.into(),
        cause,
    })
}

/// Loads the images that `config` asks for; `seed` is used by `digits` and `shapes` only.
///
/// # Errors
/// If a setting is out of range, or a file or folder is missing, unreadable or inconsistent; the
/// message names it and says what to do.
pub fn load(config: &DataConfig, seed: u64) -> Result<Dataset, DataError> {
    match config.dataset {
        DatasetKind::Digits => digits::load(config, seed),
        DatasetKind::Shapes => shapes::load(config, seed),
        DatasetKind::Mnist => mnist::load(config, &mnist::MNIST_CLASSES),
        DatasetKind::FashionMnist => mnist::load(config, &mnist::FASHION_MNIST_CLASSES),
        DatasetKind::Cifar10 => cifar::load(config, cifar::Cifar::Ten),
        DatasetKind::Cifar100 => cifar::load(config, cifar::Cifar::Hundred),
        DatasetKind::Folder => folder::load(config),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_names_datasets_in_kebab_case_and_refuses_unknown_keys() {
        for (name, dataset) in [
            ("fashion-mnist", DatasetKind::FashionMnist),
            ("cifar10", DatasetKind::Cifar10),
            ("cifar100", DatasetKind::Cifar100),
        ] {
            let config: DataConfig = toml::from_str(&format!("dataset = \"{name}\"")).unwrap();
            let expected = DataConfig {
                dataset,
                ..DataConfig::default()
            };
            assert_eq!((config, dataset.to_string()), (expected, name.to_owned()));
        }
        assert!(toml::from_str::<DataConfig>("data_set = \"mnist\"").is_err());
    }

    #[test]
    fn the_file_datasets_ask_for_a_folder_that_exists() {
        for dataset in [
            DatasetKind::Mnist,
            DatasetKind::FashionMnist,
            DatasetKind::Cifar10,
            DatasetKind::Cifar100,
            DatasetKind::Folder,
        ] {
            let mut config = DataConfig {
                dataset,
                ..DataConfig::default()
            };
            let message = load(&config, 0).unwrap_err().to_string();
            assert_eq!(
                message,
                format!("dataset {dataset} is read from files: pass `--data-dir DIR`")
            );
            config.dir = Some("/no/such/place".into());
            let message = load(&config, 0).unwrap_err().to_string();
            assert_eq!(
                message,
                "data folder /no/such/place does not exist: check `--data-dir`"
            );
        }
    }
}
