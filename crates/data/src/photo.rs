//! Read a picture at its full size and depth, and write it again with its opacity and colour profile.

use std::io::Cursor;
use std::path::Path;

use ebm_core::ImageShape;
use ebm_core::pixels::LUMA;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::tiff::TiffEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ColorType, DynamicImage, ImageBuffer, ImageEncoder, ImageError, ImageFormat};

use crate::error::DataError;
use crate::picture::read_with_profile;

/// Quality of JPEG files, of 100.
const JPEG_QUALITY: u8 = 95;

/// Planes of floats, each value 0 for the least and 1 for the greatest that a file can hold; noise may lie outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Planes {
    /// Row-major `[channels, height, width]`.
    pub pixels: Vec<f32>,
    /// Shape of the picture.
    pub shape: ImageShape,
}

impl Planes {
    /// One plane of grey: the luma of three, the first of other numbers.
    pub fn grey(&self) -> Self {
        let planes: Vec<&[f32]> = self.each().collect();
        let pixels = match planes[..] {
            [red, green, blue] => {
                let colours = red.iter().zip(green).zip(blue);
                let luma = |((red, green), blue): ((&f32, &f32), &f32)| {
                    LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
                };
                colours.map(luma).collect()
            }
            _ => planes[0].to_vec(),
        };
        Self {
            pixels,
            shape: ImageShape {
                channels: 1,
                ..self.shape
            },
        }
    }

    /// The same picture in 1 or 3 channels: colours made grey ([`grey`](Self::grey)), or grey as three equal planes.
    ///
    /// # Panics
    /// If it has neither 1 channel nor 3, or is to have another number.
    pub fn in_channels(&self, channels: usize) -> Self {
        match (self.shape.channels, channels) {
            (1, 1) | (3, 3) => self.clone(),
            (3, 1) => self.grey(),
            (1, 3) => Self {
                pixels: self.pixels.repeat(3),
                shape: ImageShape {
                    channels,
                    ..self.shape
                },
            },
            (from, to) => panic!("expected 1 or 3 channels, got {from}, to be made {to}"),
        }
    }

    /// The planes, each by itself, `[height, width]`.
    pub fn each(&self) -> impl Iterator<Item = &[f32]> {
        self.pixels.chunks(self.shape.height * self.shape.width)
    }
}

/// A picture of a file: its grey or its colours, and what comes back unchanged when it is written again.
#[derive(Clone, Debug, PartialEq)]
pub struct Photo {
    /// One plane of grey, or three of red, green and blue.
    pub planes: Planes,
    /// Opacity from 0 to 1, `[height, width]`; `None` for a file without it.
    alpha: Option<Vec<f32>>,
    /// Whether the file has more than 8 bits a channel.
    is_deep: bool,
    /// The colour profile of the file; not written to a file of another colour space.
    icc: Option<Vec<u8>>,
}

