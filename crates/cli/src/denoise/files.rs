//! Read what is denoised, and write it in its own format.

use std::path::Path;
use std::slice;

use anyhow::bail;
use ebm_core::ImageShape;
use ebm_data::{Photo, Planes};

use crate::output::{
    has_extension, load_npy_f32, nchw_to_nhwc, nhwc_to_nchw, save_npy_f32, save_photo,
};

/// What a file holds: one picture, or the pictures of an array.
pub(super) enum Pictures {
    Photo(Box<Photo>),
    Array {
        shape: Vec<usize>,
        each: Vec<Planes>,
    },
}

impl Pictures {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Photo(_) => 1,
            Self::Array { each, .. } => each.len(),
        }
    }

    pub(super) fn each_mut(&mut self) -> slice::IterMut<'_, Planes> {
        match self {
            Self::Photo(photo) => slice::from_mut(&mut photo.planes).iter_mut(),
            Self::Array { each, .. } => each.iter_mut(),
        }
    }

    pub(super) fn read(input: &Path) -> anyhow::Result<Self> {
        if !has_extension(input, "npy") {
            return Ok(Self::Photo(Box::new(Photo::read(input)?)));
        }
        let (shape, values) = load_npy_f32(input)?;
        let image = match shape.as_slice() {
            [h, w] => ImageShape::new(1, *h, *w),
            [_, h, w, c] => ImageShape::new(*c, *h, *w),
            _ => bail!(
                "{} has shape {shape:?}, expected [h, w] or [n, h, w, c]",
                input.display()
            ),
        };
        let values = nhwc_to_nchw(&values, image.dims());
        let each = values.chunks(image.pixels()).map(|pixels| Planes {
            pixels: pixels.to_vec(),
            shape: image,
        });
        Ok(Self::Array {
            each: each.collect(),
            shape,
        })
    }

    pub(super) fn write(self, output: &Path) -> anyhow::Result<()> {
        match self {
            Self::Photo(photo) => save_photo(output, &photo),
            Self::Array { shape, each } => {
                let dims = each[0].shape.dims();
                let values: Vec<f32> = each.into_iter().flat_map(|it| it.pixels).collect();
                Ok(save_npy_f32(output, &shape, &nchw_to_nhwc(&values, dims))?)
            }
        }
    }
}
