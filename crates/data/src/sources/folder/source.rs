//! Read and decode pictures, wherever they lie.

use std::fs;
use std::path::{Path, PathBuf};

use image::ImageError;
use rayon::prelude::*;

use super::archive::Members;
use super::progress::Progress;
use super::tables::Tables;
use crate::error::DataError;
use crate::picture::Encoded;

/// Decoded pictures of files that are held at a time. Tests see many batches.
const BATCH: usize = if cfg!(test) { 2 } else { 1024 };

/// Where pictures lie.
#[derive(Debug)]
pub(super) enum Source {
    Disk,
    Archives(Members),
    Tables(Tables),
}

impl Source {
    /// Gives `take` what `decode` makes of each picture, both with the picture's place in the list, in no order.
    ///
    /// # Errors
    /// Where an archive or a parquet file cannot be read, or `take` fails; a picture that cannot be read is one that
    /// cannot be decoded.
    pub fn decode<T: Send>(
        &self,
        pictures: &[(PathBuf, u32)],
        progress: &Progress<'_>,
        decode: &(impl Fn(usize, Encoded<'_>) -> Result<T, ImageError> + Sync),
        take: &mut dyn FnMut(usize, Result<T, ImageError>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        match self {
            Self::Archives(members) => members.decode(pictures, progress, decode, take),
            Self::Tables(tables) => tables.decode(pictures, progress, decode, take),
            Self::Disk => {
                for (batch, pictures) in pictures.chunks(BATCH).enumerate() {
                    let decoded = pictures.par_iter().enumerate().map(|(place, (path, _))| {
                        let index = batch * BATCH + place;
                        let bytes = fs::read(path).map_err(ImageError::from);
                        let decoded =
                            bytes.and_then(|bytes| decode(index, Encoded::new(&bytes, path)));
                        progress.advance();
                        (index, decoded)
                    });
                    for (index, picture) in decoded.collect::<Vec<_>>() {
                        take(index, picture)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Width and height of a picture, or `None` if it is none.
    ///
    /// # Errors
    /// Where an archive or a parquet file cannot be read.
    pub fn dimensions(&self, path: &Path) -> Result<Option<(u32, u32)>, DataError> {
        let bytes = match self {
            Self::Disk => fs::read(path).map_err(ImageError::from),
            Self::Archives(members) => members.read_one(path)?,
            Self::Tables(tables) => tables.read_one(path)?,
        };
        let dimensions = bytes.and_then(|bytes| Encoded::new(&bytes, path).dimensions());
        Ok(dimensions.ok())
    }
}
