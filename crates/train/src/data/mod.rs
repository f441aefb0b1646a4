//! Load a labelled set of 8-bit images: drawn by code, read from IDX files or decoded from a folder.

mod digits;
mod error;
mod folder;
mod glyphs;
mod hand;
mod idx;
mod images;
mod mnist;
mod order;
mod pen;
mod picture;
mod tree;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use error::DataError;
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
    /// The MNIST files in `dir`.
    Mnist,
    /// The Fashion-MNIST files in `dir`.
    FashionMnist,
    /// Any folder of pictures in `dir`.
    Folder,
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digits => "digits",
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
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
    /// Folder that holds the files; unused by `digits`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// Side of the images in pixels. 0: 28 for `digits`, the size in the files for `mnist` and
    /// `fashion-mnist`, the first picture's size for `folder` if that is square.
    pub image_size: usize,
    /// Colour channels. 0: 3 for `folder` (which also takes 1), else 1.
    pub channels: usize,
    /// Leave out pictures that cannot be decoded instead of stopping.
    pub skip_bad: bool,
    /// Training images to draw (`digits` only).
    pub train_images: usize,
    /// Test images to draw (`digits` only); 0 for none.
    pub test_images: usize,
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
            train_images: 20_000,
            test_images: 2_000,
            noise_std: 0.0,
        }
    }
}

impl DataConfig {
    /// The folder to read, which must be given and exist.
    fn existing_dir(&self) -> Result<&Path, DataError> {
        let dir = self.dir.as_deref().ok_or(DataError::NoDirGiven {
            dataset: self.dataset,
        })?;
        if dir.is_dir() {
            return Ok(dir);
        }
        Err(DataError::NoSuchDir { path: dir.into() })
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
}

/// Loads the images that `config` asks for; `seed` is used by `digits` only.
///
/// # Errors
/// If a setting is out of range, or a file or folder is missing, unreadable or inconsistent; the
/// message names it and says what to do.
pub fn load(config: &DataConfig, seed: u64) -> Result<Dataset, DataError> {
    match config.dataset {
        DatasetKind::Digits => digits::load(config, seed),
        DatasetKind::Mnist => mnist::load(config, &mnist::MNIST_CLASSES),
        DatasetKind::FashionMnist => mnist::load(config, &mnist::FASHION_MNIST_CLASSES),
        DatasetKind::Folder => folder::load(config),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_names_datasets_in_kebab_case_and_refuses_unknown_keys() {
        let config: DataConfig = toml::from_str("dataset = \"fashion-mnist\"").unwrap();
        assert_eq!(
            config,
            DataConfig {
                dataset: DatasetKind::FashionMnist,
                ..DataConfig::default()
            }
        );
        assert!(toml::from_str::<DataConfig>("data_set = \"mnist\"").is_err());
    }

    #[test]
    fn the_file_datasets_ask_for_a_folder_that_exists() {
        for dataset in [
            DatasetKind::Mnist,
            DatasetKind::FashionMnist,
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
