//! Take an image from pixels to what is whitened: intensity, and the mean of the patch.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What experts see of a pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intensity {
    /// x.
    #[default]
    Linear,
    /// log(|x| + 1/256): a contrast then counts alike in the light and in the dark.
    Log,
}

/// The width of the darkest byte: what is less than it, no byte tells.
const FLOOR: f64 = 1.0 / 256.0;

impl Intensity {
    /// What is seen of every pixel. The logarithm is that of |x|, so that an image that noise has taken below 0 has one,
    /// and what is no number stays none.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, pixels in [0, 1], returns the same
    pub(super) fn of_pixels(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Linear => x,
            Self::Log => (x.abs() + FLOOR).log(),
        }
    }
}

/// Every image without the mean over all of its elements.
///
/// # Shapes
/// - `t`: `[batch, channels, height, width]`, returns the same
pub(super) fn without_mean(t: Tensor<4>) -> Tensor<4> {
    let batch = t.dims()[0];
    let mean: Tensor<2> = t.clone().flatten(1, 3);
    t - mean.mean_dim(1).reshape([batch, 1, 1, 1])
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn image(values: [f32; 4]) -> Tensor<4> {
        Tensor::<1>::from_floats(values, &Device::flex()).reshape([1, 1, 2, 2])
    }

    fn values(x: Tensor<4>) -> Vec<f32> {
        x.into_data().iter::<f32>().collect()
    }

    #[test]
    fn a_logarithm_has_a_floor_of_a_byte_and_stays_finite_outside_the_pixels_range() {
        let x = image([0.0, 1.0 - 1.0 / 256.0, 3.0 / 256.0, -3.0 / 256.0]);
        let seen = values(Intensity::Log.of_pixels(x.clone()));
        let expected = [
            (1f32 / 256.0).ln(),
            0.0,
            (4f32 / 256.0).ln(),
            (4f32 / 256.0).ln(),
        ];
        for (seen, expected) in seen.iter().zip(expected) {
            assert!((seen - expected).abs() < 1e-6, "{seen} is not {expected}");
        }
        assert_eq!(values(Intensity::Linear.of_pixels(x.clone())), values(x));
        let broken = Intensity::Log.of_pixels(image([f32::NAN, 0.5, 0.5, 0.5]));
        assert!(values(broken)[0].is_nan());
    }

    #[test]
    fn the_mean_of_every_image_is_taken_off_it_alone() {
        let two = Tensor::cat(vec![image([1.0, 2.0, 3.0, 6.0]), image([5.0; 4])], 0);
        let got = values(without_mean(two));
        assert_eq!(got, [-2.0, -1.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
