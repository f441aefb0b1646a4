//! Save images as a contact sheet: one PNG, integer magnification, grey lines between the images.

use std::io;
use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::layout::nchw_to_nhwc;
use super::{WriteError, write_encoded};

/// Between two images, before magnification.
const LINE_PIXELS: usize = 2;
/// Between the two halves of [`side_by_side`], before magnification.
const GAP_PIXELS: usize = 8;
const MID_GREY: u8 = 128;

/// Saves images row by row, `columns` in a row, every pixel as a square of `scale` pixels.
///
/// # Shapes
/// `images` is `[n, channels, height, width]`, `shape` is `[channels, height, width]`.
///
/// # Errors
/// [`WriteError`] if the file cannot be written; an earlier one of that name is then left as it was.
///
/// # Panics
/// If there is no image, `images` is not a whole number of them, `channels` is neither 1 nor 3, or
/// `columns` or `scale` is 0.
pub(crate) fn save_grid(
    path: &Path,
    images: &[u8],
    shape: [usize; 3],
    columns: usize,
    scale: u32,
) -> Result<(), WriteError> {
    let sheet = Sheet::of(images, shape, columns);
    write_encoded(path, sheet.magnified(scale).to_png())
}

/// Saves two grids as [`save_grid`] does, `left` (samples, say) and `right` (data), a wide gap apart.
///
/// # Errors
/// As [`save_grid`].
///
/// # Panics
/// As [`save_grid`].
pub(crate) fn side_by_side(
    path: &Path,
    left: &[u8],
    right: &[u8],
    shape: [usize; 3],
    columns: usize,
    scale: u32,
) -> Result<(), WriteError> {
    let (left, right) = (
        Sheet::of(left, shape, columns),
        Sheet::of(right, shape, columns),
    );
    let [channels, ..] = shape;
    let right_edge = left.width + GAP_PIXELS;
    let mut sheet = Sheet::grey(
        channels,
        left.height.max(right.height),
        right_edge + right.width,
    );
    sheet.paste(&left, 0, 0);
    sheet.paste(&right, 0, right_edge);
    write_encoded(path, sheet.magnified(scale).to_png())
}

/// Columns of a grid of `images`: as near to a square as its images allow.
pub(crate) fn columns_for(images: usize) -> usize {
    (1..)
        .find(|columns| columns * columns >= images)
        .unwrap_or(1)
}

/// Magnification at which an image of `width` pixels is easy to see.
pub(crate) fn scale_for(width: usize) -> u32 {
    (56 / width.max(1)).max(1) as u32
}

/// Pixels as a PNG has them: `[height, width, channels]`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sheet {
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) pixels: Vec<u8>,
}

impl Sheet {
    fn grey(channels: usize, height: usize, width: usize) -> Self {
        assert!(
            matches!(channels, 1 | 3),
            "expected 1 or 3 channels, got {channels}"
        );
        Self {
            channels,
            height,
            width,
            pixels: vec![MID_GREY; channels * height * width],
        }
    }

    pub(crate) fn of(images: &[u8], [channels, height, width]: [usize; 3], columns: usize) -> Self {
        assert!(columns >= 1, "expected at least 1 column, got {columns}");
        let image_len = channels * height * width;
        assert!(
            image_len > 0 && !images.is_empty() && images.len().is_multiple_of(image_len),
            "expected a whole number of {channels}×{height}×{width} images, got {} bytes",
            images.len(),
        );
        let count = images.len() / image_len;
        let columns = columns.min(count);
        let extent = |count: usize, pixels: usize| count * (pixels + LINE_PIXELS) - LINE_PIXELS;
        let mut sheet = Self::grey(
            channels,
            extent(count.div_ceil(columns), height),
            extent(columns, width),
        );
        for (index, image) in images.chunks_exact(image_len).enumerate() {
            let (row, column) = (index / columns, index % columns);
            let pixels = nchw_to_nhwc(image, [channels, height, width]);
            let tile = Self {
                channels,
                height,
                width,
                pixels,
            };
            sheet.paste(
                &tile,
                row * (height + LINE_PIXELS),
                column * (width + LINE_PIXELS),
            );
        }
        sheet
    }

    fn paste(&mut self, tile: &Self, top: usize, left: usize) {
        let row_len = tile.width * tile.channels;
        for (row, line) in tile.pixels.chunks_exact(row_len).enumerate() {
            let start = ((top + row) * self.width + left) * self.channels;
            self.pixels[start..start + row_len].copy_from_slice(line);
        }
    }

