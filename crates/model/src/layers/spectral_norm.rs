//! Bound the largest singular value of a weight by one power iteration per training step.
//!
//! Miyato et al., *Spectral normalization for generative adversarial networks* (2018), alg. 1, with
//! the lower bound of Du & Mordatch (2019) for weights that begin near zero.

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;

use super::initialization::standard_normal;

/// How spectral norm bounds a weight, and what it does where the norm is small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// W/σ: the norm is one.
    One,
    /// W/(σ + ε)·min(σ + ε, 1): a norm below one stays as it is.
    AtMostOne,
}

/// ε of [`Bound::AtMostOne`].
const EPSILON: f64 = 1e-6;
/// Below this a vector is not scaled up to length one.
const SHORTEST: f64 = 1e-12;
/// Iterations after which the vectors of a new weight, or of averaged ones, have converged.
const CONVERGED: usize = 100;

/// The singular vectors of a weight's largest singular value, as far as they are known. They are
/// constants: the gradient passes through the weight alone.
#[derive(Clone, Debug)]
pub(crate) struct SpectralNorm {
    /// Left vector, `[1, outputs]`.
    pub(crate) u: Tensor<2>,
    /// Right vector, `[1, inputs · kernel]`.
    pub(crate) v: Tensor<2>,
    bound: Bound,
}

impl SpectralNorm {
    /// The norm of a weight that is `matrix`, `[outputs, inputs · kernel]`, untracked.
    pub(crate) fn new(matrix: Tensor<2>, bound: Bound, rng: &mut impl Rng) -> Self {
        let ([outputs, inputs], device) = (matrix.dims(), matrix.device());
        let mut norm = Self {
            u: unit(random_row(outputs, rng, &device)),
            v: Tensor::zeros([1, inputs], &device),
            bound,
        };
        norm.iterate(matrix, CONVERGED);
        norm
    }

    /// v ← Wᵀu/‖Wᵀu‖, u ← Wv/‖Wv‖, repeated `times` times.
    ///
    /// # Shapes
    /// - `matrix`: `[outputs, inputs · kernel]`, untracked
    pub(crate) fn iterate(&mut self, matrix: Tensor<2>, times: usize) {
        let transposed = matrix.clone().transpose();
        for _ in 0..times {
            self.v = unit(self.u.clone().matmul(matrix.clone()));
            self.u = unit(self.v.clone().matmul(transposed.clone()));
        }
    }

    /// The factor of the weight that is `matrix`, `[1, 1]`: a function of σ = uᵀWv.
    pub(crate) fn factor(&self, matrix: Tensor<2>) -> Tensor<2> {
        let row = self.u.clone().matmul(matrix); // [1, inputs · kernel]
        let sigma = (row * self.v.clone()).sum_dim(1); // [1, 1]
        match self.bound {
            Bound::One => sigma.recip(),
            Bound::AtMostOne => {
                let sigma = sigma + EPSILON;
                sigma.clone().clamp_max(1.0) / sigma
            }
        }
    }
}

/// A weight under spectral norm, and its singular vectors: the state of a network besides its
/// parameters.
#[derive(Debug)]
pub struct NormedWeight<'a> {
    /// Path of the layer, for example `blocks.0.a`.
    pub name: String,
    /// `[outputs, inputs · kernel]`, untracked.
    matrix: Tensor<2>,
    norm: &'a mut SpectralNorm,
}

impl<'a> NormedWeight<'a> {
    /// The weight that is `matrix` if it is under `norm`.
    pub(crate) fn of(
        name: String,
        matrix: impl FnOnce() -> Tensor<2>,
        norm: &'a mut Option<SpectralNorm>,
    ) -> Option<Self> {
        norm.as_mut().map(|norm| Self {
            name,
            matrix: matrix(),
            norm,
        })
    }

    /// One power iteration: once per training step.
    pub fn iterate(&mut self) {
        self.norm.iterate(self.matrix.clone(), 1);
    }

    /// Power iterations until the vectors converge: for a weight that did not change step by step, such
    /// as an average of weights.
    pub fn converge(&mut self) {
        self.norm.iterate(self.matrix.clone(), CONVERGED);
    }

