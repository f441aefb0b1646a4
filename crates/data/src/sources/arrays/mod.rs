//! Read NumPy arrays of images and labels: a `.npz` file, a `.npy` file, or a folder of `.npy` files.
//!
//! Formats: NumPy Enhancement Proposal 1; a `.npz` file is a zip archive of such files.
//!
//! Reading order: `store` (what `data.dir` may mean) → `names` (which arrays belong together) → `array` over `header`
//! (one array) → `layout` (which axes are what) → `convert` (to the shape that is asked for); `labels` → `classes`,
//! with their `class_names`.

mod array;
mod class_names;
mod classes;
mod convert;
mod header;
mod labels;
mod layout;
mod names;
mod store;
#[cfg(test)]
mod tests;

use crate::config::DataConfig;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::images::Images;
use crate::keep::{Growing, Keep, Split};
use crate::pixels::Pixels;
use crate::sources::ImagesHeld;

use array::Array;
use classes::Classes;
use convert::{Conversion, check_channels};
use labels::Labels;
use layout::Layout;
use names::{Names, Naming};
use store::Store;

pub(super) use store::{are_packed, have_known_names, names_in};

/// Bytes of images that are read and converted at once.
const AT_ONCE: usize = 1 << 22;

/// Reads the arrays in `config.dir`. The bytes of a `.npy` file that are wanted as they are stay in it, but for those
/// to keep in a folder.
pub(super) fn load(config: &DataConfig, keep: Keep<'_>) -> Result<Dataset, DataError> {
    let mut reader = Reader::new(config)?;
    let names = reader.naming.train;
    let labels = reader.labels(names)?;
    let classes = match &labels {
        Some(labels) => {
            let class_names = reader.store.class_names()?;
            let may_begin_at_1 = reader.naming.may_begin_at_1();
            Some(Classes::of(labels, class_names, may_begin_at_1)?)
        }
        None => {
            if let Some(names) = reader.store.class_names()?
                && !names.names.is_empty()
            {
                return Err(DataError::MissingFile {
                    dir: reader.store.root.clone(),
                    names: vec![format!("{}.npy", reader.naming.train.labels)],
                });
            }
            None
        }
    };
    let train = reader.images(names.images, labels, classes.as_ref(), keep, Split::Train)?;
    let test = reader.test(&train, classes.as_ref(), keep);
    Ok(Dataset {
        passed_over: reader.store.passed_over(),
        ..Dataset::of_train(train).with_test(test)
    })
}

/// The images of both splits that [`load`] holds in memory, from the headers alone: none of those that stay in their
/// file.
pub(super) fn held(config: &DataConfig) -> Result<ImagesHeld, DataError> {
    let mut reader = Reader::new(config)?;
    let train = reader.held(reader.naming.train)?;
    // What is wrong with test images is told where they are read.
    let test = reader.naming.test(&reader.store.names);
    let test = test.and_then(|names| reader.held(names).ok());
    Ok(ImagesHeld {
        num: train.num.saturating_add(test.map_or(0, |test| test.num)),
        ..train
    })
}

/// How many channels the training images in `config.dir` have.
pub(super) fn channels(config: &DataConfig) -> Result<usize, DataError> {
    let mut reader = Reader::new(config)?;
    let form = reader.naming.form(reader.store.is_folder());
    let array = reader.store.array(reader.naming.train.images)?;
    Ok(Layout::of(&array, form)?.shape.channels)
}

/// Reads one split after another.
struct Reader<'a> {
    config: &'a DataConfig,
    store: Store,
    naming: &'static Naming,
}

impl<'a> Reader<'a> {
    /// Of the arrays in `config.dir`, which must have names that are known.
    fn new(config: &'a DataConfig) -> Result<Self, DataError> {
        let path = config.existing_path()?;
        check_channels(config)?;
        let store = Store::open(path)?;
        let naming = Naming::among(&store.names).ok_or_else(|| DataError::NoArrays {
            path: store.root.clone(),
            found: store.names.iter().cloned().collect(),
        })?;
        Ok(Self {
            config,
            store,
            naming,
        })
    }

