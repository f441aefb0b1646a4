//! Make, load and look at data sets in tests.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{ImageFormat, Rgb, RgbImage};

use crate::config::DataConfig;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::images::Images;
use crate::kind::DatasetKind;

/// A picture of 4×4 pixels of one grey.
pub(super) fn png(grey: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_pixel(4, 4, Rgb([grey; 3]))
        .write_to(&mut bytes, ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

/// Pictures in this place.
pub(super) fn config(path: &Path) -> DataConfig {
    DataConfig {
        dataset: DatasetKind::Folder,
        dir: Some(path.into()),
        ..DataConfig::default()
    }
}

/// Loads `path` in a folder of these files, with settings; errors as text with the folder as `DIR`, paths relative to
/// it.
pub(super) fn load_with(
    path: &str,
    files: &[(&str, &[u8])],
    set: impl Fn(&mut DataConfig),
    in_words: impl Fn(&DataError) -> String,
) -> Result<Dataset, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let path: PathBuf = dir.path().join(path).components().collect();
    let mut config = config(&path);
    set(&mut config);
    match crate::load(&config, 0) {
        Ok(data) => Ok(relative(data, dir.path())),
        Err(error) => Err(in_words(&error).replace(&dir.path().display().to_string(), "DIR")),
    }
}

/// The same data with paths relative to a folder.
pub(super) fn relative(mut data: Dataset, root: &Path) -> Dataset {
    let passed_over = data.passed_over.iter_mut().flat_map(|over| &mut over.paths);
    for path in data.skipped.iter_mut().chain(passed_over) {
        *path = path.strip_prefix(root).unwrap().into();
    }
    data
}

/// The grey of each image.
pub(super) fn greys(images: &Images) -> Vec<u8> {
    (0..images.len())
        .map(|index| images.image(index)[0])
        .collect()
}

/// What was passed over, with its number.
pub(super) fn passed_over(data: &Dataset) -> Vec<(&str, usize)> {
    let all = data.passed_over.iter();
    all.map(|over| (over.what.as_str(), over.paths.len()))
        .collect()
}
