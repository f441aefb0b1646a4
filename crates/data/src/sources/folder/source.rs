//! Read and decode pictures, wherever they lie.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use image::{ImageError, ImageReader};

use super::archive::Members;
use super::decoding::{Batches, Content, Decoder, Take};
use super::tables::Tables;
use crate::error::DataError;
use crate::picture::Encoded;

/// Width and height.
type Dimensions = (u32, u32);

/// Where pictures lie.
#[derive(Debug)]
pub(super) enum Source {
    Disk,
    Archives(Members),
    Tables(Tables),
}

impl Source {
    /// Gives `take` what `decoder` makes of each picture, both with the picture's place in the list, in no order.
    ///
    /// # Errors
    /// Where an archive or a parquet file cannot be read, or `take` fails; a picture that cannot be read is one that
    /// cannot be decoded.
    pub fn decode<T: Send>(
        &self,
        pictures: &[(PathBuf, u32)],
        decoder: &Decoder<'_, T>,
        take: &mut Take<'_, T>,
    ) -> Result<(), DataError> {
        let mut batches = Batches::new(pictures, decoder, take);
        match self {
            Self::Disk => (0..pictures.len())
                .try_for_each(|index| batches.push(index, Ok(Content::OnDisk)))?,
            Self::Archives(members) => members.read_pictures(pictures, &mut |index, bytes| {
                batches.push(index, bytes.map(|bytes| Content::Read(bytes.into())))
            })?,
            Self::Tables(tables) => tables.read_pictures(pictures, &mut |index, bytes| {
                batches.push(
                    index,
                    bytes.map(|bytes| Content::Read(Bytes::from_owner(bytes))),
                )
            })?,
        }
        batches.finish()
    }

    /// The place of the first picture in a list whose header can be read, with its width and height; `None` where there
    /// is none. Of many bad ones before it, twice as many are read each time: an archive is read from its start each
    /// time.
    ///
    /// # Errors
    /// Where an archive or a parquet file cannot be read.
    pub fn first_dimensions(
        &self,
        pictures: &[(PathBuf, u32)],
    ) -> Result<Option<(usize, Dimensions)>, DataError> {
        let (mut start, mut num) = (0, 1);
        while start < pictures.len() {
            let end = pictures.len().min(start + num);
            let first = self.first_dimensions_of(&pictures[start..end])?;
            if let Some((index, dimensions)) = first {
                return Ok(Some((start + index, dimensions)));
            }
            (start, num) = (end, 2 * num);
        }
        Ok(None)
    }

    /// As [`first_dimensions`](Self::first_dimensions), in one pass.
    fn first_dimensions_of(
        &self,
        pictures: &[(PathBuf, u32)],
    ) -> Result<Option<(usize, Dimensions)>, DataError> {
        let mut first: Option<(usize, Dimensions)> = None;
        let mut take = |index: usize, dimensions: Result<Dimensions, ImageError>| {
            if let Ok(dimensions) = dimensions
                && first.is_none_or(|(other, _)| index < other)
            {
                first = Some((index, dimensions));
            }
        };
        let of = |index: usize, bytes: &[u8]| {
            let (path, _) = &pictures[index];
            Encoded::new(bytes, path).dimensions()
        };
        match self {
            Self::Disk => {
                for (index, (path, _)) in pictures.iter().enumerate() {
                    take(index, dimensions_on_disk(path));
                }
            }
            Self::Archives(members) => members.read_pictures(pictures, &mut |index, bytes| {
                take(index, bytes.and_then(|bytes| of(index, &bytes)));
                Ok(())
            })?,
            Self::Tables(tables) => tables.read_pictures(pictures, &mut |index, bytes| {
                take(index, bytes.and_then(|bytes| of(index, bytes.data())));
                Ok(())
            })?,
        }
        Ok(first)
    }
}

