//! Give the pages of a parquet file to the parquet crate, none of which claims more room than it may.

use std::fs::File;
use std::io::{BufReader, Read};

use bytes::Bytes;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length, SerializedPageReader};

use super::thrift::{Compact, I32};

/// How many times its size a page may become: Snappy makes at most 64 bytes of three.
const MOST_GROWTH: i64 = 32;

/// Bytes that hold the first three fields of the header of a page.
const HEAD: u64 = 32;

/// A file whose pages are read one by one.
pub(super) struct Pages {
    file: File,
    /// Bytes of the file.
    len: u64,
}

impl Pages {
    pub fn new(file: File, len: u64) -> Self {
        Self { file, len }
    }
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Pages {
    type T = BufReader<File>;

    /// The file from the header of a page on.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        let mut head = Vec::new();
        self.file
            .get_read(start)?
            .take(HEAD)
            .read_to_end(&mut head)?;
        check_growth(&head)?;
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = start.checked_add(length as u64);
        if end.is_none_or(|end| end > self.len) {
            let problem = format!("{length} bytes at {start} are not in the file");
            return Err(ParquetError::EOF(problem));
        }
        self.file.get_bytes(start, length)
    }
}

/// Refuses a page whose header says that it becomes larger than it can.
fn check_growth(header: &[u8]) -> Result<()> {
    let Some([after, before]) = sizes(header) else {
        let problem = "a page has a header of another kind".to_owned();
        return Err(ParquetError::General(problem));
    };
    if after > before.saturating_mul(MOST_GROWTH).saturating_add(1 << 10) {
        let problem = format!("a page of {before} bytes says that it becomes {after}");
        return Err(ParquetError::General(problem));
    }
    Ok(())
}

/// Bytes of a page, uncompressed and as it is stored, by the fields after its type.
fn sizes(header: &[u8]) -> Option<[i64; 2]> {
    let mut compact = Compact::new(header);
    let mut values = [0; 3];
    for (id, value) in (1..).zip(&mut values) {
        if compact.field(id - 1)? != Some((id, I32)) {
            return None;
        }
        *value = compact.int()?;
    }
    let [_, after, before] = values;
    Some([after, before])
}

/// The pages of a column of a row group, which are refused where the parquet crate would make room for more than they
/// hold.
pub(super) struct Checked {
    pages: SerializedPageReader<Pages>,
    /// Bytes of a value in a dictionary, at least.
    width: usize,
}

impl Checked {
    pub fn new(pages: SerializedPageReader<Pages>, values: Type) -> Self {
        let width = if values == Type::INT64 { 8 } else { 4 };
        Self { pages, width }
    }
}

impl Iterator for Checked {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Checked {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            check_page(page, self.width)?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }
}

/// Refuses a dictionary with more values, each of so many bytes at least, than it has room for, and encodings that
/// tell themselves how many values follow.
fn check_page(page: &Page, width: usize) -> Result<()> {
    let (num_values, num_bytes) = (page.num_values(), page.buffer().len());
    if page.is_dictionary_page() && num_values as usize > num_bytes / width {
        return Err(ParquetError::General(format!(
            "a dictionary of {num_bytes} bytes says that it has {num_values} values"
        )));
    }
    if is_unread(page.encoding()) {
        let encoding = page.encoding();
        return Err(ParquetError::NYI(format!("pages encoded as {encoding}")));
    }
    Ok(())
}

/// Whether pages of this encoding are not read here.
pub(super) fn is_unread(encoding: Encoding) -> bool {
    matches!(
        encoding,
        Encoding::DELTA_LENGTH_BYTE_ARRAY
            | Encoding::DELTA_BYTE_ARRAY
            | Encoding::BYTE_STREAM_SPLIT
            | Encoding::ALP
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_no_larger_than_it_can() {
        // A data page of 12 bytes that becomes 10, as pyarrow writes it.
        let whole = [0x15, 0x00, 0x15, 0x14, 0x15, 0x18];
        assert_eq!(sizes(&whole), Some([10, 12]));
        assert!(check_growth(&whole).is_ok());
        for kept in 0..whole.len() {
            assert!(check_growth(&whole[..kept]).is_err(), "{kept} bytes");
        }
        // Two thousand million bytes of 12.
        let most = [0x15, 0x00, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x15, 0x18];
        assert_eq!(sizes(&most), Some([i64::from(i32::MAX), 12]));
        assert_eq!(
            check_growth(&most).unwrap_err().to_string(),
            "Parquet error: a page of 12 bytes says that it becomes 2147483647"
        );
        // Another order of fields, and another type.
        assert_eq!(sizes(&[0x25, 0x00, 0x15, 0x14, 0x15, 0x18]), None);
        assert_eq!(sizes(&[0x15, 0x00, 0x16, 0x14, 0x15, 0x18]), None);
    }

    #[test]
    fn a_dictionary_has_room_for_its_values() {
        let dictionary = |num_values| Page::DictionaryPage {
            buf: Bytes::from(vec![0; 17]),
            num_values,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        assert!(check_page(&dictionary(4), 4).is_ok());
        assert!(check_page(&dictionary(5), 4).is_err());
        assert!(check_page(&dictionary(3), 8).is_err());
        assert!(check_page(&dictionary(u32::MAX), 4).is_err());
    }
}
