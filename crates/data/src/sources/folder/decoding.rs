//! Decode pictures many at a time, in bounded memory, wherever they are read from.

use std::mem;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use image::ImageError;
use rayon::prelude::*;

use super::progress::Progress;
use crate::error::DataError;
use crate::picture::{Encoded, read_picture};

/// The most bytes of encoded pictures that are held at a time, but for the last one of them. Tests see many batches.
const MOST_ENCODED: usize = if cfg!(test) { 1 << 10 } else { 64 << 20 };
/// The most bytes of decoded pictures that are held at a time, where one of them has no more.
const MOST_DECODED: usize = if cfg!(test) { 1 << 7 } else { 64 << 20 };

/// Makes something of a picture, given its place in the list of all.
type Decode<'a, T> = dyn Fn(usize, Encoded<'_>) -> Result<T, ImageError> + Sync + 'a;
/// Takes what was made of a picture, with its place in the list.
pub(super) type Take<'a, T> = dyn FnMut(usize, Result<T, ImageError>) -> Result<(), DataError> + 'a;

/// What becomes of pictures.
pub(super) struct Decoder<'a, T> {
    pub progress: &'a Progress<'a>,
    pub decode: &'a Decode<'a, T>,
    /// Bytes of what one becomes.
    pub num_bytes: usize,
}

/// The content of a picture.
pub(super) enum Content {
    Read(Bytes),
    /// In a file of its own, which is read as it is decoded.
    OnDisk,
}

impl Content {
    /// How many bytes of it are held.
    fn num_bytes(&self) -> usize {
        match self {
            Self::Read(bytes) => bytes.len(),
            Self::OnDisk => 0,
        }
    }

    fn read(self, path: &Path) -> Result<Bytes, ImageError> {
        match self {
            Self::Read(bytes) => Ok(bytes),
            Self::OnDisk => Ok(read_picture(path)?.into()),
        }
    }
}

/// Pictures that wait to be decoded together.
pub(super) struct Batches<'a, T> {
    pictures: &'a [(PathBuf, u32)],
    decoder: &'a Decoder<'a, T>,
    take: &'a mut Take<'a, T>,
    waiting: Vec<(usize, Result<Content, ImageError>)>,
    /// Bytes of these that are held.
    num_bytes: usize,
}

impl<'a, T: Send> Batches<'a, T> {
    /// None of the list of pictures yet.
    pub fn new(
        pictures: &'a [(PathBuf, u32)],
        decoder: &'a Decoder<'a, T>,
        take: &'a mut Take<'a, T>,
    ) -> Self {
        Self {
            pictures,
            decoder,
            take,
            waiting: Vec::new(),
            num_bytes: 0,
        }
    }

    /// Adds the picture of this place in the list, or why it cannot be read, and decodes those that wait where memory
    /// has room for no more.
    ///
    /// # Errors
    /// Where `take` fails.
    pub fn push(
        &mut self,
        index: usize,
        content: Result<Content, ImageError>,
    ) -> Result<(), DataError> {
        self.num_bytes += content.as_ref().map_or(0, Content::num_bytes);
        self.waiting.push((index, content));
        let most = MOST_DECODED / self.decoder.num_bytes.max(1);
        if self.num_bytes >= MOST_ENCODED || self.waiting.len() >= most {
            self.decode()?;
        }
        Ok(())
    }

    /// Decodes those that still wait.
    ///
    /// # Errors
    /// Where `take` fails.
    pub fn finish(mut self) -> Result<(), DataError> {
        self.decode()
    }

    fn decode(&mut self) -> Result<(), DataError> {
        let (pictures, decoder) = (self.pictures, self.decoder);
        self.num_bytes = 0;
        let waiting = mem::take(&mut self.waiting);
        let decoded = waiting.into_par_iter().map(|(index, content)| {
            let path = &pictures[index].0;
            let bytes = content.and_then(|content| content.read(path));
            let decoded =
                bytes.and_then(|bytes| (decoder.decode)(index, Encoded::new(&bytes, path)));
            decoder.progress.advance();
            (index, decoded)
        });
        let decoded: Vec<(usize, Result<T, ImageError>)> = decoded.collect();
        decoded
            .into_iter()
            .try_for_each(|(index, picture)| (self.take)(index, picture))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::progress::Decoded;
    use super::*;

    /// The most pictures that were decoded and not taken at a time, of `num` of `num_encoded` bytes that each become
    /// `num_bytes` of them, and the places in which they were taken.
    fn most_held(num: usize, num_encoded: usize, num_bytes: usize) -> (usize, Vec<usize>) {
        let held = AtomicUsize::new(0);
        let decode = |index: usize, _: Encoded<'_>| {
            held.fetch_add(1, Ordering::Relaxed);
            Ok(index)
        };
        let report = |_: Decoded| {};
        let decoder = Decoder {
            progress: &Progress::new(num, &report),
            decode: &decode,
            num_bytes,
        };
        let pictures = vec![(PathBuf::from("a.png"), 0); num];
        let (mut most, mut taken) = (0, Vec::new());
        let mut take = |index: usize, _: Result<usize, ImageError>| {
            most = most.max(held.fetch_sub(1, Ordering::Relaxed));
            taken.push(index);
            Ok(())
        };
        let mut batches = Batches::new(&pictures, &decoder, &mut take);
        for index in 0..num {
            let content = Content::Read(vec![0; num_encoded].into());
            batches.push(index, Ok(content)).unwrap();
        }
        batches.finish().unwrap();
        (most, taken)
    }

    #[test]
    fn what_is_held_of_pictures_is_bounded_encoded_and_decoded_and_is_one_at_least() {
        for (num_encoded, num_bytes, expected) in [
            (0, MOST_DECODED / 4, 4),
            (1, MOST_DECODED / 4 + 1, 3),
            (MOST_ENCODED / 3, 1, 4),
            (MOST_ENCODED, 1, 1),
            (3 * MOST_ENCODED, 3 * MOST_DECODED, 1),
            (0, 0, 10),
        ] {
            let (most, taken) = most_held(10, num_encoded, num_bytes);
            assert_eq!(most, expected, "{num_encoded}, {num_bytes}");
            assert_eq!(taken, Vec::from_iter(0..10));
        }
    }

    #[test]
    fn nothing_is_taken_after_what_could_not_be() {
        let decode = |index: usize, _: Encoded<'_>| Ok(index);
        let report = |_: Decoded| {};
        let decoder = Decoder {
            progress: &Progress::new(4, &report),
            decode: &decode,
            num_bytes: MOST_DECODED / 2,
        };
        let pictures = vec![(PathBuf::from("a.png"), 0); 4];
        let mut taken = Vec::new();
        let mut take = |index: usize, _: Result<usize, ImageError>| {
            taken.push(index);
            Err(DataError::AllLeftOut)
        };
        let mut batches = Batches::new(&pictures, &decoder, &mut take);
        let read = || Ok(Content::Read(Bytes::new()));
        assert!(batches.push(0, read()).is_ok());
        assert!(batches.push(1, read()).is_err());
        drop(batches);
        assert_eq!(taken, [0]);
    }
}
