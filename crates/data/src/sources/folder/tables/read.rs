//! Read the pictures in parquet files.

use std::path::{Path, PathBuf};

use image::ImageError;
use parquet::data_type::{ByteArray, ByteArrayType};

use super::columns::Columns;
use super::file::Table;
use crate::error::DataError;
use crate::picture::unfit;

/// The bytes of a picture, or why there are none.
type Bytes = Result<ByteArray, ImageError>;

/// The parquet files of a data set, whose columns are the same.
#[derive(Debug)]
pub(in crate::sources::folder) struct Tables {
    pub(super) columns: Columns,
}

impl Tables {
    /// Gives `take` the bytes of each picture, with the picture's place in the list, in the order of the list. They are
    /// parts of a page, which is held as long as one of them is.
    ///
    /// # Errors
    /// Where a file can no longer be read, or holds no pictures, or `take` fails.
    pub fn read_pictures(
        &self,
        pictures: &[(PathBuf, u32)],
        take: &mut dyn FnMut(usize, Bytes) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let mut start = 0;
        for of_one in pictures.chunk_by(|(one, _), (other, _)| one.parent() == other.parent()) {
            let wanted: Vec<Wanted> = (start..).zip(of_one).map(Wanted::new).collect();
            start += of_one.len();
            self.read_rows(&of_one[0].0, &wanted, take)?;
        }
        Ok(())
    }

    /// Gives `take` the bytes of some rows of the file that a picture is in, with their places in the list of pictures.
    fn read_rows(
        &self,
        picture: &Path,
        wanted: &[Wanted],
        take: &mut dyn FnMut(usize, Bytes) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let table = Table::open(picture.parent().unwrap_or(picture))?;
        let mut wanted = wanted.iter().peekable();
        let mut end = 0;
        for (group, num_rows) in table.row_groups().enumerate() {
            let first = end;
            end += num_rows;
            if wanted.peek().is_none_or(|wanted| wanted.row >= end) {
                continue;
            }
            let mut row = first;
            let mut values = table.values::<ByteArrayType>(group, self.columns.picture)?;
            while let Some(Wanted { row: next, index }) = wanted.next_if(|next| next.row < end) {
                for _ in row..*next {
                    values.read_one()?;
                }
                row = next + 1;
                let bytes = values.read_one()?;
                if bytes.is_none() && *next == first && self.has_path(&table, group)? {
                    return Err(DataError::PicturesElsewhere {
                        path: table.path().into(),
                    });
                }
                take(*index, bytes.ok_or_else(no_bytes))?;
            }
            if row == end {
                values.finish()?;
            }
        }
        match wanted.next() {
            None => Ok(()),
            Some(_) => Err(table.damaged("it has fewer rows than before")),
        }
    }

    /// Whether the first row of a row group has the path of a picture.
    fn has_path(&self, table: &Table, group: usize) -> Result<bool, DataError> {
        let Some(leaf) = self.columns.path else {
            return Ok(false);
        };
        let path = table.values::<ByteArrayType>(group, leaf)?.read_one()?;
        Ok(path.is_some_and(|path| !path.is_empty()))
    }
}

/// A row to read, and its place in the list of pictures.
struct Wanted {
    row: usize,
    index: usize,
}

impl Wanted {
    fn new((index, (picture, _)): (usize, &(PathBuf, u32))) -> Self {
        Self {
            row: row_of(picture),
            index,
        }
    }
}

/// The row that a picture is, which its path ends with; no row where it does not.
fn row_of(picture: &Path) -> usize {
    let row = picture.file_name().and_then(|row| row.to_str());
    row.and_then(|row| row.parse().ok()).unwrap_or(usize::MAX)
}

fn no_bytes() -> ImageError {
    unfit("its row has no bytes".to_owned())
}
