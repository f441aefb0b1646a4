//! Read CIFAR-10 and CIFAR-100 in their binary version, unpacked or as the official archive.
//!
//! Format: Krizhevsky 2009, *Learning multiple layers of features from tiny images*; the files as
//! on its author's page. Records of the label, one byte, and the red, green and blue planes, 32
//! rows of 32 bytes each. In CIFAR-100 the byte of the coarse label comes first.

mod files;
mod layout;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use ebm_core::ImageShape;
use ebm_core::pixels::luma_of_bytes;

use crate::config::DataConfig;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::images::Images;

use layout::{CIFAR_10, CIFAR_100, Layout};

/// Rows and columns of every image in the files.
const SIDE: usize = 32;
/// Bytes of one channel.
const PLANE: usize = SIDE * SIDE;

/// Which of the two sets.
#[derive(Clone, Copy)]
pub(super) enum Cifar {
    /// CIFAR-10.
    Ten,
    /// CIFAR-100, with its fine labels.
    Hundred,
}

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
        let images = decode(layout, files, channels)?;
        Ok(images.resized(config.image_size))
    };
    Ok(Dataset::of_train(images(train)?).with_test(test.map(images).transpose()))
}

/// The images of these files, in order, with 3 channels or in grey.
fn decode(
    layout: &Layout,
    files: Vec<(PathBuf, Vec<u8>)>,
    channels: usize,
) -> Result<Images, DataError> {
    let num_classes = layout.class_names.len();
    let pixels_at = layout.label_at + 1;
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
            let label = record[layout.label_at];
            if usize::from(label) >= num_classes {
                return Err(DataError::BadLabel {
                    path,
                    index,
                    label: label.into(),
                    first: 0,
                    num_classes,
                });
            }
            labels.push(label.into());
            let planes = &record[pixels_at..];
            if channels == 1 {
                pixels.extend(grey(planes));
            } else {
                pixels.extend_from_slice(planes);
            }
        }
    }
    Ok(Images {
        pixels: pixels.into(),
        shape: ImageShape::new(channels, SIDE, SIDE),
        labels,
        class_names: layout.class_names.iter().map(|&name| name.into()).collect(),
    })
}

/// The grey levels of red, green and blue planes.
fn grey(planes: &[u8]) -> impl Iterator<Item = u8> {
    let (red, rest) = planes.split_at(PLANE);
    let (green, blue) = rest.split_at(PLANE);
    let colours = red.iter().zip(green).zip(blue);
    colours.map(|((&red, &green), &blue)| luma_of_bytes([red, green, blue]))
}
