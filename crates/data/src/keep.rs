//! Put the pixels of a data set where they are kept: in memory, or in a file of its own.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ebm_core::ImageShape;

use crate::class_name::problem_with;
use crate::durable::sync_file;
use crate::error::DataError;
use crate::pixels::Pixels;

/// Where the pixels of a data set go as they are read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keep<'a> {
    InMemory,
    /// In a file for each split, in this folder.
    InFolder(&'a Path),
}

impl Keep<'_> {
    /// Refuses names of classes that could not be read again from a folder.
    ///
    /// # Errors
    /// Where they go there, and are such.
    pub fn check_class_names(self, names: &[String]) -> Result<(), DataError> {
        match (self, problem_with(names)) {
            (Self::InFolder(_), Some(problem)) => Err(DataError::UnfitClassNames { problem }),
            _ => Ok(()),
        }
    }
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    Train,
    Test,
}

impl Split {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

/// Pixels of images that come one after another, or in any order.
pub(crate) struct Growing {
    to: To,
    /// Bytes of an image.
    stride: usize,
    shape: ImageShape,
    /// How many images have a place.
    len: usize,
}

enum To {
    Memory(Vec<u8>),
    File { file: File, path: PathBuf },
}

impl Growing {
    /// None yet, for images of `shape`.
    ///
    /// # Errors
    /// Where a file for them cannot be made.
    pub fn new(keep: Keep<'_>, split: Split, shape: ImageShape) -> Result<Self, DataError> {
        let to = match keep {
            Keep::InMemory => To::Memory(Vec::new()),
            Keep::InFolder(folder) => {
                let path = images_in(folder, split);
                let mut options = OpenOptions::new();
                let file = options.read(true).write(true).create_new(true).open(&path);
                let file = file.map_err(|source| failed(&path, source))?;
                To::File { file, path }
            }
        };
        Ok(Self {
            to,
            stride: shape.pixels(),
            shape,
            len: 0,
        })
    }

    /// Puts images at the place of image `index`; images may be written in any order.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn put(&mut self, index: usize, images: &[u8]) -> Result<(), DataError> {
        let start = index * self.stride;
        self.len = self.len.max(index + images.len() / self.stride);
        match &mut self.to {
            To::Memory(bytes) => {
                if bytes.len() < start + images.len() {
                    bytes.resize(start + images.len(), 0);
                }
                bytes[start..start + images.len()].copy_from_slice(images);
                Ok(())
            }
            To::File { file, path } => {
                let written = file
                    .seek(SeekFrom::Start((HEADER + start) as u64))
                    .and_then(|_| file.write_all(images));
                written.map_err(|source| failed(path, source))
            }
        }
    }

    /// Puts an image after all others.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn push(&mut self, image: &[u8]) -> Result<(), DataError> {
        self.put(self.len, image)
    }

    /// Takes out the images whose place `is_kept` does not want; the others keep their order.
    ///
    /// # Errors
    /// Where a file cannot be read or written.
    pub fn retain(&mut self, is_kept: impl Fn(usize) -> bool) -> Result<(), DataError> {
        let kept = (0..self.len).filter(|&index| is_kept(index));
        let mut len = 0;
        for index in kept {
            if index != len {
                self.copy(index, len)?;
            }
            len += 1;
        }
        self.len = len;
        Ok(())
    }

    fn copy(&mut self, from: usize, to: usize) -> Result<(), DataError> {
        let [from, to] = [from, to].map(|index| index * self.stride);
        match &mut self.to {
            To::Memory(bytes) => {
                bytes.copy_within(from..from + self.stride, to);
                Ok(())
            }
            To::File { file, path } => copy_within(file, HEADER + from, HEADER + to, self.stride)
                .map_err(|source| failed(path, source)),
        }
    }

    /// The pixels; those in a file are on the disk before they are known as whole.
    ///
    /// # Errors
    /// Where a file cannot be written or read.
    pub fn finish(self) -> Result<Pixels, DataError> {
        let bytes = self.len * self.stride;
        match self.to {
            To::Memory(mut pixels) => {
                pixels.truncate(bytes);
                Ok(pixels.into())
            }
            To::File { mut file, path } => {
                let end = (HEADER + bytes) as u64;
                let [c, h, w] = self.shape.dims();
                let dims = [self.len, c, h, w];
                let finished = file
                    .set_len(end)
                    .and_then(|()| file.seek(SeekFrom::Start(0)))
                    .and_then(|_| file.write_all(&header("|u1", &dims)))
                    .and_then(|()| sync_file(&file));
                finished.map_err(|source| failed(&path, source))?;
                let read = File::open(&path).and_then(|file| Pixels::of_file(&file, HEADER));
                read.map_err(|source| DataError::Read { path, source })
            }
        }
    }
}

/// The file of the images of a split, a NumPy array of bytes `[n, c, h, w]`.
pub(crate) fn images_in(folder: &Path, split: Split) -> PathBuf {
    folder.join(format!("{}_images.npy", split.name()))
}

/// The file of the labels of a split, a NumPy array `[n]`.
pub(crate) fn labels_in(folder: &Path, split: Split) -> PathBuf {
    folder.join(format!("{}_labels.npy", split.name()))
}

