//! Look at data sets in tests.

use std::path::Path;

use crate::dataset::Dataset;
use crate::images::Images;

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
