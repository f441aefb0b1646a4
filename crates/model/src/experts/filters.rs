//! Show experts as images: what their responses multiply pixels by, and which pattern they respond to.

use burn::tensor::Tensor;
use ebm_core::ImageShape;

use super::net::Experts;

/// Experts as images, those first whose energies are the largest on average.
#[derive(Clone, Debug)]
pub struct Filters {
    /// Which expert each is, from 0.
    pub experts: Vec<usize>,
    /// The shape of each image.
    pub shape: ImageShape,
    /// Vwᵢ: what wᵢᵀz multiplies t(x) by, image after image.
    pub receptive_fields: Vec<f32>,
    /// Cov(t(x), wᵢᵀz): by how much t(x) changes on average where the response does, image after image.
    pub patterns: Vec<f32>,
    /// γᵢ.
    pub scales: Vec<f64>,
    /// ‖wᵢ‖, the standard deviation of the response wᵢᵀz.
    pub lengths: Vec<f64>,
}

impl Filters {
    /// γᵢ log(1 + ‖wᵢ‖²/2): the energy of a response as strong as it usually is.
    pub fn strength(&self, place: usize) -> f64 {
        strength(self.scales[place], self.lengths[place])
    }
}

fn strength(scale: f64, length: f64) -> f64 {
    scale * (0.5 * length * length).ln_1p()
}

impl Experts {
    /// All experts as images.
    pub fn filters(&self) -> Filters {
        let weight = self.weight.val().without_autodiff();
        let whitening = self.whitening.like(&weight);
        let lengths = values(weight.clone().square().sum_dim(0).sqrt());
        let scales = values(self.log_scale.val().without_autodiff().exp());
        // Column k of V is uₖ/√λₖ, and Cov(t(x), zₖ) = √λₖ·uₖ.
        let squares = whitening.matrix.clone().square().sum_dim(0); // 1/λₖ, [1, dimensions]
        let images = |of_coordinates: Tensor<2>| {
            values(of_coordinates.matmul(weight.clone()).transpose()) // [experts, pixels]
        };
        let receptive_fields = images(whitening.matrix.clone());
        let patterns = images(whitening.matrix / squares);
        let of = |place: usize| strength(scales[place], lengths[place]);
        let mut order: Vec<usize> = (0..scales.len()).collect();
        order.sort_by(|&a, &b| of(b).total_cmp(&of(a)));
        let pixels = self.shape.pixels();
        let sorted = |images: Vec<f64>| -> Vec<f32> {
            let in_order = order
                .iter()
                .flat_map(|&it| &images[it * pixels..(it + 1) * pixels]);
            in_order.map(|&value| value as f32).collect()
        };
        Filters {
            receptive_fields: sorted(receptive_fields),
            patterns: sorted(patterns),
            scales: order.iter().map(|&it| scales[it]).collect(),
            lengths: order.iter().map(|&it| lengths[it]).collect(),
            shape: self.shape,
            experts: order,
        }
    }
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}