/// The file of the names of the classes, in order: a JSON list.
pub(crate) fn class_names_in(folder: &Path) -> PathBuf {
    folder.join("class_names.json")
}

/// Bytes before the pixels: enough for the header of any array of images, and a multiple of 64 as the format asks for.
const HEADER: usize = 128;

/// What a `.npy` file of an array begins with (NumPy's format, version 1.0).
///
/// - `element`: the type as NumPy writes it, `|u1` for bytes
fn header(element: &str, dims: &[usize]) -> Vec<u8> {
    let dims: String = dims.iter().map(|dim| format!("{dim}, ")).collect();
    let fields = format!("{{'descr': '{element}', 'fortran_order': False, 'shape': ({dims}), }}");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(((HEADER - bytes.len() - 2) as u16).to_le_bytes());
    bytes.extend(fields.bytes());
    bytes.resize(HEADER - 1, b' ');
    bytes.push(b'\n');
    bytes
}

/// Writes the labels of a split.
///
/// # Errors
/// Where the file cannot be written.
pub(crate) fn write_labels(folder: &Path, split: Split, labels: &[u32]) -> Result<(), DataError> {
    let mut bytes = header("<u4", &[labels.len()]);
    bytes.extend(labels.iter().flat_map(|label| label.to_le_bytes()));
    write(&labels_in(folder, split), &bytes)
}

/// Writes the names of the classes.
///
/// # Errors
/// Where the file cannot be written.
pub(crate) fn write_class_names(folder: &Path, names: &[String]) -> Result<(), DataError> {
    let names = serde_json::Value::from(names).to_string();
    write(&class_names_in(folder), names.as_bytes())
}

/// Writes a file that is on the disk when this returns.
fn write(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let written = File::create_new(path).and_then(|mut file| {
        file.write_all(bytes)?;
        sync_file(&file)
    });
    written.map_err(|source| failed(path, source))
}

fn copy_within(file: &mut File, from: usize, to: usize, num: usize) -> io::Result<()> {
    let mut bytes = vec![0; num];
    file.seek(SeekFrom::Start(from as u64))?;
    file.read_exact(&mut bytes)?;
    file.seek(SeekFrom::Start(to as u64))?;
    file.write_all(&bytes)
}

fn failed(path: &Path, source: io::Error) -> DataError {
    DataError::Write {
        path: path.into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images 0 to 4 of two bytes, of which 2 is missing at first, without 0 and 3.
    fn grown(keep: Keep<'_>) -> Pixels {
        let mut pixels = Growing::new(keep, Split::Test, ImageShape::new(1, 1, 2)).unwrap();
        pixels.put(1, &[1, 1]).unwrap();
        pixels.put(3, &[3, 3, 4, 4]).unwrap();
        pixels.put(2, &[2, 2]).unwrap();
        pixels.push(&[5, 5]).unwrap();
        pixels.retain(|index| index % 3 != 0).unwrap();
        pixels.finish().unwrap()
    }

    #[test]
    fn images_come_in_any_order_and_some_are_taken_out_again() {
        let dir = tempfile::tempdir().unwrap();
        let kept = grown(Keep::InFolder(dir.path()));
        assert!(kept.are_in_a_file());
        assert_eq!(kept, [1, 1, 2, 2, 4, 4, 5, 5]);
        assert_eq!(grown(Keep::InMemory), kept);
    }

    #[test]
    fn files_of_images_and_labels_are_arrays_of_numpy() {
        let dir = tempfile::tempdir().unwrap();
        grown(Keep::InFolder(dir.path()));
        write_labels(dir.path(), Split::Test, &[7, 1, 70_000]).unwrap();
        let read = |path: PathBuf| npyz::NpyFile::new(File::open(path).unwrap()).unwrap();
        let images = read(images_in(dir.path(), Split::Test));
        assert_eq!(images.shape(), [4, 1, 1, 2]);
        assert_eq!(images.into_vec::<u8>().unwrap(), [1, 1, 2, 2, 4, 4, 5, 5]);
        let labels = read(labels_in(dir.path(), Split::Test));
        assert_eq!(labels.into_vec::<u32>().unwrap(), [7, 1, 70_000]);
    }

    #[test]
    fn names_of_classes_matter_where_they_are_written() {
        let check = |keep: Keep<'_>, name: &str| keep.check_class_names(&[name.to_owned()]);
        let folder = Keep::InFolder(Path::new("packed"));
        assert!(check(folder, "a").is_ok());
        assert!(check(Keep::InMemory, "a\nb").is_ok());
        assert_eq!(
            check(folder, "a\nb").unwrap_err().to_string(),
            "the list of the classes has the name `a\\nb`, which is not one line, and could not be read again: rename or \
             merge classes first"
        );
    }

    #[test]
    fn the_longest_header_has_room() {
        assert_eq!(
            header("|u1", &[usize::MAX, 3, 65_535, 65_535]).len(),
            HEADER
        );
    }

    #[test]
    fn no_file_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        grown(Keep::InFolder(dir.path()));
        let shape = ImageShape::new(1, 1, 2);
        let again = Growing::new(Keep::InFolder(dir.path()), Split::Test, shape);
        assert!(matches!(again, Err(DataError::Write { .. })));
    }
}