    /// The labels of a split, where they are there: one for each image, as the headers say before any label is read.
    fn labels(&mut self, names: Names) -> Result<Option<Labels>, DataError> {
        if !self.store.names.contains(names.labels) {
            return Ok(None);
        }
        let (images, num_images) = {
            let (array, layout, _) = self.open(names.images)?;
            (array.path, layout.num)
        };
        let array = self.store.array(names.labels)?;
        Labels::read(array, &images, num_images).map(Some)
    }

    /// An array of images, and what becomes of them.
    fn open(&mut self, name: &str) -> Result<(Array<'_>, Layout, Conversion), DataError> {
        let form = self.naming.form(self.store.is_folder());
        let array = self.store.array(name)?;
        let layout = Layout::of(&array, form)?;
        let conversion = Conversion::new(layout, self.config, &array.path)?;
        Ok((array, layout, conversion))
    }

    /// The images of a split that are held in memory: all where some classes are left out, as the others are copied.
    fn held(&mut self, names: Names) -> Result<ImagesHeld, DataError> {
        let is_whole = self.config.leave_out.is_empty();
        let (array, layout, conversion) = self.open(names.images)?;
        let stays = is_whole && array.is_a_file() && conversion.changes_nothing();
        Ok(ImagesHeld {
            num: if stays { 0 } else { layout.num as u64 },
            shape: Some(conversion.to),
        })
    }

    /// The held-out images, where there are any, which must have the shape and the classes of the training images.
    fn test(
        &mut self,
        train: &Images,
        classes: Option<&Classes>,
        keep: Keep<'_>,
    ) -> Result<Option<Images>, DataError> {
        let Some(names) = self.naming.test(&self.store.names) else {
            return Ok(None);
        };
        if !self.store.names.contains(names.images) {
            return Err(DataError::MissingFile {
                dir: self.store.root.clone(),
                names: vec![format!("{}.npy", names.images)],
            });
        }
        let labels = self.labels(names)?;
        let (_, _, conversion) = self.open(names.images)?;
        if conversion.to != train.shape {
            return Err(DataError::ShapesDiffer {
                path: self.store.root.clone(),
                train: train.shape,
                test: conversion.to,
            });
        }
        let test = self.images(names.images, labels, classes, keep, Split::Test)?;
        Ok(Some(test))
    }

    /// The images in the array of this name, of these labels, which have to be there where there are classes.
    fn images(
        &mut self,
        name: &str,
        labels: Option<Labels>,
        classes: Option<&Classes>,
        keep: Keep<'_>,
        split: Split,
    ) -> Result<Images, DataError> {
        let (array, layout, conversion) = self.open(name)?;
        let labels = match (labels, classes) {
            (Some(labels), Some(classes)) => Some(classes.of_labels(labels)?),
            (Some(labels), None) => {
                let problem = "holds labels, and the training images have none".to_owned();
                return Err(labels.unfit(problem, "save those of both, or of neither"));
            }
            (None, Some(classes)) if !classes.names.is_empty() => {
                let problem = "has no labels, and the training images have".to_owned();
                return Err(array.unfit(problem, "save those of both, or of neither"));
            }
            (None, _) => None,
        };
        let num = layout.num;
        let pixels = pixels(array, layout, conversion, keep, split)?;
        Ok(Images {
            pixels,
            shape: conversion.to,
            labels: labels.unwrap_or_else(|| vec![0; num]),
            class_names: classes.map_or_else(Vec::new, |classes| classes.names.clone()),
        })
    }
}

/// The pixels of the images of an array: mapped where its bytes are those, else read and converted.
fn pixels(
    mut array: Array<'_>,
    layout: Layout,
    conversion: Conversion,
    keep: Keep<'_>,
    split: Split,
) -> Result<Pixels, DataError> {
    let (num, stride) = (layout.num, layout.shape.pixels());
    let may_stay = conversion.changes_nothing() && matches!(keep, Keep::InMemory);
    if may_stay && let Some(pixels) = array.map(num * stride)? {
        return Ok(pixels);
    }
    let mut pixels = Growing::new(keep, split, conversion.to)?;
    let mut bytes = Vec::new();
    let mut index = 0;
    while index < num {
        let now = (AT_ONCE / stride).clamp(1, num - index);
        array.read(&mut bytes, now * stride)?;
        pixels.put(index, &conversion.apply(&bytes))?;
        index += now;
    }
    array.finish()?;
    pixels.finish()
}
