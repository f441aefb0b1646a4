//! Read an IDX file, gzipped or not.
//!
//! Format: LeCun, Cortes & Burges, *The MNIST database of handwritten digits*. A big-endian magic
//! number, one big-endian 32-bit size per dimension, then the items.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::error::DataError;
use crate::sources::gunzip::Gunzip;

/// What an IDX file holds.
#[derive(Clone, Copy, Debug)]
pub(in crate::sources) struct Content {
    /// Middle of the file's name, and of messages.
    pub name: &'static str,
    /// The type of an item as the file's name has it.
    pub type_name: &'static str,
    /// Bytes 0, 0, the type of an item (8: unsigned byte, 12: 32-bit integer) and the number of dimensions.
    magic: u32,
    /// Bytes of an item.
    item_len: u64,
}

/// Images: items, rows, columns.
pub(super) const IMAGES: Content = Content {
    name: "images",
    type_name: "ubyte",
    magic: 0x0803,
    item_len: 1,
};
/// Labels: items.
pub(super) const LABELS: Content = Content {
    name: "labels",
    type_name: "ubyte",
    magic: 0x0801,
    item_len: 1,
};
/// Labels of QMNIST: items, and eight numbers for each, big-endian, of which the first is the class (Yadav & Bottou
/// 2019).
pub(super) const NIST_LABELS: Content = Content {
    name: "labels",
    type_name: "int",
    magic: 0x0c02,
    item_len: 4,
};

impl Content {
    /// Number of dimensions: items, and for images also rows and columns.
    pub(super) fn num_dims(self) -> usize {
        (self.magic & 0xff) as usize
    }
}

/// The sizes and the bytes of an IDX file. No more is kept of it than its header says, however much there is.
pub(super) fn read_idx(path: &Path, content: Content) -> Result<(Vec<usize>, Vec<u8>), DataError> {
    let mut file = MaybeGzipped::open(path)?;
    let header_len = 4 * (1 + content.num_dims() as u64);
    let header = file.read_up_to(header_len)?;
    let cut_short = |expected: u64, got: u64| DataError::CutShort {
        path: path.into(),
        expected,
        got,
    };
    let words: Vec<u32> = header
        .chunks_exact(4)
        .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
        .collect();
    match words.first() {
        Some(&got) if got != content.magic => {
            return Err(DataError::WrongMagic {
                path: path.into(),
                content: content.name,
                expected: content.magic,
                got,
            });
        }
        _ if (header.len() as u64) < header_len => {
            return Err(cut_short(header_len, header.len() as u64));
        }
        _ => {}
    }
    let expected = expected_len(&words, content.item_len);
    let bytes = file.read_up_to(expected - header_len)?;
    let got = header_len + bytes.len() as u64;
    if got < expected {
        return Err(cut_short(expected, got));
    }
    let got = got.saturating_add(file.num_left()?);
    if got > expected {
        return Err(DataError::TrailingBytes {
            path: path.into(),
            expected,
            got,
        });
    }
    let dims = words[1..].iter().map(|&size| size as usize).collect();
    Ok((dims, bytes))
}

/// Length of the file with this header; a damaged header may ask for more than any file has.
fn expected_len(words: &[u32], item_len: u64) -> u64 {
    let items = words[1..].iter().fold(item_len, |product, &size| {
        product.saturating_mul(u64::from(size))
    });
    items.saturating_add(4 * words.len() as u64)
}

/// The bytes of a file, decompressed if they start like gzip, whatever the file's name.
struct MaybeGzipped<'a> {
    path: &'a Path,
    is_gzipped: bool,
    content: Box<dyn Read>,
}

impl<'a> MaybeGzipped<'a> {
    fn open(path: &'a Path) -> Result<Self, DataError> {
        let open = || {
            let mut file = BufReader::new(File::open(path)?);
            let is_gzipped = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
            io::Result::Ok((file, is_gzipped))
        };
        let (file, is_gzipped) = open().map_err(|source| DataError::Read {
            path: path.into(),
            source,
        })?;
        let content: Box<dyn Read> = if is_gzipped {
            Box::new(Gunzip::new(file))
        } else {
            Box::new(file)
        };
        Ok(Self {
            path,
            is_gzipped,
            content,
        })
    }

