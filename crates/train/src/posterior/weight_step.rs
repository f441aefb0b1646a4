//! Take a Langevin step of the weights, under U(θ) = N·loss(θ) + ½λ‖θ‖².
//!
//! Their noise is that of chains of [`ebm_langevin`], of which each stretch of the vector is one: a function of seed,
//! attempt, iteration and place, made by all threads of a CPU.

use burn::tensor::Tensor;
use ebm_core::{Distribution, NoiseKey, index_tensor};
use ebm_langevin::{Noise, perturb};

use crate::parameters::each_element;

/// Weights of a chain; the last chain may have fewer.
const CHAIN: usize = 1 << 16;

/// A Langevin step of the weights.
#[derive(Clone, Copy, Debug)]
pub struct WeightStep {
    /// η, half of the published ε.
    pub step_size: f64,
    /// N: images over which the loss is a mean.
    pub images: u64,
    /// λ of the prior N(0, I/λ).
    pub prior_precision: f64,
    /// T; 0 for no noise.
    pub temperature: f64,
    /// The random numbers of ξ.
    pub key: NoiseKey,
}

impl WeightStep {
    /// Stochastic gradient Langevin dynamics (Welling & Teh 2011, eq. 4): θ ← θ − η∇U(θ) + √(2ηT)·ξ,
    /// ∇U(θ) = N·g + λθ with g the gradient of the mean loss of a batch. Samples exp(−U(θ)/T) as η → 0.
    ///
    /// # Shapes
    /// - `weights`, `gradient`, and what is returned: `[parameters]`
    pub fn sgld(&self, weights: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        let noise = self.noise(&weights);
        let [moved] = each_element([weights, gradient, noise], |[weights, gradient, noise]| {
            let slope = self.slope(&weights, gradient);
            [weights - slope * self.step_size + noise]
        });
        moved
    }

    /// Preconditioned SGLD (Li et al., *Preconditioned stochastic gradient Langevin dynamics for deep neural networks*,
    /// 2016, alg. 1): V ← αV + (1 − α)·g∘g, G = 1/(ε + √V), θ ← θ − ηG∘∇U(θ) + √(2ηTG)∘ξ. The term Γ(θ) = ∇·G(θ)
    /// is left out, as in the published experiments.
    ///
    /// Returns θ and V.
    ///
    /// # Shapes
    /// - `weights`, `gradient`, `mean_square` (V), and what is returned: `[parameters]`
    pub fn psgld(
        &self,
        weights: Tensor<1>,
        gradient: Tensor<1>,
        mean_square: Tensor<1>,
        (decay, epsilon): (f64, f64),
    ) -> [Tensor<1>; 2] {
        let noise = self.noise(&weights);
        let old = [weights, gradient, mean_square, noise];
        each_element(old, |[weights, gradient, mean_square, noise]| {
            let mean_square = mean_square * decay + gradient.clone().square() * (1.0 - decay);
            let scale = (mean_square.clone().sqrt() + epsilon).recip(); // G
            let slope = self.slope(&weights, gradient) * scale.clone();
            let moved = weights - slope * self.step_size + noise * scale.sqrt();
            [moved, mean_square]
        })
    }

    /// ∇U(θ) = N·g + λθ.
    fn slope(&self, weights: &Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        gradient * self.images as f64 + weights.clone() * self.prior_precision
    }

