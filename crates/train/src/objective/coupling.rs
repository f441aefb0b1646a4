//! Pair noise with images: at random, or so that all paths together are as short as they can be.

use burn::tensor::Tensor;
use ebm_core::index_tensor;
use ebm_core::rows::flatten_rows;
use pathfinding::kuhn_munkres::kuhn_munkres;
use pathfinding::matrix::Matrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which noise of a batch is paired with which image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coupling {
    /// Any with any.
    #[default]
    Independent,
    /// Those whose squared distances have the least sum (Tong et al. 2024): an exact assignment in the batch, on
    /// the CPU.
    Optimal,
}

/// Factor by which products of pixels become whole numbers.
const FIXED_POINT: f64 = (1u64 << 24) as f64;

impl Coupling {
    /// The image of each noise, by its place; `None` where they stay as they are.
    ///
    /// # Shapes
    /// - `noise`, `images`: `[batch, channels, height, width]`
    pub(super) fn partners(self, noise: &Tensor<4>, images: &Tensor<4>) -> Option<Vec<u32>> {
        match self {
            Self::Independent => None,
            Self::Optimal => Some(assignment(noise, images)),
        }
    }
}

/// The permutation with the least Σ‖x₀ − x₁‖² = const − 2·Σ x₀·x₁.
fn assignment(noise: &Tensor<4>, images: &Tensor<4>) -> Vec<u32> {
    let [noise, images] = [noise, images].map(|all| flatten_rows(all.clone()) - 0.5);
    let products = noise.matmul(images.transpose()).into_data(); // [batch, batch]
    let products = products.iter::<f32>();
    let whole: Vec<i64> = products
        .map(|product| (f64::from(product) * FIXED_POINT) as i64)
        .collect();
    let size = whole.len().isqrt();
    let products = Matrix::from_vec(size, size, whole).expect("a row for each noise");
    let (_, partners) = kuhn_munkres(&products);
    partners.into_iter().map(|place| place as u32).collect()
}

/// The images of these places, in their order.
///
/// # Shapes
/// - `images`: `[batch, channels, height, width]`, returns the same
pub(super) fn at_places(images: Tensor<4>, places: &[u32]) -> Tensor<4> {
    let places = index_tensor(places, &images.device());
    images.select(0, places)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use ebm_core::ImageShape;
    use ebm_langevin::noise_images;

    use super::*;

    /// Σ‖x₀ − x₁‖² of a pairing.
    fn cost(noise: &Tensor<4>, images: &Tensor<4>, places: &[u32]) -> f32 {
        let paired = at_places(images.clone(), places);
        (noise.clone() - paired).square().sum().into_scalar::<f32>()
    }

    fn permutations(of: Vec<u32>) -> Vec<Vec<u32>> {
        if of.len() <= 1 {
            return vec![of];
        }
        let choices = 0..of.len();
        let begun = choices.flat_map(|first| {
            let mut rest = of.clone();
            let head = rest.remove(first);
            let ends = permutations(rest).into_iter();
            ends.map(move |end| [vec![head], end].concat())
        });
        begun.collect()
    }

    #[test]
    fn an_optimal_coupling_is_the_cheapest_of_all() {
        let (device, shape) = (Device::flex(), ImageShape::new(1, 2, 3));
        for seed in 0..4 {
            let all = noise_images(12, shape, seed, &device);
            let [noise, images] = [0, 6].map(|at| all.clone().narrow(0, at, 6));
            let found = Coupling::Optimal.partners(&noise, &images).expect("pairs");
            let all = permutations((0..6).collect()).into_iter();
            let least = all
                .map(|places| cost(&noise, &images, &places))
                .fold(f32::INFINITY, f32::min);
            assert!((cost(&noise, &images, &found) - least).abs() < 1e-5);
        }
    }

    #[test]
    fn images_that_are_the_noise_find_it_again() {
        let device = Device::flex();
        let noise = Tensor::<4>::from_data(
            TensorData::new(vec![0.1f32, 0.9, 0.5], [3, 1, 1, 1]),
            &device,
        );
        let images = at_places(noise.clone(), &[2, 0, 1]);
        let partners = Coupling::Optimal.partners(&noise, &images);
        assert_eq!(partners, Some(vec![1, 2, 0]));
        assert_eq!(Coupling::Independent.partners(&noise, &images), None);
    }
}
