//! Read the pictures in archives, and other files in them.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use image::ImageError;

use super::members::{Members, Place, read_up_to};
use super::{Member, damaged, open};
use crate::error::DataError;
use crate::picture::refuse_long;

/// The bytes of a picture, or why it is not read.
type Bytes = Result<Vec<u8>, ImageError>;

/// Members to read by their positions in an archive, and the place of each in the list of pictures.
type Wanted = BTreeMap<usize, usize>;

impl Members {
    /// Gives `take` the bytes of each picture, with the picture's place in the list, in the order of the archives.
    ///
    /// # Errors
    /// Where an archive can no longer be read, or `take` fails.
    pub fn read_pictures(
        &self,
        pictures: &[(PathBuf, u32)],
        take: &mut dyn FnMut(usize, Bytes) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        for (archive, wanted) in self.wanted(pictures.iter().map(|(path, _)| path.as_path())) {
            self.read_members::<Bytes>(archive, &wanted, &bytes_of, take)?;
        }
        Ok(())
    }

    /// The content of a file, up to a byte more than `most`; `None` where there is no such file.
    ///
    /// # Errors
    /// Where its archive can no longer be read.
    pub fn read_file(&self, file: &Path, most: u64) -> Result<Option<Vec<u8>>, DataError> {
        if !self.has_content(file) {
            return Ok(None);
        }
        let read = |_: &Member, content: &mut dyn Read| -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            read_up_to(most + 1, content, &mut bytes)?;
            Ok(bytes)
        };
        let mut found = None;
        for (archive, wanted) in self.wanted([file].into_iter()) {
            self.read_members::<Vec<u8>>(archive, &wanted, &read, &mut |_, bytes| {
                found = Some(bytes);
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// What to read of which archives, by their numbers.
    fn wanted<'a>(&self, pictures: impl Iterator<Item = &'a Path>) -> BTreeMap<usize, Wanted> {
        let mut wanted = BTreeMap::<usize, Wanted>::new();
        for (index, path) in pictures.enumerate() {
            if let Some(Place { archive, position }) = self.place(path) {
                wanted.entry(archive).or_default().insert(position, index);
            }
        }
        wanted
    }

    /// Gives `take` what `read` makes of some members of an archive, with their places in the list of those.
    fn read_members<T>(
        &self,
        archive: usize,
        wanted: &Wanted,
        read: &dyn Fn(&Member, &mut dyn Read) -> io::Result<T>,
        take: &mut dyn FnMut(usize, T) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let path = &self.archives[archive];
        let (mut position, mut num_read) = (0, 0);
        open(path)?.visit(&mut |member, content| {
            if let Some(&index) = wanted.get(&position) {
                let made = read(member, content);
                take(index, made.map_err(|source| damaged(path, source))?)?;
                num_read += 1;
            }
            position += 1;
            Ok(if num_read == wanted.len() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        if num_read < wanted.len() {
            return Err(DataError::Read {
                path: path.clone(),
                source: io::Error::other("it changes while it is read"),
            });
        }
        Ok(())
    }
}

/// The content of a member, if it is not too large.
fn bytes_of(member: &Member, content: &mut dyn Read) -> io::Result<Bytes> {
    let size = member.size;
    if let Err(too_long) = refuse_long(size) {
        return Ok(Err(too_long));
    }
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes)?;
    if bytes.len() as u64 == size {
        Ok(Ok(bytes))
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
