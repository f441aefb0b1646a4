//! Say which pixels of a model's images are missing.

use std::path::PathBuf;

use anyhow::bail;
use burn::tensor::{Device, Tensor, TensorData};
use clap::{Args, ValueHint};
use ebm_core::ImageShape;
use ebm_data::Photo;

use crate::restore::rectangle;

/// What is missing of every picture, in pixels of the size that the model takes.
#[derive(Args, Debug)]
pub(super) struct MissingArgs {
    /// A picture of the model's size, bright where a pixel is missing
    #[arg(long, value_name = "MASK.png", value_hint = ValueHint::FilePath)]
    mask: Option<PathBuf>,

    /// A box that is missing: its left and top edge, width and height, in pixels of the model's images; may be given
    /// again
    #[arg(long = "box", value_name = "X,Y,W,H", value_parser = rectangle)]
    boxes: Vec<[usize; 4]>,
}

impl MissingArgs {
    /// Whether anything is missing.
    pub(super) fn is_given(&self) -> bool {
        self.mask.is_some() || !self.boxes.is_empty()
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
        let plane = self.plane(shape)?;
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
        let ImageShape { height, width, .. } = shape;
        let mut known = vec![1.0; height * width];
        if let Some(path) = &self.mask {
            let mask = Photo::read(path)?.planes.grey();
            let found = [mask.shape.height, mask.shape.width];
            if found != [height, width] {
                bail!(
                    "--mask {}: it is {} by {}, and the model's images are {width} by {height}",
                    path.display(),
                    found[1],
                    found[0]
                );
            }
            for (known, value) in known.iter_mut().zip(&mask.pixels) {
                if *value >= 0.5 {
                    *known = 0.0;
                }
            }
        }
        for &[x, y, wide, high] in &self.boxes {
            if x.saturating_add(wide) > width || y.saturating_add(high) > height {
                bail!(
                    "--box {x},{y},{wide},{high}: it lies beyond the model's images, which are {width} by {height}"
                );
            }
            for row in known.chunks_mut(width).skip(y).take(high) {
                row[x..x + wide].fill(0.0);
            }
        }
        Ok(known)
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
        assert!(message.to_string().contains("beyond the model's images"));
    }
}
