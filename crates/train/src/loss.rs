//! State the training objective.

use burn::tensor::Tensor;

/// The terms of the objective, tracked.
#[derive(Clone, Debug)]
pub struct Loss {
    /// mean E(x₊) − mean E(x₋), `[1]`.
    pub contrastive: Tensor<1>,
    /// α·(mean E(x₊)² + mean E(x₋)²), `[1]`.
    pub regularization: Tensor<1>,
}

impl Loss {
    /// What is minimised, `[1]`.
    pub fn total(&self) -> Tensor<1> {
        self.contrastive.clone() + self.regularization.clone()
    }
}

/// The contrastive divergence of Du & Mordatch (2019), §3.2, with the L2 penalty of energies α:
/// mean E₊ − mean E₋ + α·(mean E₊² + mean E₋²).
///
/// # Shapes
/// - `e_pos`: `[batch]`, energies of data
/// - `e_neg`: `[batch']`, energies of samples
pub fn contrastive_divergence(e_pos: Tensor<1>, e_neg: Tensor<1>, energy_l2: f64) -> Loss {
    let squares = e_pos.clone().square().mean() + e_neg.clone().square().mean();
    Loss {
        contrastive: e_pos.mean() - e_neg.mean(),
        regularization: squares * energy_l2,
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn the_terms_are_those_of_the_equation() {
        let device = Device::flex();
        let e_pos = Tensor::<1>::from_floats([1.0, 3.0], &device);
        let e_neg = Tensor::<1>::from_floats([-2.0, 0.0, 5.0, 1.0], &device);
        let loss = contrastive_divergence(e_pos, e_neg, 0.1);
        assert_eq!(loss.contrastive.clone().into_scalar::<f32>(), 2.0 - 1.0);
        let squares: f32 = (1.0 + 9.0) / 2.0 + (4.0 + 0.0 + 25.0 + 1.0) / 4.0;
        let regularization = loss.regularization.clone().into_scalar::<f32>();
        assert!((regularization - 0.1 * squares).abs() < 1e-6);
        assert!((loss.total().into_scalar::<f32>() - (1.0 + 0.1 * squares)).abs() < 1e-6);
    }
}