    /// √(2ηT)·ξ for every weight, `[parameters]`: that of place i is of pixel i mod [`CHAIN`] of chain i / [`CHAIN`].
    fn noise(&self, weights: &Tensor<1>) -> Tensor<1> {
        if self.temperature == 0.0 {
            return weights.zeros_like();
        }
        let noise = Noise {
            key: self.key,
            distribution: Distribution::Normal,
            scale: (2.0 * self.step_size * self.temperature).sqrt() as f32,
        };
        let (device, [elements]) = (weights.device(), weights.dims());
        let (whole, rest) = (elements / CHAIN, elements % CHAIN);
        let of_chains = |first: usize, num: usize, len: usize| {
            let chains: Vec<u32> = (first..first + num).map(|chain| chain as u32).collect();
            let zeros = Tensor::<2>::zeros([num, len], &device);
            let noise = perturb(zeros, &index_tensor(&chains, &device), noise);
            noise.reshape([num * len])
        };
        let groups = [(0, whole, CHAIN), (whole, 1, rest)].into_iter();
        let groups = groups.filter(|(_, num, len)| num * len > 0);
        let parts = groups.map(|(first, num, len)| of_chains(first, num, len));
        Tensor::cat(parts.collect(), 0)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use ebm_core::{StepKey, Stream};

    use super::*;

    fn step(temperature: f64) -> WeightStep {
        WeightStep {
            step_size: 0.01,
            images: 10,
            prior_precision: 2.0,
            temperature,
            key: StepKey::new(5, 7).stream(Stream::WeightNoise),
        }
    }

    fn vector(values: &[f32]) -> Tensor<1> {
        Tensor::from_floats(values, &Device::flex())
    }

    fn values(tensor: Tensor<1>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    fn assert_close(got: &[f32], expected: &[f32]) {
        assert_eq!(got.len(), expected.len());
        let is_close = |(got, expected): (&f32, &f32)| (got - expected).abs() < 1e-6;
        assert!(
            got.iter().zip(expected).all(is_close),
            "{got:?}, {expected:?}"
        );
    }

    #[test]
    fn without_noise_it_is_a_step_down_the_posterior_of_all_images() {
        let moved = step(0.0).sgld(vector(&[1.0, -3.0]), vector(&[0.5, 0.0]));
        // 1 − 0.01·(10·0.5 + 2·1), −3 − 0.01·(2·(−3)).
        assert_close(&values(moved), &[0.93, -2.94]);
    }

    #[test]
    fn the_noise_has_the_variance_of_its_temperature_and_its_own_numbers() {
        let zeros = || vector(&[0.0; 7]);
        let moved = values(step(4.0).sgld(zeros(), zeros()));
        let mut expected = [0.0; 7];
        step(4.0).key.fill(0, Distribution::Normal, &mut expected);
        let scale = (2.0f32 * 0.01 * 4.0).sqrt();
        assert_close(&moved, &expected.map(|draw| draw * scale));
        assert!(moved.iter().all(|draw| *draw != 0.0));
    }

    #[test]
    fn the_noise_of_a_weight_is_a_function_of_its_place_in_a_vector_of_any_length() {
        let zeros = |len: usize| vector(&vec![0.0; len]);
        let scale = (2.0f32 * 0.01 * 4.0).sqrt();
        for (len, of_chains) in [
            (2 * CHAIN + 5, &[CHAIN, CHAIN, 5][..]),
            (CHAIN, &[CHAIN]),
            (CHAIN + 1, &[CHAIN, 1]),
        ] {
            let moved = values(step(4.0).sgld(zeros(len), zeros(len)));
            let mut expected = Vec::with_capacity(len);
            for (chain, &len) in (0..).zip(of_chains) {
                let mut draws = vec![0.0; len];
                step(4.0).key.fill(chain, Distribution::Normal, &mut draws);
                expected.extend(draws.iter().map(|draw| draw * scale));
            }
            assert_eq!(moved.len(), len);
            let is_close = |(got, expected): (&f32, &f32)| (got - expected).abs() < 1e-6;
            assert!(moved.iter().zip(&expected).all(is_close), "{len} weights");
        }
    }

    #[test]
    fn a_preconditioner_scales_step_and_noise_by_the_root_of_mean_squares() {
        let start = || {
            (
                vector(&[1.0, 1.0]),
                vector(&[0.5, 0.0]),
                vector(&[0.25, 0.0]),
            )
        };
        let (weights, gradient, mean_square) = start();
        let [moved, mean_square] = step(0.0).psgld(weights, gradient, mean_square, (0.75, 0.5));
        // V = 0.75·0.25 + 0.25·0.25 = 0.25 and 0; G = 1/(0.5 + 0.5) and 1/0.5.
        assert_close(&values(mean_square), &[0.25, 0.0]);
        assert_close(&values(moved.clone()), &[1.0 - 0.07, 1.0 - 2.0 * 0.02]);
        let (weights, gradient, mean_square) = start();
        let [warm, _] = step(1.0).psgld(weights, gradient, mean_square, (0.75, 0.5));
        let mut draws = [0.0; 2];
        step(1.0).key.fill(0, Distribution::Normal, &mut draws);
        let scale = (2.0f32 * 0.01).sqrt();
        let expected = [draws[0] * scale, draws[1] * scale * 2.0f32.sqrt()];
        assert_close(&values(warm - moved), &expected);
    }

    #[test]
    fn a_gradient_that_is_not_a_number_is_not_hidden() {
        let nan = || vector(&[f32::NAN]);
        assert!(values(step(1.0).sgld(vector(&[1.0]), nan()))[0].is_nan());
        let [moved, _] = step(1.0).psgld(vector(&[1.0]), nan(), vector(&[0.0]), (0.9, 1e-5));
        assert!(values(moved)[0].is_nan());
    }
}
