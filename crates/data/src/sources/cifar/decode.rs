//! Turn the files of either version into labelled images.

use std::path::{Path, PathBuf};

use ebm_core::ImageShape;
use ebm_core::pixels::luma_of_bytes;

use crate::error::DataError;
use crate::images::Images;

use super::layout::Format;
use super::{IMAGE, PLANE, SIDE, python};

/// The images of these files, in order, with 3 channels or in grey.
pub(super) fn decode(
    files: Vec<(PathBuf, Vec<u8>)>,
    format: Format,
    class_names: &[&str],
    channels: usize,
) -> Result<Images, DataError> {
    let mut decoded = Decoded {
        channels,
        num_classes: class_names.len(),
        pixels: Vec::new(),
        labels: Vec::new(),
    };
    for (path, bytes) in files {
        match format {
            Format::Records { label_at } => decoded.add_records(&path, &bytes, label_at)?,
            Format::Pickle { labels } => decoded.add_pickle(&path, &bytes, labels)?,
        }
    }
    Ok(Images {
        pixels: decoded.pixels.into(),
        shape: ImageShape::new(channels, SIDE, SIDE),
        labels: decoded.labels,
        class_names: class_names.iter().map(|&name| name.into()).collect(),
    })
}

/// What has been decoded so far.
struct Decoded {
    channels: usize,
    num_classes: usize,
    /// `[n, channels, 32, 32]`.
    pixels: Vec<u8>,
    labels: Vec<u32>,
}

impl Decoded {
    /// Adds the images of a file of the binary version.
    fn add_records(&mut self, path: &Path, bytes: &[u8], label_at: usize) -> Result<(), DataError> {
        let pixels_at = label_at + 1;
        let record_len = pixels_at + IMAGE;
        if bytes.is_empty() || !bytes.len().is_multiple_of(record_len) {
            return Err(DataError::NotRecords {
                path: path.into(),
                record_len,
                got: bytes.len(),
            });
        }
        for (index, record) in bytes.chunks_exact(record_len).enumerate() {
            self.add(path, index, record[label_at].into(), &record[pixels_at..])?;
        }
        Ok(())
    }

    /// Adds the images of a file of the Python version.
    fn add_pickle(&mut self, path: &Path, bytes: &[u8], labels: &str) -> Result<(), DataError> {
        let batch = python::read(bytes, labels).map_err(|problem| DataError::BadPickle {
            path: path.into(),
            problem,
        })?;
        let planes = batch.planes.chunks_exact(IMAGE);
        for (index, (&label, planes)) in batch.labels.iter().zip(planes).enumerate() {
            self.add(path, index, label, planes)?;
        }
        Ok(())
    }

    /// Adds image `index` of a file, whose planes are `[3, 32, 32]`.
    fn add(
        &mut self,
        path: &Path,
        index: usize,
        label: i64,
        planes: &[u8],
    ) -> Result<(), DataError> {
        let class = u32::try_from(label).ok();
        let is_class = |&class: &u32| (class as usize) < self.num_classes;
        let Some(class) = class.filter(is_class) else {
            return Err(DataError::BadLabel {
                path: path.into(),
                index,
                label,
                first: 0,
                num_classes: self.num_classes,
                named_in: None,
            });
        };
        self.labels.push(class);
        if self.channels == 1 {
            self.pixels.extend(grey(planes));
        } else {
            self.pixels.extend_from_slice(planes);
        }
        Ok(())
    }
}

/// The grey levels of red, green and blue planes.
fn grey(planes: &[u8]) -> impl Iterator<Item = u8> {
    let (red, rest) = planes.split_at(PLANE);
    let (green, blue) = rest.split_at(PLANE);
    let colours = red.iter().zip(green).zip(blue);
    colours.map(|((&red, &green), &blue)| luma_of_bytes([red, green, blue]))
}
