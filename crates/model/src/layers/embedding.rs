//! Tell a layer the class and the noise level of an image: a bias for each of its channels.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};

use super::conditioning::{as_channels, rows};
use crate::ops::shift;

/// e: a bias of every pixel of a layer's output by class, and another by noise level, both zero at first.
#[derive(Module, Debug)]
pub(crate) struct Embedding {
    /// `[classes, channels]`, where there are classes.
    pub(crate) classes: Option<Param<Tensor<2>>>,
    /// `[levels, channels]`, where there are levels.
    pub(crate) levels: Option<Param<Tensor<2>>>,
}

impl Embedding {
    pub(crate) fn init(
        num_classes: usize,
        num_levels: usize,
        channels: usize,
        device: &Device,
    ) -> Self {
        let table = |rows: usize| {
            (rows > 0).then(|| Param::from_tensor(Tensor::zeros([rows, channels], device)))
        };
        Self {
            classes: table(num_classes),
            levels: table(num_levels),
        }
    }

    /// x + e\[classes] + e\[levels]; level 0 for all images where none are given.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, `classes` and `levels`: `[batch]`
    pub(crate) fn forward(
        &self,
        x: Tensor<4>,
        classes: Option<&Tensor<1, Int>>,
        levels: Option<&Tensor<1, Int>>,
    ) -> Tensor<4> {
        let of_class = self.classes.as_ref().map(|table| rows(table, classes));
        let of_level = self.levels.as_ref().map(|table| match levels {
            Some(levels) => rows(table, Some(levels)),
            None => table.val().narrow(0, 0, 1), // [1, channels]
        });
        let bias = match (of_class, of_level) {
            (Some(of_class), Some(of_level)) => of_class + of_level,
            (Some(bias), None) | (None, Some(bias)) => bias,
            (None, None) => return x,
        };
        shift(x, as_channels(bias))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(x: Tensor<4>) -> Vec<f32> {
        x.into_data().iter::<f32>().collect()
    }

    fn embedding() -> Embedding {
        let device = Device::flex();
        Embedding {
            classes: Some(Param::from_data([[1.0f32, 2.0], [10.0, 20.0]], &device)),
            levels: Some(Param::from_data([[0.5f32, 0.25], [0.125, 0.0]], &device)),
        }
    }

    #[test]
    fn every_image_takes_the_biases_of_its_class_and_level() {
        let device = Device::flex();
        let x = Tensor::<4>::ones([2, 2, 1, 1], &device);
        let classes = Tensor::<1, Int>::from_ints([1, 0], &device);
        let levels = Tensor::<1, Int>::from_ints([1, 1], &device);
        let both = embedding().forward(x.clone(), Some(&classes), Some(&levels));
        assert_eq!(values(both), [11.125, 21.0, 2.125, 3.0]);
        let without_levels = embedding().forward(x, Some(&classes), None);
        assert_eq!(values(without_levels), [11.5, 21.25, 2.5, 3.25]);
    }

    #[test]
    fn a_table_of_levels_alone_is_added_alone() {
        let device = Device::flex();
        let of_levels = Embedding {
            classes: None,
            ..embedding()
        };
        let x = Tensor::<4>::ones([2, 2, 1, 1], &device);
        let levels = Tensor::<1, Int>::from_ints([1, 0], &device);
        let got = of_levels.forward(x.clone(), None, Some(&levels));
        assert_eq!(values(got), [1.125, 1.0, 1.5, 1.25]);
        assert_eq!(
            values(of_levels.forward(x, None, None)),
            [1.5, 1.25, 1.5, 1.25]
        );
    }

    #[test]
    fn at_first_it_changes_nothing() {
        let device = Device::flex();
        let x = Tensor::<4>::full([2, 3, 2, 2], 0.7, &device);
        let y = Tensor::<1, Int>::from_ints([4, 0], &device);
        for (classes, levels) in [(0, 0), (5, 0), (0, 5), (5, 5)] {
            let embedding = Embedding::init(classes, levels, 3, &device);
            let got = embedding.forward(x.clone(), Some(&y), Some(&y));
            assert_eq!(got.into_data(), x.to_data());
        }
    }
}