impl Photo {
    /// Read a picture, turned as its EXIF orientation says. Of an animation, the first frame.
    ///
    /// # Errors
    /// Where the file is missing, no picture, or of more than 2²⁸ pixels.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        match read_with_profile(path) {
            Ok((picture, profile)) => Ok(Self::of_image(picture, profile)),
            Err(cause) => Err(DataError::NotAPicture {
                path: path.into(),
                cause,
            }),
        }
    }

    /// Opacity from 0 to 1, `[height, width]`; `None` of a picture without it, which is opaque.
    pub fn opacity(&self) -> Option<&[f32]> {
        self.alpha.as_deref()
    }

    /// A picture of 8 bits of these planes, one or three, without opacity.
    pub fn of_planes(planes: Planes) -> Self {
        Self {
            planes,
            alpha: None,
            is_deep: false,
            icc: None,
        }
    }

    fn of_image(picture: DynamicImage, icc: Option<Vec<u8>>) -> Self {
        let [width, height] = [picture.width(), picture.height()].map(|side| side as usize);
        let (colour, is_deep) = (picture.color(), has_more_than_8_bits(picture.color()));
        let channels = if colour.has_color() { 3 } else { 1 };
        let interleaved = picture.into_rgba32f();
        let plane = |channel: usize| {
            let values = interleaved.as_raw().iter();
            values.skip(channel).step_by(4).copied()
        };
        Self {
            planes: Planes {
                pixels: (0..channels).flat_map(plane).collect(),
                shape: ImageShape::new(channels, height, width),
            },
            alpha: colour.has_alpha().then(|| plane(3).collect()),
            is_deep,
            icc: icc.filter(|profile| is_of_channels(profile, channels)),
        }
    }

    /// The bytes of a file of `format`, in the depth and with the opacity and the colour profile that the picture
    /// came with, as far as the format has them. Values beyond 0 and 1 become these.
    ///
    /// # Errors
    /// Where the image crate does not write this format.
    pub fn encode(&self, format: ImageFormat) -> Result<Vec<u8>, ImageError> {
        let has_alpha = format != ImageFormat::Jpeg;
        let is_deep = self.is_deep && matches!(format, ImageFormat::Png | ImageFormat::Tiff);
        let alpha = self.alpha.as_deref().filter(|_| has_alpha);
        let mut planes: Vec<&[f32]> = self.planes.each().collect();
        if alpha.is_some() && matches!(format, ImageFormat::Tiff | ImageFormat::Bmp) {
            // These have no grey with opacity.
            planes.resize(3, planes[0]);
        }
        planes.extend(alpha);
        let picture = if is_deep {
            self.interleaved(&planes, |value| (value * 65_535.0).round() as u16)
        } else {
            self.interleaved(&planes, |value| (value * 255.0).round() as u8)
        };
        // WebP has no grey.
        let has_color = picture.color().has_color() || format == ImageFormat::WebP;
        let channels = if has_color { 3 } else { 1 };
        let icc = self.icc.as_deref();
        let icc = icc.filter(|profile| is_of_channels(profile, channels));
        let mut bytes = Cursor::new(Vec::new());
        match format {
            ImageFormat::Png => write_with(PngEncoder::new(&mut bytes), &picture, icc)?,
            ImageFormat::Tiff => write_with(TiffEncoder::new(&mut bytes), &picture, icc)?,
            ImageFormat::WebP => {
                write_with(WebPEncoder::new_lossless(&mut bytes), &picture, icc)?;
            }
            ImageFormat::Jpeg => {
                let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
                write_with(encoder, &picture, icc)?;
            }
            _ => picture.write_to(&mut bytes, format)?,
        }
        Ok(bytes.into_inner())
    }

    fn interleaved<T>(&self, planes: &[&[f32]], quantised: fn(f32) -> T) -> DynamicImage
    where
        Quantised<T>: Into<DynamicImage>,
    {
        let ImageShape { height, width, .. } = self.planes.shape;
        let at = |place: usize| planes.iter().map(move |plane| plane[place].clamp(0.0, 1.0));
        let values = (0..height * width).flat_map(at).map(quantised).collect();
        let size = [width, height].map(|side| side as u32);
        let channels = planes.len();
        Quantised {
            values,
            size,
            channels,
        }
        .into()
    }
}

fn write_with(
    mut encoder: impl ImageEncoder,
    picture: &DynamicImage,
    icc: Option<&[u8]>,
) -> Result<(), ImageError> {
    if let Some(icc) = icc {
        // A format without room for a profile does without.
        let _ = encoder.set_icc_profile(icc.to_vec());
    }
    picture.write_with_encoder(encoder)
}

/// Interleaved values of one, two, three or four channels.
struct Quantised<T> {
    values: Vec<T>,
    size: [u32; 2],
    channels: usize,
}

