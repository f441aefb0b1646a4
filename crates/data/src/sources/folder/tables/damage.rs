//! Make errors of what is wrong with a parquet file.

use std::error::Error;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use crate::error::DataError;

/// A file that is no parquet file, or a damaged one.
pub(super) fn damaged(path: &Path, problem: impl Into<Box<dyn Error + Send + Sync>>) -> DataError {
    DataError::BadTable {
        path: path.into(),
        source: io::Error::other(problem),
    }
}

/// A file that is stored in a way that is not read here.
pub(super) fn unread(path: &Path, problem: String, remedy: &'static str) -> DataError {
    DataError::UnreadTable {
        path: path.into(),
        problem,
        remedy,
    }
}

/// What the parquet crate reads of a file. It slices the bytes of pages by lengths that stand in them, and panics where
/// a damaged file has others: here, and nowhere else, such a panic becomes an error. What was read by then is dropped.
///
/// # Errors
/// Where the crate finds the file damaged.
pub(super) fn guarded<T>(
    path: &Path,
    read: impl FnOnce() -> parquet::errors::Result<T>,
) -> Result<T, DataError> {
    match panic::catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(damaged(path, error)),
        Err(_) => Err(damaged(path, "lengths in its pages do not fit them")),
    }
}
