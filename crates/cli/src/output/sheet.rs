//! Draw images on a contact sheet, and take them off again.

use std::io;

use super::arrangement::{Arrangement, Content};
use super::layout::nchw_to_nhwc;

/// Keyword of the text in a PNG that says where its images lie.
pub(super) const KEYWORD: &str = "ebm";
/// What no image covers.
pub(super) const MID_GREY: u8 = 128;

/// Pixels as a PNG has them: `[height, width, channels]`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sheet {
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) pixels: Vec<u8>,
}

/// Pixels `[height, width, 3]` as a PNG.
///
/// # Errors
/// What the encoder reports.
pub(crate) fn encode_rgb(pixels: Vec<u8>, (width, height): (u32, u32)) -> io::Result<Vec<u8>> {
    let sheet = Sheet {
        channels: 3,
        height: height as usize,
        width: width as usize,
        pixels,
    };
    sheet.to_png(None)
}

/// How many images of `shape` there are.
///
/// # Panics
/// If there is none, or not a whole number of them.
pub(super) fn count_of(images: &[u8], [channels, height, width]: [usize; 3]) -> usize {
    let image_len = channels * height * width;
    assert!(
        image_len > 0 && !images.is_empty() && images.len().is_multiple_of(image_len),
        "expected a whole number of {channels}×{height}×{width} images, got {} bytes",
        images.len(),
    );
    images.len() / image_len
}

impl Sheet {
    /// A sheet without images.
    ///
    /// # Panics
    /// If `channels` is neither 1 nor 3.
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

    /// Images in one grid, not magnified.
    ///
    /// # Shapes
    /// `images` is `[n, channels, height, width]`, `shape` is `[channels, height, width]`.
    ///
    /// # Panics
    /// If there is no image, `images` is not a whole number of them, `channels` is neither 1 nor 3, or
    /// `columns` is 0.
    pub(super) fn of(images: &[u8], shape: [usize; 3], columns: usize) -> Self {
        let content = Content::Images(count_of(images, shape));
        Self::arranged(&Arrangement::new(shape, columns, 1, content), &[images])
    }

    /// The images of each grid of an arrangement, not magnified.
    ///
    /// # Shapes
    /// Each of `grids` is `[n, channels, height, width]`.
    pub(super) fn arranged(arrangement: &Arrangement, grids: &[&[u8]]) -> Self {
        let [channels, height, width] = arrangement.shape;
        let (sheet_height, sheet_width) = arrangement.size();
        let mut sheet = Self::grey(channels, sheet_height, sheet_width);
        for (grid, images) in arrangement.grids().iter().zip(grids) {
            let images = images.chunks_exact(channels * height * width);
            for (index, image) in images.enumerate() {
                let pixels = nchw_to_nhwc(image, arrangement.shape);
                let tile = Self {
                    channels,
                    height,
                    width,
                    pixels,
                };
                let (top, left) = arrangement.place(grid, index);
                sheet.paste(&tile, top, left);
            }
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

    /// The pixels `[height, width, channels]` of a part: the inverse of `paste`.
    pub(super) fn part(&self, top: usize, left: usize, height: usize, width: usize) -> Vec<u8> {
        let row_len = width * self.channels;
        let mut pixels = Vec::with_capacity(height * row_len);
        for row in top..top + height {
            let start = (row * self.width + left) * self.channels;
            pixels.extend_from_slice(&self.pixels[start..start + row_len]);
        }
        pixels
    }

    /// Every pixel as a square of `scale` pixels.
    ///
    /// # Panics
    /// If `scale` is 0.
    pub(super) fn magnified(&self, scale: u32) -> Self {
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

    /// A pixel for each square of `scale` pixels: the inverse of [`Sheet::magnified`].
    pub(super) fn reduced(&self, scale: u32) -> Self {
        let scale = scale as usize;
        let mut pixels = Vec::with_capacity(self.pixels.len() / (scale * scale));
        let lines = self.pixels.chunks_exact(self.width * self.channels);
        for line in lines.step_by(scale) {
            for pixel in line.chunks_exact(self.channels).step_by(scale) {
                pixels.extend_from_slice(pixel);
            }
        }
        Self {
            channels: self.channels,
            height: self.height / scale,
            width: self.width / scale,
            pixels,
        }
    }

    /// An encoder to `file` of pictures of this size.
    pub(super) fn encoder<'a>(
        &self,
        file: &'a mut Vec<u8>,
    ) -> io::Result<png::Encoder<'static, &'a mut Vec<u8>>> {
        let side = |pixels: usize| u32::try_from(pixels).map_err(io::Error::other);
        let mut encoder = png::Encoder::new(file, side(self.width)?, side(self.height)?);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_color(if self.channels == 1 {
            png::ColorType::Grayscale
        } else {
            png::ColorType::Rgb
        });
        Ok(encoder)
    }

    /// A PNG that carries a text, if there is one.
    pub(super) fn to_png(&self, text: Option<String>) -> io::Result<Vec<u8>> {
        let mut file = Vec::new();
        let mut encoder = self.encoder(&mut file)?;
        if let Some(text) = text {
            encoder.add_text_chunk(KEYWORD.to_owned(), text)?;
        }
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reduced_sheet_is_what_was_magnified() {
        for shape in [[1, 2, 3_usize], [3, 3, 2]] {
            let images: Vec<u8> = (0..5 * shape.iter().product::<usize>() as u8).collect();
            let sheet = Sheet::of(&images, shape, 2);
            assert_eq!(sheet.magnified(3).reduced(3), sheet);
        }
    }

    #[test]
    #[should_panic = "expected a whole number of 1×2×2 images, got 5 bytes"]
    fn refuses_a_part_of_an_image() {
        Sheet::of(&[0; 5], [1, 2, 2], 1);
    }
}
