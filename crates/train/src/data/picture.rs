//! Decode one picture and bring it to the shape of the data set.

use std::path::Path;

use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader};

use ebm_model::ImageShape;

/// Width and height, from the header alone.
pub(super) fn dimensions(path: &Path) -> Result<(u32, u32), ImageError> {
    ImageReader::open(path)?
        .with_guessed_format()?
        .into_dimensions()
}

/// The picture's centre square at `shape`, a square, as `[c, h, w]`: turned as its EXIF
/// orientation says, transparency composited over black, resized with the Lanczos filter; one
/// channel is Rec. 709 luma. Of an animation, the first frame.
pub(super) fn decode(path: &Path, shape: ImageShape) -> Result<Vec<u8>, ImageError> {
    // The content decides the format: extensions lie.
    let mut decoder = ImageReader::open(path)?
        .with_guessed_format()?
        .into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    let picture = over_black(centre_square(&picture));
    let (width, height) = (shape.width as u32, shape.height as u32);
    let picture = if (picture.width(), picture.height()) == (width, height) {
        picture
    } else {
        picture.resize_exact(width, height, FilterType::Lanczos3)
    };
    Ok(match shape.channels {
        1 => picture.into_luma8().into_raw(),
        _ => planes(&picture.into_rgb8().into_raw()),
    })
}

/// The largest square around the centre.
fn centre_square(picture: &DynamicImage) -> DynamicImage {
    let (width, height) = (picture.width(), picture.height());
    let side = width.min(height);
    picture.crop_imm((width - side) / 2, (height - side) / 2, side, side)
}

/// The picture without transparency.
fn over_black(picture: DynamicImage) -> DynamicImage {
    if !picture.color().has_alpha() {
        return picture;
    }
    let mut rgba = picture.into_rgba8();
    for pixel in rgba.pixels_mut() {
        let [r, g, b, alpha] = pixel.0;
        let fade = |value: u8| ((u16::from(value) * u16::from(alpha) + 127) / 255) as u8;
        pixel.0 = [fade(r), fade(g), fade(b), 255];
    }
    DynamicImage::ImageRgba8(rgba)
}

/// Interleaved RGB as three planes.
fn planes(rgb: &[u8]) -> Vec<u8> {
    (0..3)
        .flat_map(|channel| rgb.iter().skip(channel).step_by(3).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage, Rgba, RgbaImage};

    fn shape(channels: usize, side: usize) -> ImageShape {
        ImageShape {
            channels,
            height: side,
            width: side,
        }
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
        assert_eq!(dimensions(&path).unwrap(), (4, 2));
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
            .save_with_format(&path, image::ImageFormat::Png)
            .unwrap();
        assert_eq!(decode(&path, shape(1, 2)).unwrap(), [9; 4]);
    }
}