macro_rules! into_dynamic_image {
    ($depth:ty, [$grey:ident, $grey_alpha:ident, $rgb:ident, $rgba:ident]) => {
        impl From<Quantised<$depth>> for DynamicImage {
            fn from(from: Quantised<$depth>) -> Self {
                let Quantised {
                    values,
                    size: [width, height],
                    channels,
                } = from;
                let made = match channels {
                    1 => ImageBuffer::from_raw(width, height, values).map(Self::$grey),
                    2 => ImageBuffer::from_raw(width, height, values).map(Self::$grey_alpha),
                    3 => ImageBuffer::from_raw(width, height, values).map(Self::$rgb),
                    _ => ImageBuffer::from_raw(width, height, values).map(Self::$rgba),
                };
                made.expect("as many values as pixels")
            }
        }
    };
}
into_dynamic_image!(u8, [ImageLuma8, ImageLumaA8, ImageRgb8, ImageRgba8]);
into_dynamic_image!(u16, [ImageLuma16, ImageLumaA16, ImageRgb16, ImageRgba16]);

/// Whether a colour profile is one of pictures with so many channels: what was decoded may be of another colour space
/// than the file.
fn is_of_channels(profile: &[u8], channels: usize) -> bool {
    let colour_space = profile.get(16..20); // ICC.1:2022, 7.2.6
    colour_space == Some(if channels == 1 { b"GRAY" } else { b"RGB " })
}

fn has_more_than_8_bits(colour: ColorType) -> bool {
    colour.bytes_per_pixel() > colour.channel_count()
}

#[cfg(test)]
mod tests {
    use image::{GrayAlphaImage, GrayImage, ImageDecoder, LumaA, Rgba};

    use super::*;

    fn read(bytes: &[u8], name: &str) -> Photo {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Photo::read(&path).unwrap()
    }

    /// The colour profile of a file, whatever its colour space.
    fn profile_in(bytes: &[u8]) -> Option<Vec<u8>> {
        let reader = image::ImageReader::new(Cursor::new(bytes));
        let mut decoder = reader
            .with_guessed_format()
            .unwrap()
            .into_decoder()
            .unwrap();
        decoder.icc_profile().unwrap()
    }

    #[test]
    fn every_byte_of_a_grey_picture_comes_back() {
        let picture = GrayImage::from_raw(16, 16, (0..=255).collect()).unwrap();
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        let photo = read(bytes.get_ref(), "grey.png");
        assert_eq!(photo.planes.shape, ImageShape::new(1, 16, 16));
        assert_eq!(
            (photo.planes.pixels[0], photo.planes.pixels[255]),
            (0.0, 1.0)
        );
        for format in [ImageFormat::Png, ImageFormat::Tiff, ImageFormat::Bmp] {
            let again = image::load_from_memory(&photo.encode(format).unwrap()).unwrap();
            assert_eq!(again.into_luma8(), picture, "{format:?}");
        }
    }

    #[test]
    fn depth_opacity_and_profile_are_kept_where_the_format_has_them() {
        let picture = ImageBuffer::from_fn(3, 2, |x, y| {
            Rgba([
                257 * x as u16 + 1,
                1000 * y as u16,
                65_535,
                30_000 + x as u16,
            ])
        });
        let profile = [&[7; 16][..], b"RGB ", &[7; 9]].concat();
        let mut bytes = Vec::new();
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder.set_icc_profile(profile.clone()).unwrap();
        DynamicImage::ImageRgba16(picture.clone())
            .write_with_encoder(encoder)
            .unwrap();
        let photo = read(&bytes, "deep.png");
        assert_eq!(photo.planes.shape, ImageShape::new(3, 2, 3));
        let again = photo.encode(ImageFormat::Png).unwrap();
        let DynamicImage::ImageRgba16(same) = image::load_from_memory(&again).unwrap() else {
            panic!("expected 16 bits and opacity");
        };
        assert_eq!(same, picture);
        assert_eq!(read(&again, "again.png").icc, Some(profile.clone()));
        let webp = photo.encode(ImageFormat::WebP).unwrap();
        assert_eq!(read(&webp, "again.webp").icc, Some(profile));

        let jpeg = photo.encode(ImageFormat::Jpeg).unwrap();
        let jpeg = image::load_from_memory(&jpeg).unwrap();
        assert_eq!(jpeg.color(), ColorType::Rgb8);
    }

