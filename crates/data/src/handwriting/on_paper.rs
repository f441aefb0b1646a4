//! Read a picture in grey, as if drawn on paper where it is transparent.

use std::path::Path;

use ebm_core::ImageShape;
use ebm_core::pixels::luma_of_bytes;
use image::RgbaImage;

use crate::error::DataError;
use crate::photo::Planes;
use crate::picture::read_with_profile;

/// A picture in grey, turned as its EXIF orientation says. What is transparent becomes white where the picture is
/// dark, and black where it is light, so that a drawing without a ground stands out.
///
/// # Errors
/// Where the file is missing, no picture, or of more than 2²⁸ pixels.
pub fn read_on_paper(path: &Path) -> Result<Planes, DataError> {
    let (picture, _) = read_with_profile(path).map_err(|cause| DataError::NotAPicture {
        path: path.into(),
        cause,
    })?;
    let [height, width] = [picture.height(), picture.width()].map(|side| side as usize);
    let pixels = if picture.color().has_alpha() {
        on_paper(&picture.into_rgba8())
    } else {
        let colours = picture.into_rgb8();
        colours.pixels().map(|pixel| grey(pixel.0)).collect()
    };
    Ok(Planes {
        pixels,
        shape: ImageShape::new(1, height, width),
    })
}

fn grey(colour: [u8; 3]) -> f32 {
    f32::from(luma_of_bytes(colour)) / 255.0
}

fn on_paper(picture: &RgbaImage) -> Vec<f32> {
    let greys = || {
        picture.pixels().map(|pixel| {
            let [red, green, blue, alpha] = pixel.0;
            (grey([red, green, blue]), f32::from(alpha) / 255.0)
        })
    };
    let visible: f64 = greys().map(|(_, alpha)| f64::from(alpha)).sum();
    let light: f64 = greys().map(|(grey, alpha)| f64::from(grey * alpha)).sum();
    let paper = if 2.0 * light > visible { 0.0 } else { 1.0 };
    let over = |(grey, alpha): (f32, f32)| alpha * grey + (1.0 - alpha) * paper;
    greys().map(over).collect()
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma, Rgba};

    use super::*;

    fn read(save: impl Fn(&Path)) -> Planes {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("drawing.png");
        save(&path);
        read_on_paper(&path).unwrap()
    }

    #[test]
    fn a_drawing_without_a_ground_stands_out_from_its_paper() {
        for (ink, paper) in [(0, 1.0), (255, 0.0)] {
            let drawing = RgbaImage::from_fn(3, 2, |x, _| {
                let alpha = if x == 1 { 255 } else { 0 };
                Rgba([ink, ink, ink, alpha])
            });
            let planes = read(|path| drawing.save(path).unwrap());
            let row = [paper, f32::from(ink) / 255.0, paper];
            assert_eq!(planes.pixels, [row, row].concat());
            assert_eq!(planes.shape, ImageShape::new(1, 2, 3));
        }
    }

    #[test]
    fn a_grey_picture_keeps_its_levels() {
        let picture = GrayImage::from_fn(2, 1, |x, _| Luma([51 * x as u8]));
        let planes = read(|path| picture.save(path).unwrap());
        assert_eq!(planes.pixels, [0.0, 0.2]);
    }

    #[test]
    fn a_file_that_is_no_picture_is_named() {
        let message = read_on_paper(Path::new("nowhere.png"))
            .unwrap_err()
            .to_string();
        assert!(message.contains("nowhere.png as a picture"), "{message}");
    }
}
