//! Read and decode pictures, wherever they lie.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use image::ImageError;

use super::archive::Members;
use super::decoding::{Batches, Content, Decoder, Take};
use super::tables::Tables;
use crate::error::DataError;
use crate::picture::Encoded;

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

    /// Width and height of a picture, or `None` if it is none.
    ///
    /// # Errors
    /// Where an archive or a parquet file cannot be read.
    pub fn dimensions(&self, path: &Path) -> Result<Option<(u32, u32)>, DataError> {
        let bytes = match self {
            Self::Disk => fs::read(path).map_err(ImageError::from),
            Self::Archives(members) => members.read_one(path)?,
            Self::Tables(tables) => tables.read_one(path)?,
        };
        let dimensions = bytes.and_then(|bytes| Encoded::new(&bytes, path).dimensions());
        Ok(dimensions.ok())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use image::{ImageFormat, RgbImage};

    use super::super::archive::tests::packed;
    use super::super::find::find;
    use super::super::progress::{Decoded, Progress};
    use super::*;

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
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        for path in [folder, tar, fixtures.join("pyarrow.parquet")] {
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
