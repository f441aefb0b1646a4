//! Decode one picture and bring it to the shape of the data set.

use std::fs;
use std::io::{self, Cursor, Read};
use std::path::Path;

use ebm_core::ImageShape;
use ebm_core::pixels::luma_of_bytes;
use image::error::DecodingError;
use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Rgb, RgbImage, imageops,
};
use rand::{Rng, RngExt};

use crate::error::DataError;
use crate::resize::resize;

/// A picture's centre square, resized to `shape`, as `[channels, height, width]`.
///
/// # Errors
/// Where the file is missing or no picture.
pub fn decode_picture(path: &Path, shape: ImageShape) -> Result<Vec<u8>, DataError> {
    let decoded =
        read_picture(path).and_then(|bytes| Ok(Encoded::new(&bytes, path).decode(shape)?.pixels));
    decoded.map_err(|cause| DataError::NotAPicture {
        path: path.into(),
        cause,
    })
}

/// The same of a picture in memory, whose content tells its format.
///
/// # Errors
/// Where the bytes are no picture, or one of more pixels than are read.
pub fn decode_picture_bytes(bytes: &[u8], shape: ImageShape) -> Result<Vec<u8>, ImageError> {
    Ok(Encoded::new(bytes, Path::new("")).decode(shape)?.pixels)
}

/// The picture in the file, turned as its EXIF orientation says, and its colour profile.
pub(crate) fn read_with_profile(
    path: &Path,
) -> Result<(DynamicImage, Option<Vec<u8>>), ImageError> {
    Encoded::new(&read_picture(path)?, path).read_with_profile()
}

/// The most bytes of a picture, in a file or in an archive.
pub(crate) const MOST_BYTES: u64 = 1 << 30;

/// The bytes of the picture in a file.
pub(crate) fn read_picture(path: &Path) -> Result<Vec<u8>, ImageError> {
    let file = fs::File::open(path)?;
    let size = file.metadata()?.len();
    refuse_long(size)?;
    let mut bytes = Vec::with_capacity(size as usize);
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    // It may grow.
    refuse_long(bytes.len() as u64)?;
    Ok(bytes)
}

/// Refuses a picture of too many bytes.
pub(crate) fn refuse_long(size: u64) -> Result<(), ImageError> {
    if size > MOST_BYTES {
        let problem = format!("it has {size} bytes: more than {MOST_BYTES} are not read");
        return Err(unfit(problem));
    }
    Ok(())
}

/// The most pixels that a picture may have: a gigabyte of floats a channel.
const MOST_PIXELS: u64 = 1 << 28;

/// What is taken of a picture.
pub(crate) struct Squares {
    /// One `[c, h, w]` after another.
    pub pixels: Vec<u8>,
    /// Width and height of the whole picture.
    pub size: (u32, u32),
}

/// A picture as it lies in a file or in an archive.
#[derive(Clone, Copy)]
pub(crate) struct Encoded<'a> {
    bytes: &'a [u8],
    /// Tells the format where the bytes do not.
    name: &'a Path,
}

impl<'a> Encoded<'a> {
    /// The content of a file of this name.
    pub fn new(bytes: &'a [u8], name: &'a Path) -> Self {
        Self { bytes, name }
    }

    /// Width and height, from the header alone.
    pub fn dimensions(self) -> Result<(u32, u32), ImageError> {
        self.reader()?.into_dimensions()
    }

    /// The picture's centre square at `shape`, a square, as `[c, h, w]`: turned as its EXIF
    /// orientation says, transparency composited over black, resized, then for one channel made grey.
    /// Of an animation, the first frame.
    pub fn decode(self, shape: ImageShape) -> Result<Squares, ImageError> {
        let (picture, _) = self.read_with_profile()?;
        let size = (picture.width(), picture.height());
        let picture = over_black(centre_square(picture));
        let picture = resize(&picture, shape.width, shape.height);
        let pixels = planes_of(&picture, shape.channels);
        Ok(Squares { pixels, size })
    }

    /// Squares of `shape` at random places of the picture, drawn from `rng`, one `[c, h, w]` after another; else
    /// as [`decode`](Self::decode).
    pub fn cut(
        self,
        shape: ImageShape,
        num: usize,
        rng: &mut impl Rng,
    ) -> Result<Squares, ImageError> {
        let (picture, _) = self.read_with_profile()?;
        let picture = over_black(picture);
        let (width, height) = picture.dimensions();
        let side = shape.width as u32;
        if width.min(height) < side {
            let problem = format!("it is {width} by {height}, too small for squares of {side}");
            return Err(unfit(problem));
        }
        let mut pixels = Vec::with_capacity(num * shape.pixels());
        for _ in 0..num {
            let [left, top] = [width, height].map(|length| rng.random_range(0..=length - side));
            let square = imageops::crop_imm(&picture, left, top, side, side).to_image();
            pixels.extend(planes_of(&square, shape.channels));
        }
        let size = (width, height);
        Ok(Squares { pixels, size })
    }