/// Width and height of the picture in a file.
fn dimensions_on_disk(path: &Path) -> Result<Dimensions, ImageError> {
    let reader = ImageReader::open(path)?.with_guessed_format()?;
    reader.into_dimensions()
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::io::Cursor;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use image::{ImageFormat, RgbImage};

    use super::super::archive::tests::packed;
    use super::super::find::find;
    use super::super::progress::{Decoded, Progress};
    use super::*;

    /// A file of pictures that pyarrow wrote.
    fn parquet() -> PathBuf {
        let package = env::var_os("CARGO_MANIFEST_DIR").expect("set by Cargo");
        Path::new(&package).join("tests/fixtures/pyarrow.parquet")
    }

    #[test]
    fn the_first_picture_is_that_of_the_list_wherever_it_lies() {
        let png = |side| {
            let mut png = Cursor::new(Vec::new());
            RgbImage::new(side, side)
                .write_to(&mut png, ImageFormat::Png)
                .unwrap();
            png.into_inner()
        };
        let [small, large] = [png(2), png(3)];
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("photos");
        fs::create_dir(&folder).unwrap();
        let tar = dir.path().join("photos.tar");
        for num_bad in 0..10 {
            let bad: Vec<String> = (0..num_bad).map(|index| format!("{index}.png")).collect();
            let bad = bad.iter().map(|name| (name.as_str(), &b"bad"[..]));
            // The order in the archive is another.
            let pictures = [("z.png", large.as_slice()), ("a.png", &small)];
            let files: Vec<(&str, &[u8])> = pictures.into_iter().chain(bad).collect();
            fs::write(&tar, packed(&files)).unwrap();
            for (name, content) in &files {
                fs::write(folder.join(name), content).unwrap();
            }
            for path in [&folder, &tar] {
                let found = find(path).unwrap();
                let pictures = found.splits.train.pictures;
                let first = found.source.first_dimensions(&pictures).unwrap();
                assert_eq!(first, Some((num_bad, (2, 2))), "{}", path.display());
                let first = found.source.first_dimensions(&pictures[..num_bad]);
                assert_eq!(first.unwrap(), None);
            }
        }
        let found = find(&parquet()).unwrap();
        let pictures = found.splits.train.pictures;
        let first = found.source.first_dimensions(&pictures).unwrap();
        assert_eq!(first.map(|(index, _)| index), Some(0));
    }

    #[test]
    fn decoded_pictures_are_held_two_at_a_time_from_wherever_they_are_read() {
        let mut png = Cursor::new(Vec::new());
        RgbImage::new(4, 4)
            .write_to(&mut png, ImageFormat::Png)
            .unwrap();
        let png = png.into_inner();
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("photos");
        fs::create_dir(&folder).unwrap();
        let names = ["1.png", "2.png", "3.png", "4.png", "5.png", "6.png"];
        for name in names {
            fs::write(folder.join(name), &png).unwrap();
        }
        let tar = dir.path().join("photos.tar");
        fs::write(&tar, packed(&names.map(|name| (name, png.as_slice())))).unwrap();
        for path in [folder, tar, parquet()] {
            let found = find(&path).unwrap();
            let (pictures, held) = (found.splits.train.pictures, AtomicUsize::new(0));
            let decode = |_: usize, picture: Encoded<'_>| {
                held.fetch_add(1, Ordering::Relaxed);
                picture.dimensions()
            };
            let report = |_: Decoded| {};
            let decoder = Decoder {
                progress: &Progress::new(pictures.len(), &report),
                decode: &decode,
                num_bytes: 50,
            };
            let (mut num, mut most) = (0, 0);
            let mut take = |_: usize, picture: Result<(u32, u32), ImageError>| {
                assert!(picture.is_ok(), "{picture:?}");
                num += 1;
                most = most.max(held.fetch_sub(1, Ordering::Relaxed));
                Ok(())
            };
            found.source.decode(&pictures, &decoder, &mut take).unwrap();
            assert_eq!((num, most), (6, 2), "{}", path.display());
        }
    }
}
