//! Read CIFAR-10 and CIFAR-100 in their binary or their Python version, unpacked or as the official
//! archive.
//!
//! Format: Krizhevsky 2009, *Learning multiple layers of features from tiny images*; the files as
//! on its author's page. The binary version has records of the label, one byte, and the red, green
//! and blue planes, 32 rows of 32 bytes each. In CIFAR-100 the byte of the coarse label comes first.
//! The Python version has pickles of the same bytes in arrays. Where both are complete, the binary
//! one is read.

mod decode;
mod files;
mod layout;
mod pickle;
mod python;
#[cfg(test)]
mod tests;

use std::path::Path;

use crate::config::DataConfig;
use crate::dataset::Dataset;
use crate::error::DataError;

use decode::decode;
use layout::{CIFAR_10, CIFAR_100, Layout};

/// Rows and columns of every image in the files.
const SIDE: usize = 32;
/// Bytes of one channel.
const PLANE: usize = SIDE * SIDE;
/// Bytes of an image.
const IMAGE: usize = 3 * PLANE;

/// Which of the two sets.
#[derive(Clone, Copy)]
pub(super) enum Cifar {
    /// CIFAR-10.
    Ten,
    /// CIFAR-100, with its fine labels.
    Hundred,
}

impl Cifar {
    fn layout(self) -> &'static Layout {
        match self {
            Self::Ten => &CIFAR_10,
            Self::Hundred => &CIFAR_100,
        }
    }
}

/// Whether a folder holds one of the versions of a set, or a file is its archive, by the published names alone.
pub(super) fn is_in(path: &Path, kind: Cifar) -> bool {
    kind.layout().is_in(path)
}

/// Reads both splits from `config.dir`; the test split may be absent.
pub(super) fn load(config: &DataConfig, kind: Cifar) -> Result<Dataset, DataError> {
    let path = config.existing_path()?;
    let channels = config.rgb_or_grey()?;
    let layout = kind.layout();
    let (version, mut files) = layout.find_files(path)?;
    let train = files
        .take(version.train)
        .map_err(|names| DataError::Incomplete {
            path: files.root.clone(),
            names,
            version: version.name,
            dataset: config.dataset,
        })?;
    let test = files.take(&[version.test]).ok();
    let images = |files| {
        let images = decode(files, version.format, layout.class_names, channels)?;
        Ok(images.resized(config.image_size))
    };
    Ok(Dataset::of_train(images(train)?).with_test(test.map(images).transpose()))
}