    pub(crate) fn magnified(&self, scale: u32) -> Self {
        assert!(scale >= 1, "expected a scale of at least 1, got {scale}");
        let scale = scale as usize;
        let mut pixels = Vec::with_capacity(self.pixels.len() * scale * scale);
        for line in self.pixels.chunks_exact(self.width * self.channels) {
            let wide: Vec<u8> = line
                .chunks_exact(self.channels)
                .flat_map(|pixel| pixel.repeat(scale))
                .collect();
            pixels.extend(wide.repeat(scale));
        }
        Self {
            channels: self.channels,
            height: self.height * scale,
            width: self.width * scale,
            pixels,
        }
    }

    fn to_png(&self) -> io::Result<Vec<u8>> {
        let color = if self.channels == 1 {
            ExtendedColorType::L8
        } else {
            ExtendedColorType::Rgb8
        };
        let side = |pixels: usize| u32::try_from(pixels).map_err(io::Error::other);
        let mut png = Vec::new();
        PngEncoder::new(&mut png)
            .write_image(&self.pixels, side(self.width)?, side(self.height)?, color)
            .map_err(io::Error::other)?;
        Ok(png)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const G: u8 = MID_GREY;

    fn read_back(path: &Path) -> (u32, u32, Vec<u8>) {
        let image = image::open(path).unwrap();
        (image.width(), image.height(), image.into_bytes())
    }

    fn saved(images: &[u8], shape: [usize; 3], columns: usize, scale: u32) -> (u32, u32, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grid.png");
        save_grid(&path, images, shape, columns, scale).unwrap();
        read_back(&path)
    }

    #[test]
    fn two_grey_pixels_lie_beside_each_other_with_a_line_between() {
        assert_eq!(
            saved(&[10, 20], [1, 1, 1], 2, 1),
            (4, 1, vec![10, G, G, 20])
        );
    }

    #[test]
    fn a_column_has_its_lines_across() {
        assert_eq!(
            saved(&[10, 20], [1, 1, 1], 1, 1),
            (1, 4, vec![10, G, G, 20])
        );
    }

    #[test]
    fn channels_are_interleaved() {
        let (red, blue) = ([255, 0, 0], [0, 0, 255]);
        let expected = [red, [G; 3], [G; 3], blue].concat();
        assert_eq!(
            saved(&[red, blue].concat(), [3, 1, 1], 2, 1),
            (4, 1, expected)
        );
        // One image of two pixels: all of red, then green, then blue.
        assert_eq!(
            saved(&[1, 2, 3, 4, 5, 6], [3, 1, 2], 1, 1),
            (2, 1, vec![1, 3, 5, 2, 4, 6])
        );
    }

    #[test]
    fn magnification_repeats_pixels_and_lines() {
        let line = [1, 1, 1, G, G, G, G, G, G, 2, 2, 2];
        assert_eq!(saved(&[1, 2], [1, 1, 1], 2, 3), (12, 3, line.repeat(3)));
    }

    #[test]
    fn an_incomplete_last_row_is_filled_with_grey() {
        #[rustfmt::skip]
        let expected = vec![
            1, G, G, 2,
            G, G, G, G,
            G, G, G, G,
            3, G, G, G,
        ];
        assert_eq!(saved(&[1, 2, 3], [1, 1, 1], 2, 1), (4, 4, expected));
    }

    #[test]
    fn fewer_images_than_columns_make_a_narrower_sheet() {
        assert_eq!(saved(&[9], [1, 1, 1], 8, 1), (1, 1, vec![9]));
    }

    #[test]
    fn two_grids_are_a_wide_gap_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pair.png");
        side_by_side(&path, &[1], &[2, 3], [1, 1, 1], 1, 1).unwrap();
        let row = |left: u8, right: u8| [vec![left], vec![G; 8], vec![right]].concat();
        let expected = [row(1, 2), row(G, G), row(G, G), row(G, 3)].concat();
        assert_eq!(read_back(&path), (10, 4, expected));
    }

    #[test]
    fn a_sheet_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nowhere/grid.png");
        let message = save_grid(&path, &[1], [1, 1, 1], 1, 1)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("nowhere/grid.png: No such file"),
            "{message}"
        );
    }

    #[test]
    #[should_panic = "expected a whole number of 1×2×2 images, got 5 bytes"]
    fn refuses_a_part_of_an_image() {
        Sheet::of(&[0; 5], [1, 2, 2], 1);
    }
}
