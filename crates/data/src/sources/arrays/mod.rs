//! Read NumPy arrays of images and labels.

use std::path::Path;

use crate::config::DataConfig;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::keep::Keep;

/// Reads the arrays in `config.dir`.
pub(super) fn load(config: &DataConfig, keep: Keep<'_>) -> Result<Dataset, DataError> {
    todo!()
}

/// How many images the arrays at `path` hold, of both splits.
pub(super) fn count(path: &Path) -> Result<u64, DataError> {
    todo!()
}
