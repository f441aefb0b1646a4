//! Load the images that a configuration asks for: one folder per source.

mod arrays;
mod cifar;
mod digits;
mod folder;
mod gunzip;
mod mnist;
mod shapes;
mod sniff;

use std::path::Path;

use ebm_core::ImageShape;

use crate::config::DataConfig;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::keep::Keep;
use crate::kind::DatasetKind;

pub use folder::{Decoded, is_picture, pictures_below};
pub use sniff::kinds_in;

/// Loads the images that `config` asks for; `seed` is used by `digits` and `shapes` only.
///
/// # Errors
/// If a setting is out of range, or a file or folder is missing, unreadable or inconsistent; the
/// message names it and says what to do.
pub fn load(config: &DataConfig, seed: u64) -> Result<Dataset, DataError> {
    load_with(config, seed, &|_| {})
}

/// [`load`], telling `report` of every picture of a folder or an archive that has been decoded, well or badly: one
/// call at a time, from any thread, `done` counting from 1 to `total`. Other sources take moments and
/// report nothing.
///
/// # Errors
/// As [`load`].
pub fn load_with(
    config: &DataConfig,
    seed: u64,
    report: &(dyn Fn(Decoded) + Sync),
) -> Result<Dataset, DataError> {
    load_into(config, seed, report, Keep::InMemory)
}

/// [`load_with`], with the pixels of pictures and arrays, which may be more than memory holds, kept where `keep` says;
/// those of other sources, and what is left of them without some classes, stay in memory.
pub(crate) fn load_into(
    config: &DataConfig,
    seed: u64,
    report: &(dyn Fn(Decoded) + Sync),
    keep: Keep<'_>,
) -> Result<Dataset, DataError> {
    if let (true, Some(path)) = (config.dataset.is_drawn(), &config.dir) {
        return Err(DataError::DirUnused {
            dataset: config.dataset,
            path: path.clone(),
            holds: kinds_in(path),
        });
    }
    if config.crops > 0 && config.dataset != DatasetKind::Folder {
        return Err(DataError::BadSetting {
            key: "data.crops",
            got: config.crops,
            remedy: "squares are cut from the pictures of `folder` alone: set 0",
        });
    }
    let dataset = match config.dataset {
        DatasetKind::Digits => digits::load(config, seed),
        DatasetKind::Shapes => shapes::load(config, seed),
        DatasetKind::Mnist => mnist::load(config, mnist::MNIST),
        DatasetKind::FashionMnist => mnist::load(config, mnist::FASHION_MNIST),
        DatasetKind::Qmnist => mnist::load(config, mnist::QMNIST),
        DatasetKind::EmnistBalanced => mnist::load(config, mnist::EMNIST_BALANCED),
        DatasetKind::EmnistByclass => mnist::load(config, mnist::EMNIST_BYCLASS),
        DatasetKind::EmnistBymerge => mnist::load(config, mnist::EMNIST_BYMERGE),
        DatasetKind::EmnistDigits => mnist::load(config, mnist::EMNIST_DIGITS),
        DatasetKind::EmnistLetters => mnist::load(config, mnist::EMNIST_LETTERS),
        DatasetKind::EmnistMnist => mnist::load(config, mnist::EMNIST_MNIST),
        DatasetKind::Cifar10 => cifar::load(config, cifar::Cifar::Ten),
        DatasetKind::Cifar100 => cifar::load(config, cifar::Cifar::Hundred),
        DatasetKind::Folder => folder::load(config, report, keep),
        DatasetKind::Arrays => arrays::load(config, keep),
    }?;
    match config.leave_out.as_slice() {
        [] => Ok(dataset),
        left_out => dataset.without(left_out),
    }
}

/// Images of a data set in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImagesHeld {
    /// How many, of both splits.
    pub num: u64,
    /// Their shape, where the headers of arrays tell it.
    pub shape: Option<ImageShape>,
}

