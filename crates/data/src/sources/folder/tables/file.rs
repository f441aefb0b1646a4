//! Open a parquet file, and read the values of its columns.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::CompressionCodec;
use parquet::column::reader::{ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader,
    ParquetStatisticsPolicy,
};
use parquet::file::reader::{Length, SerializedPageReader};
use parquet::schema::types::SchemaDescriptor;

use super::damage::{damaged, guarded, unread};
use super::footer;
use super::pages::{Checked, Pages, is_unread};
use crate::error::DataError;

/// Values that are read at a time, where they are small. Tests see many batches.
const BATCH: usize = if cfg!(test) { 2 } else { 1024 };

/// What makes a file that is read here of one that is not.
const REWRITE: &str = "write it again in Python, with `import pyarrow.parquet as p` and \
                       `p.write_table(p.read_table(\"old.parquet\"), \"new.parquet\", compression=\"snappy\")`";

/// What a file says that changes under the program.
const CHANGES: &str = "it changes while it is read";

/// A parquet file, whose footer is read.
pub(super) struct Table {
    path: PathBuf,
    pages: Arc<Pages>,
    metadata: ParquetMetaData,
    num_rows: usize,
}

impl Table {
    /// Reads the footer of a file.
    ///
    /// # Errors
    /// Where the file cannot be read, is no parquet file or a damaged one, or is encrypted.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let failed = |source| DataError::Read {
            path: path.into(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let footer = footer::read(path, &file, len)?;
        let options = ParquetMetaDataOptions::new()
            .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
        let metadata = guarded(path, || {
            ParquetMetaDataReader::decode_metadata_with_options(&footer, Some(&options))
        })?;
        let num_rows = num_rows(&metadata, len).map_err(|problem| damaged(path, problem))?;
        Ok(Self {
            path: path.into(),
            pages: Arc::new(Pages::new(file, len)),
            metadata,
            num_rows,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many rows it says that it has.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// How many rows each of its row groups says that it has.
    pub fn row_groups(&self) -> impl Iterator<Item = usize> {
        let groups = self.metadata.row_groups().iter();
        groups.map(|group| group.num_rows() as usize)
    }

    /// Its columns.
    pub fn schema(&self) -> &SchemaDescriptor {
        self.metadata.file_metadata().schema_descr()
    }

    /// A text beside the columns.
    pub fn note(&self, key: &str) -> Option<&str> {
        let notes = self.metadata.file_metadata().key_value_metadata()?;
        notes.iter().find(|note| note.key == key)?.value.as_deref()
    }

    /// An error of what is wrong with the file.
    pub fn damaged(&self, problem: &str) -> DataError {
        damaged(&self.path, problem)
    }

    /// Checks a column before it is read.
    ///
    /// # Errors
    /// Where it is stored in a way that is not read here, or not wholly in the file.
    pub fn check(&self, leaf: usize) -> Result<(), DataError> {
        (0..self.metadata.num_row_groups())
            .try_for_each(|group| self.chunk(group, leaf).map(|_| ()))
    }

    /// Gives `take` the value of a column in each row, `None` where it has none, with the path of the row.
    ///
    /// # Errors
    /// Where the file cannot be read or is damaged, or `take` fails.
    pub fn each<T: DataType>(
        &self,
        leaf: usize,
        take: &mut dyn FnMut(PathBuf, Option<T::T>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let (mut row, mut end) = (0, 0);
        for (group, num_rows) in self.row_groups().enumerate() {
            end += num_rows;
            let mut values = self.values::<T>(group, leaf)?;
            while row < end {
                for value in values.read(BATCH.min(end - row))? {
                    take(self.path_of(row), value)?;
                    row += 1;
                }
            }
            values.finish()?;
        }
        Ok(())
    }

    /// A row as if it were a file in the table.
    pub fn path_of(&self, row: usize) -> PathBuf {
        self.path.join(row.to_string())
    }

    /// The values of a column in a row group.
    ///
    /// # Errors
    /// As [`check`](Self::check), or where it is of another type.
    pub fn values<T: DataType>(
        &self,
        group: usize,
        leaf: usize,
    ) -> Result<Values<'_, T>, DataError> {
        let chunk = self.chunk(group, leaf)?;
        let reader = guarded(&self.path, || {
            let num_rows = usize::try_from(self.metadata.row_group(group).num_rows())?;
            let pages = Arc::clone(&self.pages);
            let pages = SerializedPageReader::new(pages, chunk, num_rows, None)?;
            let pages = Checked::new(pages, chunk.column_type());
            let reader = get_column_reader(chunk.column_descr_ptr(), Box::new(pages));
            T::get_column_reader(reader).ok_or_else(|| ParquetError::General(CHANGES.to_owned()))
        })?;
        Ok(Values {
            path: &self.path,
            reader,
            level: chunk.column_descr().max_def_level(),
            levels: Vec::new(),
            values: Vec::new(),
        })
    }

    /// Where a column of a row group lies.
    fn chunk(&self, group: usize, leaf: usize) -> Result<&ColumnChunkMetaData, DataError> {
        let groups = self.metadata.row_groups();
        let chunk = groups
            .get(group)
            .and_then(|group| group.columns().get(leaf));
        let chunk = chunk.ok_or_else(|| self.damaged(CHANGES))?;
        let refused = |problem: String| Err(unread(&self.path, problem, REWRITE));
        let codec = chunk.compression_codec();
        if !matches!(
            codec,
            CompressionCodec::UNCOMPRESSED | CompressionCodec::SNAPPY
        ) {
            let codec = codec.to_string().to_lowercase();
            return refused(format!("is compressed with {codec}"));
        }
        if let Some(encoding) = chunk.encodings().find(|&encoding| is_unread(encoding)) {
            return refused(format!("is encoded as {encoding}"));
        }
        if chunk.file_path().is_some_and(|file| !file.is_empty()) {
            return refused("keeps its columns in other files".to_owned());
        }
        let start = chunk.dictionary_page_offset();
        let start = start.unwrap_or_else(|| chunk.data_page_offset());
        let range = u64::try_from(start)
            .ok()
            .zip(u64::try_from(chunk.compressed_size()).ok());
        let end = range.and_then(|(start, size)| start.checked_add(size));
        if end.is_none_or(|end| end > self.pages.len()) {
            return Err(self.damaged("its pages are not in it: it is cut short"));
        }
        Ok(chunk)
    }
}

/// How many rows a file of `len` bytes says that it has, if what it says may be.
fn num_rows(metadata: &ParquetMetaData, len: u64) -> Result<usize, String> {
    let mut num_rows: u64 = 0;
    for group in metadata.row_groups() {
        let of_group = group.num_rows();
        let of_group = u64::try_from(of_group)
            .map_err(|_| format!("it says that a row group has {of_group} rows"))?;
        num_rows = num_rows.saturating_add(of_group);
    }
    let in_all = metadata.file_metadata().num_rows();
    if u64::try_from(in_all) != Ok(num_rows) {
        return Err(format!(
            "it says that it has {in_all} rows, and its row groups that they have {num_rows}"
        ));
    }
    // Room is made for each row, and no picture takes less than a byte.
    if num_rows > len {
        return Err(format!(
            "it says that it has {num_rows} rows in {len} bytes"
        ));
    }
    Ok(num_rows as usize)
}

/// The values of a column in a row group, from the first row on.
pub(super) struct Values<'a, T: DataType> {
    path: &'a Path,
    reader: ColumnReaderImpl<T>,
    /// The level of a row that has a value; 0 where all have.
    level: i16,
    levels: Vec<i16>,
    values: Vec<T::T>,
}

impl<T: DataType> Values<'_, T> {
    /// The values of the next rows, at most so many and at least one, `None` where a row has none.
    ///
    /// # Errors
    /// Where the file cannot be read or is damaged, or there are no more rows.
    pub fn read(&mut self, most: usize) -> Result<Vec<Option<T::T>>, DataError> {
        let read = self.read_some(most)?;
        if read.is_empty() {
            return Err(damaged(self.path, "it has fewer rows than it says"));
        }
        Ok(read)
    }

    /// The value of the next row.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_one(&mut self) -> Result<Option<T::T>, DataError> {
        Ok(self.read(1)?.into_iter().flatten().next())
    }

    /// Checks that there are no more rows.
    ///
    /// # Errors
    /// Where there are, or they cannot be read.
    pub fn finish(&mut self) -> Result<(), DataError> {
        if self.read_some(1)?.is_empty() {
            return Ok(());
        }
        Err(damaged(self.path, "it has more rows than it says"))
    }

    fn read_some(&mut self, most: usize) -> Result<Vec<Option<T::T>>, DataError> {
        self.levels.clear();
        self.values.clear();
        guarded(self.path, || {
            let levels = Some(&mut self.levels);
            self.reader
                .read_records(most, levels, None, &mut self.values)
        })?;
        let mut values = self.values.drain(..);
        if self.level == 0 {
            return Ok(values.map(Some).collect());
        }
        let levels = self.levels.iter();
        let read = levels.map(|&level| {
            if level == self.level {
                values.next()
            } else {
                None
            }
        });
        Ok(read.collect())
    }
}