    #[test]
    fn values_beyond_black_and_white_are_clipped_in_the_file() {
        let grey = GrayImage::from_pixel(2, 1, image::Luma([7]));
        let mut photo = Photo::of_image(DynamicImage::ImageLuma8(grey), None);
        photo.planes.pixels = vec![-0.5, 1.5];
        let bytes = photo.encode(ImageFormat::Png).unwrap();
        let again = image::load_from_memory(&bytes).unwrap().into_luma8();
        assert_eq!(again.into_raw(), [0, 255]);
    }

    #[test]
    fn grey_with_opacity_keeps_it_in_every_format_that_has_any() {
        let picture = GrayAlphaImage::from_fn(3, 2, |x, y| LumaA([80 * x as u8, 90 * y as u8 + 9]));
        let photo = Photo::of_image(DynamicImage::ImageLumaA8(picture.clone()), None);
        for format in [
            ImageFormat::Png,
            ImageFormat::Tiff,
            ImageFormat::Bmp,
            ImageFormat::WebP,
        ] {
            let again = image::load_from_memory(&photo.encode(format).unwrap()).unwrap();
            assert_eq!(again.into_luma_alpha8(), picture, "{format:?}");
        }
    }

    #[test]
    fn a_profile_of_another_colour_space_is_not_kept() {
        let grey = DynamicImage::ImageLuma8(GrayImage::from_pixel(1, 1, image::Luma([7])));
        let with = |space: &[u8]| {
            let profile = [&[0; 16][..], space].concat();
            Photo::of_image(grey.clone(), Some(profile)).icc.is_some()
        };
        assert!(with(b"GRAY") && !with(b"RGB ") && !with(b"CMYK") && !with(b""));
    }

    #[test]
    fn grey_becomes_three_equal_planes_and_colours_their_luma() {
        let grey = Planes {
            pixels: vec![0.25, 0.75],
            shape: ImageShape::new(1, 1, 2),
        };
        let colours = grey.in_channels(3);
        assert_eq!(colours.shape, ImageShape::new(3, 1, 2));
        assert_eq!(colours.pixels, [0.25, 0.75, 0.25, 0.75, 0.25, 0.75]);
        let again = colours.in_channels(1);
        let errors = again.pixels.iter().zip(&grey.pixels).map(|(a, b)| a - b);
        assert!(errors.map(f32::abs).fold(0.0, f32::max) < 1e-6);
        assert_eq!(again.shape, grey.shape);
        assert_eq!(grey.in_channels(1), grey);
    }

    #[test]
    fn a_profile_is_not_written_to_a_file_of_another_colour_space() {
        let profile = |space: &[u8]| Some([&[7; 16][..], space, &[7; 9]].concat());
        let written = |photo: &Photo, format: ImageFormat, name: &str| {
            read(&photo.encode(format).unwrap(), name)
        };
        let colours = image::RgbImage::from_pixel(3, 2, image::Rgb([9, 90, 200]));
        let mut photo = Photo::of_image(DynamicImage::ImageRgb8(colours), profile(b"RGB "));
        assert_eq!(written(&photo, ImageFormat::Png, "a.png").icc, photo.icc);
        photo.planes = photo.planes.grey();
        let png = photo.encode(ImageFormat::Png).unwrap();
        assert!(profile_in(&png).is_none(), "grey has no profile of colours");

        let glass = GrayAlphaImage::from_pixel(3, 2, LumaA([80, 90]));
        let photo = Photo::of_image(DynamicImage::ImageLumaA8(glass), profile(b"GRAY"));
        assert!(photo.icc.is_some());
        assert_eq!(written(&photo, ImageFormat::Png, "b.png").icc, photo.icc);
        for format in [ImageFormat::Tiff, ImageFormat::WebP] {
            let bytes = photo.encode(format).unwrap();
            assert!(profile_in(&bytes).is_none(), "{format:?} is in colour");
        }
    }

    #[test]
    fn a_file_that_is_no_picture_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.png");
        std::fs::write(&path, "no picture").unwrap();
        let message = Photo::read(&path).unwrap_err().to_string();
        assert!(message.contains("notes.png as a picture"), "{message}");
    }
}