/// The images that [`load`] holds in memory at most: counted in a folder or an archive, as their headers say of arrays,
/// as published for the data sets of files. Arrays that are mapped are not in memory, but for what is left of them
/// without some classes.
///
/// # Errors
/// Where a folder, an archive or an array is missing or cannot be read.
pub fn images_in(config: &DataConfig) -> Result<ImagesHeld, DataError> {
    let num = match config.dataset {
        DatasetKind::Digits | DatasetKind::Shapes => {
            (config.train_images as u64).saturating_add(config.test_images as u64)
        }
        DatasetKind::Mnist | DatasetKind::FashionMnist | DatasetKind::EmnistMnist => 70_000,
        DatasetKind::Qmnist => 120_000,
        DatasetKind::EmnistBalanced => 131_600,
        DatasetKind::EmnistLetters => 145_600,
        DatasetKind::EmnistDigits => 280_000,
        DatasetKind::EmnistByclass | DatasetKind::EmnistBymerge => 814_255,
        DatasetKind::Cifar10 | DatasetKind::Cifar100 => 60_000,
        DatasetKind::Folder => {
            let pictures = folder::count(config.given_dir()?)? as u64;
            pictures.saturating_mul(config.crops.max(1) as u64)
        }
        DatasetKind::Arrays => return arrays::held(config),
    };
    Ok(ImagesHeld { num, shape: None })
}

/// How many channels the arrays at `path` have; `None` where there are none, or none that can be read.
pub fn channels_of_arrays(path: &Path) -> Option<usize> {
    let config = DataConfig {
        dataset: DatasetKind::Arrays,
        dir: Some(path.into()),
        ..DataConfig::default()
    };
    arrays::channels(&config).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_datasets_ask_for_a_folder_that_exists() {
        for dataset in [
            DatasetKind::Mnist,
            DatasetKind::FashionMnist,
            DatasetKind::Qmnist,
            DatasetKind::EmnistLetters,
            DatasetKind::Cifar10,
            DatasetKind::Cifar100,
            DatasetKind::Folder,
            DatasetKind::Arrays,
        ] {
            let mut config = DataConfig {
                dataset,
                ..DataConfig::default()
            };
            let message = load(&config, 0).unwrap_err().to_string();
            assert_eq!(
                message,
                format!("dataset {dataset} is read from files: `data.dir` must name their folder")
            );
            config.dir = Some("/no/such/place".into());
            let message = load(&config, 0).unwrap_err().to_string();
            assert_eq!(message, "data folder /no/such/place does not exist");
        }
    }

    #[test]
    fn a_folder_is_not_left_unread_while_digits_are_drawn() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("train-images-idx3-ubyte"), "").unwrap();
        let config = DataConfig {
            dir: Some(dir.path().into()),
            ..DataConfig::default()
        };
        let message = load(&config, 0).unwrap_err().to_string();
        assert!(
            message.ends_with("looks like mnist or fashion-mnist"),
            "{message}"
        );
    }

    /// Hashes of the first 50 digits of seeds 0 and 1.
    const HASHES_OF_DIGITS: [u64; 2] = [0xd8d6_4816_0fa7_f02d, 0xc503_dbfa_b35d_8e22];
    /// Hashes of the first 50 shapes of seeds 0 and 1.
    const HASHES_OF_SHAPES: [u64; 2] = [0x6d1f_d267_4058_b8be, 0x3009_57d4_e34b_62a5];

    /// FNV-1a, 64 bits (Fowler, Noll & Vo).
    fn fnv_1a(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    #[test]
    fn drawn_images_are_the_same_bytes_on_every_platform_and_in_every_version() {
        let hashes = |dataset| {
            [0, 1].map(|seed| {
                let config = DataConfig {
                    dataset,
                    train_images: 50,
                    test_images: 0,
                    ..DataConfig::default()
                };
                fnv_1a(&load(&config, seed).unwrap().train.pixels)
            })
        };
        let found = [hashes(DatasetKind::Digits), hashes(DatasetKind::Shapes)];
        let expected = [HASHES_OF_DIGITS, HASHES_OF_SHAPES];
        assert_eq!(
            found, expected,
            "found HASHES_OF_DIGITS, HASHES_OF_SHAPES = {found:#018x?}"
        );
    }
}
