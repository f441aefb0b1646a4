//! Open an array: its header is read and held against the bytes that there are, its elements come after.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;

use super::header::{Header, invalid};
use crate::error::DataError;
use crate::pixels::Pixels;

/// An array of which the header is read.
pub(super) struct Array<'a> {
    /// Its file; that of a member of an archive is named as if the archive were a folder.
    pub path: PathBuf,
    pub header: Header,
    /// What follows the header.
    elements: Box<dyn Read + 'a>,
    /// The file, where it holds nothing else.
    file: Option<File>,
}

impl<'a> Array<'a> {
    /// The array of a file of its own.
    ///
    /// # Errors
    /// Where the file cannot be read, or is none of the length that its header tells.
    pub fn of_file(path: PathBuf) -> Result<Self, DataError> {
        let opened = File::open(&path)
            .and_then(|file| Ok((file.try_clone()?, file.metadata()?.len(), file)));
        match opened {
            Ok((same, len, file)) => {
                Self::new(path, Box::new(BufReader::new(file)), len, Some(same))
            }
            Err(source) => Err(DataError::Read { path, source }),
        }
    }

    /// The array of a member of an archive, of `len` bytes as the archive has it.
    ///
    /// # Errors
    /// Where the header cannot be read, or asks for another length.
    pub fn of_member(path: PathBuf, content: impl Read + 'a, len: u64) -> Result<Self, DataError> {
        Self::new(path, Box::new(content), len, None)
    }

    fn new(
        path: PathBuf,
        mut content: Box<dyn Read + 'a>,
        got: u64,
        file: Option<File>,
    ) -> Result<Self, DataError> {
        let header = Header::read(&mut content).and_then(|header| {
            let len = header.file_len()?;
            Ok((header, len))
        });
        let (header, expected) = match header {
            Ok(read) => read,
            Err(source) => return Err(DataError::BadArray { path, source }),
        };
        match expected {
            Some(expected) if got < expected => Err(DataError::CutShort {
                path,
                expected,
                got,
            }),
            Some(expected) if got > expected => Err(DataError::TrailingBytes {
                path,
                expected,
                got,
            }),
            // What has no length is of no type that is read.
            _ => Ok(Self {
                path,
                header,
                elements: content,
                file,
            }),
        }
    }

    /// Puts the next `num` bytes of the elements in place of what is in `bytes`, which grows as they come.
    ///
    /// # Errors
    /// Where there are fewer, or they cannot be read.
    pub fn read(&mut self, bytes: &mut Vec<u8>, num: usize) -> Result<(), DataError> {
        bytes.clear();
        let read = self.elements.by_ref().take(num as u64).read_to_end(bytes);
        match read {
            Ok(got) if got == num => Ok(()),
            Ok(_) => Err(self.bad(invalid("it ends before its last element".to_owned()))),
            Err(source) => Err(self.bad(source)),
        }
    }

    /// Looks behind the last element: only there does an archive compare checksums.
    ///
    /// # Errors
    /// Where there is more, or the checksum is another.
    pub fn finish(mut self) -> Result<(), DataError> {
        match self.elements.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.bad(invalid("it goes on after its last element".to_owned()))),
            Err(source) => Err(self.bad(source)),
        }
    }

    /// Whether it is in a file of its own, which can be mapped.
    pub fn is_a_file(&self) -> bool {
        self.file.is_some()
    }

    /// Its `num_bytes` bytes of elements, which stay in the file; `None` where it is in none of its own.
    ///
    /// # Errors
    /// Where the file cannot be mapped.
    pub fn map(&self, num_bytes: usize) -> Result<Option<Pixels>, DataError> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        match Pixels::of_file(file, self.header.len) {
            Ok(pixels) if pixels.len() == num_bytes => Ok(Some(pixels)),
            Ok(_) => Err(self.bad(invalid("its length changed as it was read".to_owned()))),
            Err(source) => Err(DataError::Read {
                path: self.path.clone(),
                source,
            }),
        }
    }

    /// The error that it is damaged.
    pub fn bad(&self, source: io::Error) -> DataError {
        DataError::BadArray {
            path: self.path.clone(),
            source,
        }
    }

    /// The error that it is not what is read: what it is, and what to do about that.
    pub fn unfit(&self, problem: String, remedy: impl Into<String>) -> DataError {
        DataError::UnfitArray {
            path: self.path.clone(),
            problem,
            remedy: remedy.into(),
        }
    }
}

/// The remedy to change an array `x` and save it again.
pub(super) fn again_after(line: &str) -> String {
    format!("save it again after `{line}`")
}
