//! Read the images of a file: a picture, a contact sheet of this program, an array of bytes.

use std::path::Path;

use anyhow::bail;
use ebm_core::ImageShape;
use ebm_data::decode_picture;
use image::{ImageDecoder, ImageReader};

use super::converted::log_converted;
use crate::output::{CutSheet, cut_sheet, has_extension, load_npy_u8, nhwc_to_nchw};

/// A picture more than this many times as wide as high, or as high as wide, is probably several.
const MAX_ASPECT: usize = 2;

/// The images of a file as bytes `[n, c, h, w]`, and for each of them its place in the file.
pub(super) fn read_images(
    path: &Path,
    shape: ImageShape,
) -> anyhow::Result<(Vec<u8>, Vec<String>)> {
    if has_extension(path, "npy") {
        let bytes = read_array(path, shape)?;
        let indices = 0..bytes.len() / shape.pixels();
        return Ok((bytes, indices.map(|index| index.to_string()).collect()));
    }
    match cut_sheet(path) {
        Some(sheet) => of_sheet(path, sheet, shape),
        None => Ok((read_picture(path, shape)?, vec!["0".to_owned()])),
    }
}

fn read_array(path: &Path, shape: ImageShape) -> anyhow::Result<Vec<u8>> {
    let [channels, height, width] = shape.dims();
    let (found, pixels) = load_npy_u8(path)?;
    match found.as_slice() {
        &[_, h, w, c] if [c, h, w] == shape.dims() => Ok(nhwc_to_nchw(&pixels, shape.dims())),
        _ => bail!(
            "{} has shape {found:?}, expected [n, {height}, {width}, {channels}]",
            path.display()
        ),
    }
}

/// The images of a contact sheet, which have to be of the shape that the model takes.
fn of_sheet(
    path: &Path,
    sheet: CutSheet,
    shape: ImageShape,
) -> anyhow::Result<(Vec<u8>, Vec<String>)> {
    let found = ImageShape::from(sheet.shape);
    if found != shape {
        bail!(
            "{} is a contact sheet of {found} images, and the model takes {shape}; give single pictures, which are resized (`ebm sample --output DIR/` writes them)",
            path.display()
        );
    }
    Ok((sheet.images, sheet.places))
}

/// The centre square of a picture; one that looks like several is warned of, and that it is converted is said.
fn read_picture(path: &Path, shape: ImageShape) -> anyhow::Result<Vec<u8>> {
    let bytes = decode_picture(path, shape)?;
    let Some(found) = shape_of(path) else {
        return Ok(bytes);
    };
    let ImageShape { width, height, .. } = found;
    log_converted(found.channels, shape.channels);
    if is_oblong(width, height) {
        tracing::warn!(
            "{} looks like a sheet of several pictures ({width}×{height} pixels), and only its centre square is scored; cut it into single pictures",
            path.display()
        );
    }
    Ok(bytes)
}

/// The shape of a picture, of 1 channel or 3, from its header; `None` where that cannot be read.
pub(crate) fn shape_of(path: &Path) -> Option<ImageShape> {
    let reader = ImageReader::open(path).ok()?.with_guessed_format().ok()?;
    let decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    let has_color = decoder.color_type().has_color();
    let channels = if has_color { 3 } else { 1 };
    Some(ImageShape::new(channels, height as usize, width as usize))
}

fn is_oblong(width: usize, height: usize) -> bool {
    width.max(height) > MAX_ASPECT * width.min(height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_of_a_picture_is_read_from_its_header_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ppm");
        for (header, shape) in [
            (
                "P6 16000 9000 255\n",
                Some(ImageShape::new(3, 9000, 16_000)),
            ),
            ("P5 3 2 255\n", Some(ImageShape::new(1, 2, 3))),
            ("no picture", None),
        ] {
            std::fs::write(&path, header).unwrap();
            assert_eq!(shape_of(&path), shape, "{header}");
        }
    }

    #[test]
    fn a_picture_is_oblong_beyond_two_to_one_either_way() {
        assert!(is_oblong(101, 50));
        assert!(is_oblong(50, 101));
        assert!(!is_oblong(100, 50));
        assert!(!is_oblong(50, 100));
        assert!(!is_oblong(7, 7));
    }
}
