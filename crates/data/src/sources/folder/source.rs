//! Read and decode pictures, wherever they lie.

use std::fs;
use std::path::{Path, PathBuf};

use image::ImageError;
use rayon::prelude::*;

use super::archive::Members;
use super::progress::Progress;
use crate::error::DataError;
use crate::picture::Encoded;

/// Where pictures lie.
#[derive(Debug)]
pub(super) enum Source {
    Disk,
    Archives(Members),
}

impl Source {
    /// What `decode` makes of each picture, in order; it is given the picture's place in the list.
    ///
    /// # Errors
    /// Where an archive cannot be read; a picture that cannot be read is one that cannot be decoded.
    pub fn decode<T: Send>(
        &self,
        pictures: &[(PathBuf, u32)],
        progress: &Progress<'_>,
        decode: &(impl Fn(usize, Encoded<'_>) -> Result<T, ImageError> + Sync),
    ) -> Result<Vec<Result<T, ImageError>>, DataError> {
        match self {
            Self::Archives(members) => members.decode(pictures, progress, decode),
            Self::Disk => {
                let decoded = pictures.par_iter().enumerate().map(|(index, (path, _))| {
                    let bytes = fs::read(path).map_err(ImageError::from);
                    let decoded = bytes.and_then(|bytes| decode(index, Encoded::new(&bytes, path)));
                    progress.advance();
                    decoded
                });
                Ok(decoded.collect())
            }
        }
    }

    /// Width and height of a picture, or `None` if it is none.
    ///
    /// # Errors
    /// Where an archive cannot be read.
    pub fn dimensions(&self, path: &Path) -> Result<Option<(u32, u32)>, DataError> {
        let bytes = match self {
            Self::Disk => fs::read(path).map_err(ImageError::from),
            Self::Archives(members) => members.read_one(path)?,
        };
        let dimensions = bytes.and_then(|bytes| Encoded::new(&bytes, path).dimensions());
        Ok(dimensions.ok())
    }
}