    /// The picture, turned as its EXIF orientation says, and its colour profile.
    fn read_with_profile(self) -> Result<(DynamicImage, Option<Vec<u8>>), ImageError> {
        let reader = self.reader()?;
        // Of other content under this name its decoder says so.
        let is_jpeg = self.bytes.starts_with(&[0xff, 0xd8]);
        if is_jpeg && is_cut_jpeg(self.bytes) {
            // Its decoder makes the rest up.
            let problem = "it has no end-of-image marker: the file is cut short";
            return Err(ImageError::Decoding(DecodingError::new(
                ImageFormat::Jpeg.into(),
                problem,
            )));
        }
        let mut decoder = reader.into_decoder()?;
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > MOST_PIXELS {
            return Err(unfit(format!(
                "it is {width} by {height}: pictures of more than {MOST_PIXELS} pixels are not read"
            )));
        }
        let orientation = decoder.orientation()?;
        let profile = decoder.icc_profile()?;
        let mut picture = DynamicImage::from_decoder(decoder)?;
        picture.apply_orientation(orientation);
        Ok((picture, profile))
    }

    /// A reader of the format that the content tells, as extensions lie; of TGA it does not tell.
    fn reader(self) -> io::Result<ImageReader<Cursor<&'a [u8]>>> {
        let mut reader = ImageReader::new(Cursor::new(self.bytes));
        if let Ok(named) = ImageFormat::from_path(self.name) {
            reader.set_format(named);
        }
        reader.with_guessed_format()
    }
}

/// A picture that cannot be used, for a reason of ours.
pub(crate) fn unfit(problem: String) -> ImageError {
    ImageError::IoError(io::Error::other(problem))
}

/// Whether the bytes of a JPEG file end before its end-of-image marker (ITU-T T.81, annex B.1).
fn is_cut_jpeg(bytes: &[u8]) -> bool {
    const END_OF_IMAGE: u8 = 0xd9;
    let mut at = 2; // after the start-of-image marker
    while let Some((marker, after)) = next_marker(bytes, at) {
        at = match marker {
            END_OF_IMAGE => return false,
            0x01 | 0xd0..=0xd7 => after, // of no segment
            _ => match bytes.get(after..after + 2) {
                Some(&[high, low]) => after + usize::from(u16::from_be_bytes([high, low])),
                _ => return true,
            },
        };
    }
    true
}

/// The first marker at or after a place, and the place after it.
fn next_marker(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let pairs = bytes.get(at..)?.windows(2);
    // 0xff is stuffed with 0x00 in coded data, and may fill the space before a marker.
    let found = pairs
        .enumerate()
        .find(|(_, pair)| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xff));
    found.map(|(offset, pair)| (pair[1], at + offset + 2))
}

/// The largest square around the centre.
fn centre_square(picture: DynamicImage) -> DynamicImage {
    let (width, height) = (picture.width(), picture.height());
    let side = width.min(height);
    if width == height {
        return picture;
    }
    picture.crop_imm((width - side) / 2, (height - side) / 2, side, side)
}

/// The picture in 8-bit RGB, without transparency.
fn over_black(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [red, green, blue, alpha] = picture.get_pixel(x, y).0;
        let fade = |value: u8| ((u16::from(value) * u16::from(alpha) + 127) / 255) as u8;
        Rgb([red, green, blue].map(fade))
    })
}

/// The picture as `[channels, height, width]`, with one channel in grey.
fn planes_of(picture: &RgbImage, channels: usize) -> Vec<u8> {
    if channels == 1 {
        let colours = picture.pixels().map(|pixel| pixel.0);
        colours.map(luma_of_bytes).collect()
    } else {
        planes(picture)
    }
}