    /// The next bytes, so many if there are.
    fn read_up_to(&mut self, most: u64) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        let read = self.content.by_ref().take(most).read_to_end(&mut bytes);
        read.map_err(|source| self.failed(source))?;
        Ok(bytes)
    }

    /// How many bytes are left.
    fn num_left(&mut self) -> Result<u64, DataError> {
        let left = io::copy(&mut self.content, &mut io::sink());
        left.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> DataError {
        let path = self.path.into();
        if self.is_gzipped {
            DataError::CorruptGzip { path, source }
        } else {
            DataError::Read { path, source }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// What reading `bytes` as `content` gives, errors as text without the folder.
    fn read(bytes: &[u8], content: Content) -> Result<(Vec<usize>, Vec<u8>), String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        read_idx(&path, content).map_err(|error| {
            let text = error.to_string();
            text.replace(&path.display().to_string(), "file")
        })
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    const THREE_LABELS: [u8; 11] = [0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9];
    const TWO_IMAGES: [u8; 20] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4];

    #[test]
    fn reads_sizes_and_bytes_gzipped_or_not_whatever_the_name() {
        let labels = Ok((vec![3], vec![7, 8, 9]));
        let images = Ok((vec![2, 1, 2], vec![1, 2, 3, 4]));
        assert_eq!(read(&THREE_LABELS, LABELS), labels);
        assert_eq!(read(&gzip(&THREE_LABELS), LABELS), labels);
        assert_eq!(read(&TWO_IMAGES, IMAGES), images);
        assert_eq!(read(&gzip(&TWO_IMAGES), IMAGES), images);
    }

    #[test]
    fn refuses_another_magic_number() {
        assert_eq!(
            read(&THREE_LABELS, IMAGES).unwrap_err(),
            "file starts with 0x00000801, expected 0x00000803 (images): it is another file, or damaged"
        );
        assert_eq!(
            read(b"<html>", LABELS).unwrap_err(),
            "file starts with 0x3c68746d, expected 0x00000801 (labels): it is another file, or damaged"
        );
    }

    #[test]
    fn refuses_a_file_cut_short_in_its_header_or_its_body() {
        for (len, expected) in [(0, 16), (3, 16), (15, 16), (16, 20), (19, 20)] {
            assert_eq!(
                read(&TWO_IMAGES[..len], IMAGES).unwrap_err(),
                format!(
                    "file is cut short: expected {expected} bytes, got {len}; download it again"
                )
            );
        }
    }

    #[test]
    fn refuses_a_header_that_asks_for_more_than_any_file_has() {
        let mut bytes = TWO_IMAGES;
        bytes[4..16].fill(0xff);
        let message = read(&bytes, IMAGES).unwrap_err();
        assert!(
            message.contains("expected 18446744073709551615 bytes, got 20"),
            "{message}"
        );
    }

    #[test]
    fn refuses_trailing_bytes() {
        let bytes = [&THREE_LABELS[..], &[0]].concat();
        assert_eq!(
            read(&bytes, LABELS).unwrap_err(),
            "file has bytes after its last item: expected 11 bytes, got 12; download it again"
        );
    }

    #[test]
    fn no_more_is_kept_than_the_header_says() {
        for zeros in [1, 100, 1 << 20] {
            let bytes = [&THREE_LABELS[..], &vec![0; zeros]].concat();
            let expected = format!(
                "file has bytes after its last item: expected 11 bytes, got {}; download it again",
                11 + zeros
            );
            for bytes in [gzip(&bytes), bytes] {
                assert_eq!(read(&bytes, LABELS).unwrap_err(), expected);
                let dir = tempfile::tempdir().unwrap();
                let path = dir.path().join("file");
                std::fs::write(&path, &bytes).unwrap();
                let mut file = MaybeGzipped::open(&path).unwrap();
                let start = file.read_up_to(11).unwrap();
                assert_eq!(
                    (start.as_slice(), start.capacity() < 1 << 10),
                    (&THREE_LABELS[..], true)
                );
            }
        }
    }

    #[test]
    fn zeros_that_fill_a_block_of_a_tape_behind_a_gzip_file_are_passed() {
        let padded = [gzip(&THREE_LABELS), vec![0; 500]].concat();
        assert_eq!(read(&padded, LABELS), Ok((vec![3], vec![7, 8, 9])));
    }

    #[test]
    fn refuses_a_damaged_gzip_file() {
        let whole = gzip(&THREE_LABELS);
        let cut = &whole[..whole.len() - 5];
        let mut flipped = whole.clone();
        let checksum = whole.len() - 8;
        flipped[checksum] ^= 1;
        let trailing = [&whole[..], b"junk"].concat();
        for bytes in [cut, &flipped, &trailing] {
            assert_eq!(
                read(bytes, LABELS).unwrap_err(),
                "file is a damaged gzip file: download it again"
            );
        }
    }
}
