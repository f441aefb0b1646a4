//! Make layers depend on a class: biases of their input, gains of their output.
//!
//! Du & Mordatch (2019), released code: a convolution sees x + gb[y], and its output is multiplied
//! by g[y] + cb.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};

use crate::ops::{scale, shift};

/// gb: a bias of every pixel of a layer's input, by class, zero at first; without classes one vector
/// for all images.
#[derive(Module, Debug)]
pub(crate) struct InputBias {
    /// `[classes, channels_in]`, or `[1, channels_in]` without classes.
    pub(crate) table: Param<Tensor<2>>,
}

impl InputBias {
    pub(crate) fn init(num_classes: usize, channels: usize, device: &Device) -> Self {
        let table = Tensor::zeros([num_classes.max(1), channels], device);
        Self {
            table: Param::from_tensor(table),
        }
    }

    /// # Shapes
    /// - `x`: `[batch, channels_in, height, width]`, `y`: `[batch]`
    pub(crate) fn forward(&self, x: Tensor<4>, y: Option<&Tensor<1, Int>>) -> Tensor<4> {
        shift(x, as_channels(rows(&self.table, y)))
    }
}

/// g + cb: a factor of a layer's output, by class, one at first; without classes one vector for all
/// images.
#[derive(Module, Debug)]
pub(crate) struct ClassGain {
    /// g, `[classes, channels_out]`, or `[1, channels_out]` without classes.
    pub(crate) table: Param<Tensor<2>>,
    /// cb, `[channels_out]`, where there are classes.
    pub(crate) shared: Option<Param<Tensor<1>>>,
}

impl ClassGain {
    pub(crate) fn init(num_classes: usize, channels: usize, device: &Device) -> Self {
        let shared = || Param::from_tensor(Tensor::zeros([channels], device));
        Self {
            table: Param::from_tensor(Tensor::ones([num_classes.max(1), channels], device)),
            shared: (num_classes > 0).then(shared),
        }
    }

    /// # Shapes
    /// - `x`: `[batch, channels_out, height, width]`, `y`: `[batch]`
    pub(crate) fn forward(&self, x: Tensor<4>, y: Option<&Tensor<1, Int>>) -> Tensor<4> {
        scale(x, as_channels(self.shifted(rows(&self.table, y))))
    }

    /// g + cb of every class, `[classes, channels_out]`.
    #[cfg(feature = "wgpu")]
    pub(crate) fn of_classes(&self) -> Tensor<2> {
        self.shifted(self.table.val())
    }

    fn shifted(&self, gain: Tensor<2>) -> Tensor<2> {
        match &self.shared {
            Some(shared) => gain + shared.val().unsqueeze(),
            None => gain,
        }
    }
}

/// The row of each image's class, `[batch, channels]`; the only row where there are no classes.
pub(super) fn rows(table: &Param<Tensor<2>>, y: Option<&Tensor<1, Int>>) -> Tensor<2> {
    let table = table.val();
    match y {
        Some(y) => table.select(0, y.clone()),
        None => {
            let [classes, _] = table.dims();
            assert_eq!(
                classes, 1,
                "an energy given {classes} classes needs a class per image"
            );
            table
        }
    }
}

/// `[batch, channels]` to `[batch, channels, 1, 1]`.
pub(super) fn as_channels(rows: Tensor<2>) -> Tensor<4> {
    let [batch, channels] = rows.dims();
    rows.reshape([batch, channels, 1, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_takes_the_bias_and_the_gain_of_its_class() {
        let device = Device::flex();
        let bias = InputBias {
            table: Param::from_data([[1.0f32, 2.0], [10.0, 20.0]], &device),
        };
        let gain = ClassGain {
            table: Param::from_data([[1.0f32, 3.0], [5.0, 7.0]], &device),
            shared: Some(Param::from_data([0.5f32, -1.0], &device)),
        };
        let y = Tensor::<1, Int>::from_ints([1, 0], &device);
        let x = Tensor::<4>::ones([2, 2, 1, 1], &device);
        let values = |x: Tensor<4>| x.into_data().iter::<f32>().collect::<Vec<_>>();
        assert_eq!(
            values(bias.forward(x.clone(), Some(&y))),
            [11.0, 21.0, 2.0, 3.0]
        );
        assert_eq!(values(gain.forward(x, Some(&y))), [5.5, 6.0, 1.5, 2.0]);
    }

    #[test]
    fn at_first_they_change_nothing() {
        let device = Device::flex();
        let x = Tensor::<4>::full([2, 3, 2, 2], 0.7, &device);
        let y = Tensor::<1, Int>::from_ints([4, 0], &device);
        for (classes, y) in [(0, None), (5, Some(&y))] {
            let biased = InputBias::init(classes, 3, &device).forward(x.clone(), y);
            let scaled = ClassGain::init(classes, 3, &device).forward(biased, y);
            assert_eq!(scaled.into_data(), x.to_data());
        }
    }

    #[test]
    #[should_panic = "an energy given 4 classes needs a class per image"]
    fn refuses_to_choose_a_class() {
        let device = Device::flex();
        let bias = InputBias::init(4, 1, &device);
        bias.forward(Tensor::zeros([1, 1, 1, 1], &device), None);
    }
}