/// Interleaved RGB as three planes.
fn planes(rgb: &[u8]) -> Vec<u8> {
    (0..3)
        .flat_map(|channel| rgb.iter().skip(channel).step_by(3).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use image::{GrayImage, Rgba, RgbaImage};
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;
    use crate::images::Images;

    fn shape(channels: usize, side: usize) -> ImageShape {
        ImageShape::new(channels, side, side)
    }

    fn decode(path: &Path, shape: ImageShape) -> Result<Vec<u8>, ImageError> {
        Ok(Encoded::new(&fs::read(path).unwrap(), path)
            .decode(shape)?
            .pixels)
    }

    fn cut(path: &Path, side: usize, num: usize) -> Result<Vec<u8>, ImageError> {
        let mut rng = SmallRng::seed_from_u64(0);
        let squares =
            Encoded::new(&fs::read(path).unwrap(), path).cut(shape(1, side), num, &mut rng);
        Ok(squares?.pixels)
    }

    #[test]
    fn colours_become_planes_in_rows_of_the_centre_square() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wide.png");
        // Four columns; the middle two are kept.
        RgbImage::from_fn(4, 2, |x, y| Rgb([x as u8, 10 + y as u8, 20]))
            .save(&path)
            .unwrap();
        assert_eq!(
            decode(&path, shape(3, 2)).unwrap(),
            [1, 2, 1, 2, 10, 10, 11, 11, 20, 20, 20, 20]
        );
        let bytes = fs::read(&path).unwrap();
        assert_eq!(Encoded::new(&bytes, &path).dimensions().unwrap(), (4, 2));
    }

    #[test]
    fn squares_are_cut_from_everywhere_in_a_picture_as_large_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wide.png");
        RgbImage::from_fn(5, 4, |x, y| Rgb([(10 * y + x) as u8; 3]))
            .save(&path)
            .unwrap();
        let squares = cut(&path, 3, 100).unwrap();
        assert_eq!(squares.len(), 900);
        let mut corners = BTreeSet::new();
        for square in squares.chunks(9) {
            let from_corner = square.iter().map(|pixel| pixel - square[0]);
            let expected = [0, 1, 2, 10, 11, 12, 20, 21, 22];
            assert_eq!(from_corner.collect::<Vec<_>>(), expected);
            corners.insert(square[0]);
        }
        // Each of six places is missed with probability (5/6)¹⁰⁰.
        assert_eq!(corners, BTreeSet::from([0, 1, 2, 10, 11, 12]));

        let error = cut(&path, 5, 1).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("it is 5 by 4, too small for squares of 5"),
            "{message}"
        );
    }

    #[test]
    fn transparency_is_composited_over_black_and_grey_is_luma() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("glass.png");
        RgbaImage::from_fn(2, 2, |x, _| Rgba([200, 200, 200, 255 * (1 - x as u8)]))
            .save(&path)
            .unwrap();
        assert_eq!(decode(&path, shape(1, 2)).unwrap(), [200, 0, 200, 0]);
    }

    #[test]
    fn a_plain_picture_stays_plain_when_resized() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tall.bmp");
        RgbImage::from_pixel(5, 9, Rgb([7, 80, 250]))
            .save(&path)
            .unwrap();
        let pixels = decode(&path, shape(3, 3)).unwrap();
        assert_eq!(pixels, [[7; 9], [80; 9], [250; 9]].concat());
    }

    #[test]
    fn the_content_decides_the_format_not_the_extension() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("really_a_png.jpg");
        RgbImage::from_pixel(2, 2, Rgb([9, 9, 9]))
            .save_with_format(&path, ImageFormat::Png)
            .unwrap();
        assert_eq!(decode(&path, shape(1, 2)).unwrap(), [9; 4]);
    }

    #[test]
    fn a_picture_in_memory_is_that_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wide.png");
        RgbImage::from_fn(9, 4, |x, y| Rgb([x as u8 * 20, y as u8, 3]))
            .save(&path)
            .unwrap();
        let bytes = fs::read(&path).unwrap();
        let shape = shape(3, 4);
        let decoded = decode_picture_bytes(&bytes, shape).unwrap();
        assert_eq!(decoded, decode_picture(&path, shape).unwrap());
        for bad in [&b""[..], b"no picture", &bytes[..20]] {
            assert!(decode_picture_bytes(bad, shape).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_or_the_whole_picture() {
        let dir = tempfile::tempdir().unwrap();
        let mut rng = SmallRng::seed_from_u64(3);
        let picture = RgbImage::from_fn(40, 40, |x, y| {
            Rgb([x as u8 * 6, y as u8 * 6, rng.random_range(0..40u8)])
        });
        for name in [
            "a.png", "a.jpg", "a.webp", "a.bmp", "a.gif", "a.tiff", "a.ppm", "a.tga",
        ] {
            let path = dir.path().join(name);
            picture.save(&path).unwrap();
            let bytes = fs::read(&path).unwrap();
            let whole = decode(&path, shape(3, 40)).unwrap();
            let mut refused = 0;
            for kept in (1..=bytes.len())
                .step_by(7)
                .chain(bytes.len() - 40..bytes.len())
            {
                fs::write(&path, &bytes[..kept]).unwrap();
                match decode(&path, shape(3, 40)) {
                    Ok(pixels) => assert_eq!(pixels, whole, "{name} cut to {kept} bytes"),
                    Err(_) => refused += 1,
                }
            }
            assert!(refused > bytes.len() / 8, "{name}");
        }
    }

    #[test]
    fn a_jpeg_with_something_before_and_after_its_data_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jpg");
        RgbImage::from_fn(16, 16, |x, y| Rgb([(x * y) as u8; 3]))
            .save(&path)
            .unwrap();
        let bytes = fs::read(&path).unwrap();
        // A comment that holds an end-of-image marker, as thumbnails do, and a trailer.
        let comment = [0xff, 0xfe, 0x00, 0x04, 0xff, 0xd9];
        let more = [&bytes[..2], &comment, &bytes[2..], b"trailer"].concat();
        assert!(!is_cut_jpeg(&more));
        assert!(is_cut_jpeg(&more[..more.len() - 9]));
        fs::write(&path, &more).unwrap();
        assert!(decode(&path, shape(3, 16)).is_ok());
    }

    #[test]
    fn names_the_size_of_a_picture_that_is_too_large_without_decoding_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ppm");
        fs::write(&path, "P6 30000 30000 255\n").unwrap();
        let message = decode(&path, shape(3, 16)).unwrap_err().to_string();
        let expected = "it is 30000 by 30000: pictures of more than 268435456 pixels are not read";
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn grey_is_the_luma_of_the_resized_colours() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("colours.png");
        let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [60, 110, 70]];
        RgbImage::from_fn(2, 2, |x, y| Rgb(colours[(2 * y + x) as usize]))
            .save(&path)
            .unwrap();
        assert_eq!(decode(&path, shape(1, 2)).unwrap(), [76, 150, 29, 90]);
        // One pixel is the mean: (255 + 60) / 4, (255 + 110) / 4 and (255 + 70) / 4, to the nearest
        // 79, 91 and 81; 0.299 · 79 + 0.587 · 91 + 0.114 · 81 = 86.3.
        assert_eq!(decode(&path, shape(3, 1)).unwrap(), [79, 91, 81]);
        assert_eq!(decode(&path, shape(1, 1)).unwrap(), [86]);
    }

    #[test]
    fn grey_pictures_keep_every_level() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("levels.png");
        let levels: Vec<u8> = (0..=255).collect();
        GrayImage::from_raw(16, 16, levels.clone())
            .unwrap()
            .save(&path)
            .unwrap();
        assert_eq!(decode(&path, shape(1, 16)).unwrap(), levels);
        assert_eq!(decode(&path, shape(3, 16)).unwrap(), levels.repeat(3));
    }

    #[test]
    fn a_picture_in_a_file_is_resized_as_images_in_memory_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("noise.png");
        let bytes: Vec<u8> = (0..3 * 49u32).map(|i| (i * i * 31 % 251) as u8).collect();
        let images = Images {
            pixels: planes(&bytes).into(),
            shape: shape(3, 7),
            labels: vec![0],
            class_names: vec![],
        };
        RgbImage::from_raw(7, 7, bytes)
            .unwrap()
            .save(&path)
            .unwrap();
        for side in [3, 5, 12] {
            let resized = images.clone().resized(side);
            assert_eq!(resized.pixels, decode(&path, shape(3, side)).unwrap());
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        // A file with a hole, which takes no space on a disk.
        let file = fs::File::create(&path).unwrap();
        file.set_len(MOST_BYTES + 1).unwrap();
        let problem = "it has 1073741825 bytes: more than 1073741824 are not read";
        for message in [
            read_picture(&path).unwrap_err().to_string(),
            read_with_profile(&path).unwrap_err().to_string(),
            decode_picture(&path, shape(1, 2)).unwrap_err().to_string(),
        ] {
            assert!(message.contains(problem), "{message}");
        }
        fs::write(&path, b"short").unwrap();
        assert_eq!(read_picture(&path).unwrap(), b"short");
    }

    #[test]
    fn names_a_file_that_is_no_picture() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.png");
        fs::write(&path, "no picture").unwrap();
        let message = decode_picture(&path, shape(1, 2)).unwrap_err().to_string();
        let start = format!("cannot read {} as a picture: ", path.display());
        assert!(message.starts_with(&start), "{message}");
    }
}
