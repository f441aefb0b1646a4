//! Compute the energy of a picture from those of all of its patches.

use burn::tensor::Tensor;
use ebm_core::{Energy, index_tensor};

use super::net::Experts;
use super::steps::Intensity;
use crate::locality::Locality;
use crate::ops::{ConvGeometry, conv2d};

/// The energy of pictures of any size: Σ E(patch)/p over as many patches as there are pixels, one around each, with p
/// pixels in a patch. So every pixel counts once, in p patches of a p-th each; beyond its ends the picture goes on as its
/// mirror image.
#[derive(Debug)]
pub struct OverPatches {
    /// What responses multiply t(x) by, `[experts, channels, height, width]`.
    kernels: Tensor<4>,
    /// What the means subtract from responses, negative, `[experts]`.
    offsets: Tensor<1>,
    /// γᵢ/p, `[1, experts, 1, 1]`.
    weights: Tensor<4>,
    /// See [`steepness`](Self::steepness).
    steepness: f64,
}

impl Experts {
    /// The energy of pictures, the weights as they are now as constants; `None` where experts see no linear intensity.
    pub fn over_patches(&self) -> Option<OverPatches> {
        if self.intensity != Intensity::Linear {
            return None;
        }
        let weight = self.weight.val().without_autodiff();
        let scale = self.log_scale.val().without_autodiff().exp();
        let whitening = self.whitening.like(&weight);
        let fields = whitening.matrix.matmul(weight).transpose(); // [experts, pixels]
        let means = whitening.mean.matmul(fields.clone().transpose()); // [1, experts]
        let experts = self.num_experts();
        let [channels, height, width] = self.shape.dims();
        let pixels_of_plane = (height * width) as f64;
        // At the ends of a picture, a pixel is in as many patches, mirror images included, of an odd side; of an even one
        // in a row or column of them more.
        let copies = [height, width].map(|side| (2 * (side / 2) + 1) as f64 / side as f64);
        Some(OverPatches {
            steepness: most_curved(&fields, &scale) * copies[0].max(1.0) * copies[1].max(1.0),
            kernels: fields.reshape([experts, channels, height, width]),
            offsets: means.neg().reshape([experts]),
            weights: (scale / pixels_of_plane).reshape([1, experts, 1, 1]),
        })
    }
}

impl OverPatches {
    /// How far ∇E sees.
    pub fn locality(&self) -> Locality {
        let [.., height, width] = self.kernels.dims();
        Locality {
            reach: height.max(width) - 1,
            divisor: 1,
        }
    }

    /// The least L that is known with ‖∇E(x) − ∇E(y)‖ ≤ L‖x − y‖.
    pub fn steepness(&self) -> f64 {
        self.steepness
    }
}

impl Energy<4> for OverPatches {
    /// # Panics
    /// If pictures have other channels than patches.
    fn energies(&self, x: Tensor<4>) -> Tensor<1> {
        let [_, _, rows, columns] = self.kernels.dims();
        let [batch, ..] = x.dims();
        let whole = mirrored(mirrored(x, 2, margins(rows)), 3, margins(columns));
        let geometry = ConvGeometry {
            stride: [1, 1],
            padding: [(0, 0); 2],
        };
        let (kernels, offsets) = (self.kernels.clone(), self.offsets.clone());
        let responses = conv2d(whole, kernels, Some(offsets), None, geometry);
        let terms = (responses.square() * 0.5).log1p() * self.weights.clone();
        let [_, experts, height, width] = terms.dims();
        let terms: Tensor<2> = terms.reshape([batch, experts * height * width]);
        terms.sum_dim(1).squeeze_dim(1)
    }
}

/// Pixels of a patch before and after the one that it is around, along a side.
fn margins(side: usize) -> [usize; 2] {
    [(side - 1) / 2, side / 2]
}

/// The picture with more pixels before and after the ends of an axis: its mirror image, the last pixel twice.
fn mirrored(x: Tensor<4>, axis: usize, [before, after]: [usize; 2]) -> Tensor<4> {
    let length = x.dims()[axis];
    let round = 2 * length;
    let places = (0..before + length + after).map(|place| {
        // A whole number of rounds up, so that nothing is below 0.
        let along = (place + round * before - before) % round;
        along.min(round - 1 - along) as u32
    });
    let places: Vec<u32> = places.collect();
    let device = x.device().inner();
    x.select(axis, index_tensor(&places, &device))
}

/// The largest eigenvalue of Σᵢ γᵢ fᵢfᵢᵀ, which is the most of the Hessian of a patch's energy, as |φ″| ≤ 1; the mean over
/// the patches that a pixel is in has no more.
///
/// # Shapes
/// - `fields`: `[experts, pixels]`, the fᵢ, `scale`: `[experts]`
fn most_curved(fields: &Tensor<2>, scale: &Tensor<1>) -> f64 {
    /// Power iterations, after which what is missing is less than what is added.
    const ITERATIONS: usize = 50;
    const MORE: f64 = 1.05;
    let weighted = fields.clone() * scale.clone().unsqueeze_dim::<2>(1);
    let matrix = fields.clone().transpose().matmul(weighted); // [pixels, pixels]
    let pixels = matrix.dims()[0];
    // Not all ones: they are no pattern of patches without their mean.
    let values: Vec<f32> = (0..pixels).map(|i| (i as f32 * 1.7).sin() + 0.1).collect();
    let start = Tensor::<1>::from_floats(values.as_slice(), &matrix.device());
    let mut vector: Tensor<2> = start.reshape([pixels, 1]);
    let mut largest = 0.0;
    for _ in 0..ITERATIONS {
        let next = matrix.clone().matmul(vector);
        let length = next.clone().square().sum().sqrt();
        largest = length.clone().into_scalar::<f64>();
        vector = next / length.reshape([1, 1]);
    }
    largest * MORE
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn a_line_goes_on_as_its_mirror_image_as_often_as_it_takes() {
        let line = |values: &[f32], margins| -> Vec<f32> {
            let x = Tensor::<1>::from_floats(values, &Device::flex());
            let x = mirrored(x.reshape([1, 1, 1, values.len()]), 3, margins);
            x.into_data().iter::<f32>().collect()
        };
        let got = line(&[1.0, 2.0, 3.0], [1, 2]);
        assert_eq!(got, [1.0, 1.0, 2.0, 3.0, 3.0, 2.0]);
        let got = line(&[1.0, 2.0], [3, 3]);
        assert_eq!(got, [2.0, 2.0, 1.0, 1.0, 2.0, 2.0, 1.0, 1.0]);
        assert_eq!(line(&[7.0], [4, 5]), [7.0; 10]);
        assert_eq!([margins(3), margins(4)], [[1, 1], [1, 2]]);
    }
}