    /// Left and right vector, `[1, outputs]` and `[1, inputs · kernel]`.
    pub fn vectors(&self) -> [Tensor<2>; 2] {
        [self.norm.u.clone(), self.norm.v.clone()]
    }

    /// Put back what [`vectors`](Self::vectors) gave.
    ///
    /// # Panics
    /// If a vector has another length.
    pub fn set_vectors(&mut self, [u, v]: [Tensor<2>; 2]) {
        assert_eq!(u.dims(), self.norm.u.dims(), "left vector of {}", self.name);
        assert_eq!(
            v.dims(),
            self.norm.v.dims(),
            "right vector of {}",
            self.name
        );
        (self.norm.u, self.norm.v) = (u, v);
    }

    /// The weight after its norm is applied, `[outputs, inputs · kernel]`.
    pub fn normalized(&self) -> Tensor<2> {
        self.matrix.clone() * self.norm.factor(self.matrix.clone())
    }
}

/// x/‖x‖.
fn unit(x: Tensor<2>) -> Tensor<2> {
    let length = x.clone().square().sum_dim(1).sqrt();
    x / length.clamp_min(SHORTEST)
}

fn random_row(len: usize, rng: &mut impl Rng, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..len).map(|_| standard_normal(rng)).collect();
    Tensor::from_data(TensorData::new(values, [1, len]), device)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    /// Singular values 3 and 1 with the vectors of a rotation by 30° and one by 60°.
    fn matrix() -> Tensor<2> {
        let ((s, c), (t, d)) = ((0.5f32, 0.75f32.sqrt()), (0.75f32.sqrt(), 0.5f32));
        let [a, b] = [3.0 * c * d + s * t, 3.0 * c * t - s * d];
        let [e, f] = [3.0 * s * d - c * t, 3.0 * s * t + c * d];
        Tensor::from_floats([[a, b], [e, f]], &Device::flex())
    }

    fn norm(matrix: &Tensor<2>, bound: Bound) -> SpectralNorm {
        SpectralNorm::new(matrix.clone(), bound, &mut SmallRng::seed_from_u64(3))
    }

    fn values(x: Tensor<2>) -> Vec<f32> {
        x.into_data().iter::<f32>().collect()
    }

    #[test]
    fn finds_the_largest_singular_value_and_its_vectors() {
        let norm = norm(&matrix(), Bound::One);
        let factor = values(norm.factor(matrix()))[0];
        assert!((factor - 1.0 / 3.0).abs() < 1e-6, "{factor}");
        let [u, v] = [norm.u, norm.v].map(values);
        assert!((u[0].abs() - 0.75f32.sqrt()).abs() < 1e-6 && (u[1].abs() - 0.5).abs() < 1e-6);
        assert!((v[0].abs() - 0.5).abs() < 1e-6 && (v[1].abs() - 0.75f32.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn one_iteration_is_the_one_of_the_paper() {
        // u = (1, 0): Wᵀu is the first row (a, b), and Wv follows from it.
        let matrix = Tensor::<2>::from_floats([[3.0, 4.0], [0.0, 5.0]], &Device::flex());
        let mut norm = norm(&matrix, Bound::One);
        norm.u = Tensor::from_floats([[1.0, 0.0]], &Device::flex());
        norm.iterate(matrix.clone(), 1);
        let v = values(norm.v.clone());
        assert!(
            (v[0] - 0.6).abs() < 1e-6 && (v[1] - 0.8).abs() < 1e-6,
            "{v:?}"
        );
        // Wv = (5, 4), so u = (5, 4)/√41 and σ = uᵀWv = √41.
        let factor = values(norm.factor(matrix))[0];
        assert!((factor - 1.0 / 41f32.sqrt()).abs() < 1e-6, "{factor}");
    }

    #[test]
    fn a_norm_below_one_is_left_alone_by_the_lower_bound() {
        for (scale, expected) in [(1e-10, 1.0), (0.1, 1.0), (10.0, 1.0 / 30.0)] {
            let matrix = matrix() * scale;
            let factor = values(norm(&matrix, Bound::AtMostOne).factor(matrix))[0];
            assert!(
                (factor / expected - 1.0).abs() < 1e-5,
                "{factor} at {scale}"
            );
        }
    }
}
