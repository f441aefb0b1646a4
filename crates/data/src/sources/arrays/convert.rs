//! Bring images of an array to the shape that is asked for.

use std::borrow::Cow;
use std::path::Path;

use ebm_core::ImageShape;
use ebm_core::pixels::luma_of_bytes;
use rayon::prelude::*;

use super::layout::Layout;
use crate::config::DataConfig;
use crate::error::DataError;
use crate::resize::resize_plane;

/// What is done to each image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conversion {
    from: Layout,
    /// Shape of the results.
    pub to: ImageShape,
}

/// Refuses a number of channels that no array is read with.
pub(super) fn check_channels(config: &DataConfig) -> Result<(), DataError> {
    match config.channels {
        0 | 1 | 3 => Ok(()),
        got => Err(DataError::BadSetting {
            key: "data.channels",
            got,
            remedy: "arrays are read with 1 (grey) or 3 (RGB); 0 stands for what they have",
        }),
    }
}

impl Conversion {
    /// From the images of the file `path` to what the configuration asks for.
    ///
    /// # Errors
    /// Where it asks for their own size, and they are not square.
    pub fn new(from: Layout, config: &DataConfig, path: &Path) -> Result<Self, DataError> {
        let ImageShape {
            channels,
            height,
            width,
        } = from.shape;
        let side = match config.image_size {
            0 if height != width => {
                return Err(DataError::SizeNeeded {
                    path: path.into(),
                    width: width as u32,
                    height: height as u32,
                });
            }
            0 => height,
            side => side,
        };
        let channels = match config.channels {
            0 => channels,
            asked => asked,
        };
        let to = ImageShape::new(channels, side, side);
        Ok(Self { from, to })
    }

    /// Whether the bytes of the array are already those of the results.
    pub fn changes_nothing(&self) -> bool {
        let is_in_planes = !self.from.is_interleaved || self.from.shape.channels == 1;
        is_in_planes && self.from.shape == self.to
    }

    /// The results of images that come one after another.
    pub fn apply<'a>(&self, images: &'a [u8]) -> Cow<'a, [u8]> {
        if self.changes_nothing() {
            return images.into();
        }
        let images = images.par_chunks_exact(self.from.shape.pixels());
        let converted: Vec<Vec<u8>> = images.map(|image| self.convert(image)).collect();
        converted.concat().into()
    }

    /// One image: its planes, made grey where that is asked for, then fitted, then repeated where colours are asked
    /// for.
    fn convert(&self, image: &[u8]) -> Vec<u8> {
        let Layout {
            shape,
            is_interleaved,
            ..
        } = self.from;
        let plane_len = shape.height * shape.width;
        let planes: Cow<'_, [u8]> = match (shape.channels, self.to.channels) {
            (1, _) => image.into(),
            (_, 1) if is_interleaved => {
                let colours = image.chunks_exact(3);
                let grey = colours.map(|colour| luma_of_bytes([colour[0], colour[1], colour[2]]));
                grey.collect()
            }
            (_, 1) => {
                let [red, green, blue] = [0, 1, 2].map(|plane| &image[plane * plane_len..]);
                let grey = (0..plane_len).map(|at| luma_of_bytes([red[at], green[at], blue[at]]));
                grey.collect()
            }
            _ if is_interleaved => (0..3)
                .flat_map(|channel| image.iter().skip(channel).step_by(3).copied())
                .collect(),
            _ => image.into(),
        };
        let fitted: Vec<Vec<u8>> = planes
            .chunks_exact(plane_len)
            .map(|plane| self.fit(plane))
            .collect();
        let copies = self.to.channels / fitted.len();
        fitted.concat().repeat(copies)
    }

    /// The centre square of a plane, as of a picture, resized.
    fn fit(&self, plane: &[u8]) -> Vec<u8> {
        let ImageShape { height, width, .. } = self.from.shape;
        let square = height.min(width);
        let (top, left) = ((height - square) / 2, (width - square) / 2);
        let rows = plane.chunks_exact(width).skip(top).take(square);
        let centre: Vec<u8> = rows
            .flat_map(|row| &row[left..left + square])
            .copied()
            .collect();
        match self.to.height {
            side if side == square => centre,
            side => resize_plane(&centre, square, square, side),
        }
    }
}
