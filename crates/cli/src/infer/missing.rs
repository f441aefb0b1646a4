//! Say which pixels of a model's images are missing.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use burn::tensor::{Device, Tensor, TensorData};
use clap::{Args, ValueHint};
use ebm_core::ImageShape;

use crate::restore::{check_not_mask, fill_boxes, read_mask, rectangle};

/// What is missing of every picture, in pixels of the size that the model takes.
#[derive(Args, Debug)]
pub(super) struct MissingArgs {
    /// A picture of the model's size, bright where a pixel is missing
    #[arg(long, value_name = "MASK.png", value_hint = ValueHint::FilePath)]
    mask: Option<PathBuf>,

    /// A box that is missing: its left and top edge, width and height, in pixels of the model's images; may be given
    /// again
    #[arg(long = "box", value_name = "X,Y,W,H", allow_hyphen_values = true, value_parser = rectangle)]
    boxes: Vec<[usize; 4]>,
}

impl MissingArgs {
    /// Whether anything is missing.
    pub(super) fn is_given(&self) -> bool {
        self.mask.is_some() || !self.boxes.is_empty()
    }

    /// Refuse to write over the mask that is read.
    pub(super) fn check_not_mask(&self, flag: &str, path: &Path) -> anyhow::Result<()> {
        check_not_mask(flag, path, self.mask.as_deref())
    }

    /// 1 where a pixel of `num` images is known, 0 where it is missing, `[num, channels, height, width]`; `None` where
    /// nothing is missing.
    pub(super) fn known(
        &self,
        shape: ImageShape,
        num: usize,
        device: &Device,
    ) -> anyhow::Result<Option<Tensor<4>>> {
        if !self.is_given() {
            return Ok(None);
        }
        let plane = self.plane(shape);
        let plane = plane.context("what is missing is said in pixels of the model's images")?;
        if !plane.contains(&0.0) {
            bail!("the mask is empty: no pixel of the pictures is missing");
        }
        if !plane.contains(&1.0) {
            bail!("the mask covers whole pictures: nothing is left to explain");
        }
        let known = plane.repeat(num * shape.channels);
        let known = TensorData::new(known, shape.batch(num));
        Ok(Some(Tensor::from_data(known, device)))
    }

    /// 1 where a pixel is known, `[height, width]`.
    fn plane(&self, shape: ImageShape) -> anyhow::Result<Vec<f32>> {
        let size = [shape.height, shape.width];
        let mut missing = match &self.mask {
            Some(path) => read_mask(path, size)?,
            None => vec![false; shape.height * shape.width],
        };
        fill_boxes(&mut missing, size, &self.boxes)?;
        Ok(missing.iter().map(|&missing| f32::from(!missing)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_missing_in_every_channel_of_every_image() {
        let missing = MissingArgs {
            mask: None,
            boxes: vec![[1, 0, 1, 2]],
        };
        let shape = ImageShape::new(2, 2, 3);
        let known = missing.known(shape, 2, &Device::flex()).expect("fits");
        let known = known.expect("some are missing").into_data();
        let plane = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0];
        assert_eq!(known.iter::<f32>().collect::<Vec<_>>(), plane.repeat(4));
        let beyond = MissingArgs {
            mask: None,
            boxes: vec![[2, 0, 2, 1]],
        };
        let message = beyond.known(shape, 1, &Device::flex()).expect_err("beyond");
        let message = format!("{message:#}");
        assert!(
            message.contains("of the model's images: --box 2,0,2,1: it lies beyond"),
            "{message}"
        );
    }
}
