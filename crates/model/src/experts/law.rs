//! Compute the energy of Student's t experts in whitened coordinates, its slope, and the loss that matches its score.
//!
//! Teh, Welling, Osindero & Hinton, *Energy-based models for sparse overcomplete representations* (2003), §5: the
//! energies log(1 + r²/2) of the responses r, each times a scale. Hyvärinen, *Estimation of non-normalized statistical
//! models by score matching* (2005), eq. 4.

use burn::tensor::Tensor;

use crate::ops::dense;

/// W and γ of the experts, in the dtype of the coordinates.
pub(super) struct Law {
    /// A column wᵢ for every expert, `[dimensions, experts]`.
    pub(super) weight: Tensor<2>,
    /// γᵢ, `[experts]`.
    pub(super) scale: Tensor<1>,
}

impl Law {
    /// E(z) = Σᵢ γᵢ log(1 + rᵢ²/2), rᵢ = wᵢᵀz.
    ///
    /// # Shapes
    /// - `z`: `[batch, dimensions]`, returns `[batch]`
    pub(super) fn energies(&self, z: Tensor<2>) -> Tensor<1> {
        let halves = self.responses(z).square() * 0.5;
        self.weighted(halves.log1p())
    }

    /// ∇E(z) = Σᵢ γᵢ φ′(rᵢ) wᵢ, φ′(r) = r/(1 + r²/2).
    ///
    /// # Shapes
    /// - `z`: `[batch, dimensions]`, returns the same
    pub(super) fn slopes(&self, z: Tensor<2>) -> Tensor<2> {
        let r = self.responses(z);
        let flatness = flatness(&r);
        self.back(r * flatness)
    }

    /// J(z) = ½‖∇E(z)‖² − ΔE(z), ΔE = Σᵢ γᵢ φ″(rᵢ)‖wᵢ‖², φ″(r) = (1 − r²/2)/(1 + r²/2)² (Hyvärinen 2005, eq. 4,
    /// with the score −∇E).
    ///
    /// # Shapes
    /// - `z`: `[batch, dimensions]`, returns `[batch]`
    pub(super) fn score_matching(&self, z: Tensor<2>) -> Tensor<1> {
        let r = self.responses(z);
        let flatness = flatness(&r);
        let slopes = self.back(r.clone() * flatness.clone());
        let curvatures = (r.square() * -0.5 + 1.0) * flatness.square(); // φ″, [batch, experts]
        let lengths = self.weight.clone().square().sum_dim(0); // ‖wᵢ‖², [1, experts]
        let half_squares = slopes.square().sum_dim(1).squeeze_dim::<1>(1) * 0.5;
        half_squares - self.weighted(curvatures * lengths)
    }

    /// r, `[batch, experts]`.
    fn responses(&self, z: Tensor<2>) -> Tensor<2> {
        let none = self.zeros(&z, self.weight.dims()[1]);
        dense(z, self.weight.clone(), none, None)
    }

    /// Σᵢ γᵢ aᵢ wᵢ, `[batch, dimensions]`.
    fn back(&self, a: Tensor<2>) -> Tensor<2> {
        let none = self.zeros(&a, self.weight.dims()[0]);
        let weighted = a * self.scale.clone().unsqueeze_dim::<2>(0);
        dense(weighted, self.weight.clone().transpose(), none, None)
    }

    /// Σᵢ γᵢ aᵢ, `[batch]`.
    fn weighted(&self, a: Tensor<2>) -> Tensor<1> {
        let none = self.zeros(&a, 1);
        dense(a, self.scale.clone().unsqueeze_dim::<2>(1), none, None).squeeze_dim(1)
    }

    fn zeros(&self, like: &Tensor<2>, len: usize) -> Tensor<1> {
        Tensor::zeros([len], (&like.device().inner(), like.dtype()))
    }
}

/// 1/(1 + r²/2).
fn flatness(r: &Tensor<2>) -> Tensor<2> {
    (r.clone().square() * 0.5 + 1.0).recip()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, TensorData};
    use ebm_core::energy_and_gradient;

    use super::*;
    use crate::testing::{assert_close, wave};

    /// Five experts in three dimensions, f64.
    fn law() -> Law {
        let device = Device::flex();
        Law {
            weight: (wave::<2>([3, 5], 4, &device) * 1.5).cast(DType::F64),
            scale: (wave::<1>([5], 9, &device) * 0.4 + 1.0).cast(DType::F64),
        }
    }

    fn points() -> Tensor<2> {
        (wave::<2>([4, 3], 1, &Device::flex()) * 2.0).cast(DType::F64)
    }

    fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
        x.into_data().iter::<f64>().collect()
    }

    #[test]
    fn one_expert_can_be_computed_by_hand() {
        let device = Device::flex();
        let law = Law {
            weight: Tensor::from_floats([[2.0], [-1.0]], &device),
            scale: Tensor::from_floats([3.0], &device),
        };
        // r = 2·1 − 1·(−1) = 3: 1 + r²/2 = 5.5.
        let z = Tensor::<2>::from_floats([[1.0, -1.0]], &device);
        let energy = values(law.energies(z.clone()))[0];
        assert!((energy - 3.0 * 5.5f64.ln()).abs() < 1e-5);
        let slope = 3.0 * 3.0 / 5.5; // γφ′
        let slopes = values(law.slopes(z.clone()));
        assert!((slopes[0] - 2.0 * slope).abs() < 1e-5 && (slopes[1] + slope).abs() < 1e-5);
        // ‖w‖² = 5, φ″ = (1 − 4.5)/5.5².
        let expected = 0.5 * 5.0 * slope * slope + 5.0 * 3.0 * 3.5 / (5.5 * 5.5);
        let loss = values(law.score_matching(z))[0];
        assert!((loss - expected).abs() < 1e-4, "{loss} is not {expected}");
    }

    #[test]
    fn the_slope_is_the_gradient_of_the_energy() {
        let law = law();
        let (_, expected) = energy_and_gradient(points(), &|z| law.energies(z));
        let got = values(law.slopes(points()));
        for (got, expected) in got.iter().zip(values(expected)) {
            assert!((got - expected).abs() < 1e-10, "{got} is not {expected}");
        }
    }

    #[test]
    fn the_loss_is_half_the_squared_slope_less_the_laplacian() {
        let (law, h) = (law(), 1e-4);
        let at = values(points());
        let energy = |at: &[f64]| {
            let z = TensorData::new(at.to_vec(), [4, 3]);
            values(law.energies(Tensor::from_data(z, (&Device::flex(), DType::F64))))
        };
        let slopes = values(law.slopes(points()));
        let middle = energy(&at);
        let mut expected: Vec<f64> = (slopes.chunks(3))
            .map(|slope| 0.5 * slope.iter().map(|it| it * it).sum::<f64>())
            .collect();
        for axis in 0..3 {
            let moved = |by: f64| {
                let mut at = at.clone();
                at.iter_mut().skip(axis).step_by(3).for_each(|it| *it += by);
                energy(&at)
            };
            let sides = moved(h).into_iter().zip(moved(-h)).zip(&middle);
            let second = sides.map(|((ahead, behind), middle)| ahead + behind - 2.0 * middle);
            for (expected, second) in expected.iter_mut().zip(second) {
                *expected -= second / (h * h);
            }
        }
        let got: Vec<f32> = law.score_matching(points()).into_data().iter().collect();
        let expected: Vec<f32> = expected.into_iter().map(|it| it as f32).collect();
        assert_close(&got, &expected, &"losses");
    }
}
