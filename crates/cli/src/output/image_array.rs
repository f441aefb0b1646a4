//! Write images as one NumPy array, part by part.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::new_file::NewFile;
use super::npy::{npy_bytes, npy_header};
use super::npz::Npz;
use super::sheet::count_of;
use super::{WriteError, has_extension, named, nchw_to_nhwc, save_npy_u32};

/// The names of the arrays that `numpy.savez` gives to its first two, as guided-diffusion's evaluator expects
/// images and classes.
const IMAGES: &str = "arr_0.npy";
const CLASSES: &str = "arr_1.npy";

/// An array of images, u8 `[num, height, width, channels]`, that is being written: a `.npy` file, or the first
/// array of a `.npz` file. An earlier file of that name stays until the new one is complete.
#[derive(Debug)]
pub(crate) struct ImageArray {
    path: PathBuf,
    shape: [usize; 3],
    missing: usize,
    container: Container,
}

#[derive(Debug)]
enum Container {
    Npy(NewFile),
    Npz(Npz<NewFile>),
}

impl ImageArray {
    /// An array of `num` images of `[channels, height, width]`; a `.npz` file where `path` has that extension.
    ///
    /// # Errors
    /// [`WriteError`] if the file cannot be written, here and below.
    pub(crate) fn create(path: &Path, num: usize, shape: [usize; 3]) -> Result<Self, WriteError> {
        Ok(Self {
            path: path.to_owned(),
            shape,
            missing: num,
            container: named(path, Container::create(path, num, shape))?,
        })
    }

    /// Where the file is until it is complete.
    pub(crate) fn unfinished(&self) -> &Path {
        match &self.container {
            Container::Npy(file) => file.unfinished(),
            Container::Npz(archive) => archive.file().unfinished(),
        }
    }

    /// Write the next images.
    ///
    /// # Shapes
    /// `images` is `[n, channels, height, width]`.
    ///
    /// # Panics
    /// If there are more than the array has.
    pub(crate) fn append(&mut self, images: &[u8]) -> Result<(), WriteError> {
        let got = count_of(images, self.shape);
        let missing = self.missing;
        assert!(got <= missing, "expected {missing} images, got {got}");
        self.missing -= got;
        let moved = nchw_to_nhwc(images, self.shape);
        named(&self.path, self.container.write_all(&moved))
    }

    /// Complete the file, with the class of each image where there are classes: int64 in a `.npz` file, u32 in a
    /// `.labels.npy` file beside a `.npy` file. Returns the files.
    ///
    /// # Panics
    /// If images are missing.
    pub(crate) fn finish(self, classes: Option<&[u32]>) -> Result<Vec<PathBuf>, WriteError> {
        let missing = self.missing;
        assert_eq!(missing, 0, "expected {missing} more images");
        let mut files = vec![self.path];
        match (self.container, classes) {
            (Container::Npz(archive), classes) => {
                named(&files[0], finish_npz(archive, classes))?;
            }
            (Container::Npy(file), None) => named(&files[0], file.finish())?,
            (Container::Npy(file), Some(classes)) => {
                named(&files[0], file.finish())?;
                let beside = files[0].with_extension("labels.npy");
                save_npy_u32(&beside, &[classes.len()], classes)?;
                files.push(beside);
            }
        }
        Ok(files)
    }
}

impl Container {
    fn create(path: &Path, num: usize, [channels, height, width]: [usize; 3]) -> io::Result<Self> {
        let header = npy_header::<u8>(&[num, height, width, channels])?;
        let file = NewFile::create(path)?;
        let mut container = if has_extension(path, "npz") {
            let mut archive = Npz::new(file);
            archive.begin(IMAGES)?;
            Self::Npz(archive)
        } else {
            Self::Npy(file)
        };
        container.write_all(&header)?;
        Ok(container)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Npy(file) => file.write_all(bytes),
            Self::Npz(archive) => archive.write_all(bytes),
        }
    }
}

fn finish_npz(mut archive: Npz<NewFile>, classes: Option<&[u32]>) -> io::Result<()> {
    if let Some(classes) = classes {
        let classes: Vec<i64> = classes.iter().map(|&class| class.into()).collect();
        archive.begin(CLASSES)?;
        archive.write_all(&npy_bytes(&[classes.len()], &classes)?)?;
    }
    archive.finish()?.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::output::save_npy_u8;

    /// Two images of two channels and 1×2 pixels, and as an array.
    const PIXELS: [u8; 8] = [1, 2, 10, 20, 3, 4, 30, 40];
    const ARRAY: [u8; 8] = [1, 10, 2, 20, 3, 30, 4, 40];

    #[test]
    fn an_array_in_parts_is_the_array_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let [parts, once] = ["parts.npy", "once.npy"].map(|name| dir.path().join(name));
        let mut array = ImageArray::create(&parts, 2, [2, 1, 2]).unwrap();
        for image in PIXELS.chunks(4) {
            array.append(image).unwrap();
        }
        assert_eq!(array.finish(None).unwrap(), std::slice::from_ref(&parts));
        save_npy_u8(&once, &[2, 1, 2, 2], &ARRAY).unwrap();
        assert_eq!(fs::read(parts).unwrap(), fs::read(once).unwrap());
    }

    #[test]
    fn an_archive_holds_the_file_that_an_array_is() {
        let dir = tempfile::tempdir().unwrap();
        let [npz, npy] = ["s.npz", "s.npy"].map(|name| dir.path().join(name));
        for path in [&npz, &npy] {
            let mut array = ImageArray::create(path, 2, [2, 1, 2]).unwrap();
            array.append(&PIXELS).unwrap();
            array.finish(None).unwrap();
        }
        let (npz, npy) = (fs::read(npz).unwrap(), fs::read(npy).unwrap());
        let header = 30 + "arr_0.npy".len() + 20;
        assert_eq!(npz[header..header + npy.len()], npy);
    }

    #[test]
    fn an_array_that_is_not_finished_leaves_the_earlier_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.npz");
        fs::write(&path, "earlier").unwrap();
        let mut array = ImageArray::create(&path, 2, [2, 1, 2]).unwrap();
        array.append(&PIXELS[..4]).unwrap();
        drop(array);
        assert_eq!(fs::read(&path).unwrap(), b"earlier");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    #[should_panic = "expected 1 images, got 2"]
    fn refuses_more_images_than_the_array_has() {
        let dir = tempfile::tempdir().unwrap();
        let mut array = ImageArray::create(&dir.path().join("s.npy"), 1, [2, 1, 2]).unwrap();
        let _ = array.append(&PIXELS);
    }

    #[test]
    #[should_panic = "expected 1 more images"]
    fn refuses_to_finish_while_images_are_missing() {
        let dir = tempfile::tempdir().unwrap();
        let mut array = ImageArray::create(&dir.path().join("s.npy"), 2, [2, 1, 2]).unwrap();
        array.append(&PIXELS[..4]).unwrap();
        let _ = array.finish(None);
    }

    #[test]
    fn an_array_that_cannot_be_written_is_named() {
        let path = Path::new("nowhere/samples.npz");
        let message = ImageArray::create(path, 1, [1, 1, 1])
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("nowhere/samples.npz: No such file"),
            "{message}"
        );
        assert!(!message.contains(".ebm-"), "{message}");
    }
}
