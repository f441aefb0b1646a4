//! Hold the weights of many chains to posteriors that are known: fixed seeds, five standard errors.

use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use ebm_core::{Distribution, NoiseKey, Schedule, StepKey, Stream, index_tensor};
use ebm_langevin::{LangevinConfig, Method, Noise, Sampler, perturb};

use super::super::WeightStep;
use crate::optimizer::{Adam, OptimizerConfig, OptimizerMethod};

/// Data of a regression, and how many of them a chain sees in a step.
const IMAGES: usize = 24;
const BATCH: usize = 12;
/// Chains, each with noise and batches of its own: places of one vector of weights, which the optimizer moves at once.
const CHAINS: usize = 20_000;
/// λ.
const PRECISION: f64 = 2.0;
/// σ² of the noise of a linear regression.
const VARIANCE: f64 = 0.25;

/// Two weights w, given pairs of inputs x and targets y.
struct Regression {
    /// `[IMAGES, 2]`.
    x: Tensor<2>,
    /// `[IMAGES]`.
    y: Tensor<1>,
    /// The derivative of the loss of a datum with respect to m = wᵀx, as a function of m and y.
    slope: fn(Tensor<2>, Tensor<2>) -> Tensor<2>,
}

impl Regression {
    /// y = 0.8·x₁ − 0.5·x₂ and something that no line explains, under ½(m − y)²/σ².
    fn linear() -> Self {
        let rest = |i: usize| 0.6 * (i as f64 * 2.3).sin();
        let y = inputs().into_iter().enumerate();
        let y = y.map(|(i, [a, b])| 0.8 * a - 0.5 * b + rest(i));
        Self::of(y.collect(), |m, y| (m - y) / VARIANCE)
    }

    /// Two classes that overlap, under −log p(y | m), p(1 | m) = 1/(1 + e⁻ᵐ).
    fn logistic() -> Self {
        let y = inputs().into_iter().enumerate();
        let y = y.map(|(i, [a, b])| f64::from(a - 2.0 * b + (i as f64 * 2.3).sin() > 0.0));
        Self::of(y.collect(), |m, y| activation::sigmoid(m) - y)
    }

    fn of(y: Vec<f64>, slope: fn(Tensor<2>, Tensor<2>) -> Tensor<2>) -> Self {
        let device = Device::flex();
        let x: Vec<f32> = inputs().iter().flatten().map(|&x| x as f32).collect();
        let y: Vec<f32> = y.into_iter().map(|y| y as f32).collect();
        Self {
            x: Tensor::from_data(TensorData::new(x, [IMAGES, 2]), &device),
            y: Tensor::from_data(TensorData::new(y, [IMAGES]), &device),
            slope,
        }
    }

    /// The gradient of the mean loss of a batch that each chain draws for itself, with replacement.
    ///
    /// # Shapes
    /// - `weights`, and what is returned: `[2 · CHAINS]`
    fn gradient(&self, weights: &Tensor<1>, key: NoiseKey) -> Tensor<1> {
        let device = weights.device();
        let chains: Vec<u32> = (0..CHAINS as u32).collect();
        let places = Noise {
            key,
            distribution: Distribution::Uniform,
            scale: IMAGES as f32,
        };
        let zeros = Tensor::<2>::zeros([CHAINS, BATCH], &device);
        let places = perturb(zeros, &index_tensor(&chains, &device), places);
        let places = places.floor().clamp(0.0, (IMAGES - 1) as f64);
        let places: Tensor<1, Int> = places.reshape([CHAINS * BATCH]).int();
        let x = self.x.clone().select(0, places.clone());
        let x = x.reshape([CHAINS, BATCH, 2]);
        let y = self.y.clone().select(0, places).reshape([CHAINS, BATCH]);
        let m = x.clone() * weights.clone().reshape([CHAINS, 1, 2]);
        let slope = (self.slope)(m.sum_dim(2).reshape([CHAINS, BATCH]), y);
        let each = x * slope.reshape([CHAINS, BATCH, 1]); // [chains, batch, 2]
        each.mean_dim(1).reshape([2 * CHAINS])
    }

    /// The weights of all chains after steps of the optimizer. What `psgld` divides by is the same at every step, as the
    /// term that it leaves out is then zero: G is 1 for the first weight of a chain and ½ for the second.
    fn sampled(
        &self,
        method: OptimizerMethod,
        step_size: f64,
        (steps, seed): (u32, u64),
    ) -> Vec<[f64; 2]> {
        let device = Device::flex();
        let config = OptimizerConfig {
            method,
            beta2: 1.0,
            epsilon: 0.5,
            ..OptimizerConfig::default()
        };
        let mut optimizer = Adam::new(2 * CHAINS, &device);
        let mean_square = [0.25_f32, 2.25].repeat(CHAINS);
        optimizer.mean_square = Tensor::<1>::from_floats(&mean_square[..], &device);
        let mut weights = Tensor::<1>::zeros([2 * CHAINS], &device);
        for iteration in 0..steps {
            let key = StepKey::new(seed, iteration);
            let gradient = self.gradient(&weights, key.stream(Stream::DataOrder));
            let step = WeightStep {
                step_size,
                images: IMAGES as u64,
                prior_precision: PRECISION,
                temperature: 1.0,
                key: key.stream(Stream::WeightNoise),
            };
            let norm = Tensor::ones([1], &device);
            let update = optimizer.langevin_step(&config, &step, weights, gradient, norm);
            weights = update.parameters;
        }
        pairs(weights.into_data())
    }

    /// What the chains tell where the step size is extrapolated to zero, in which errors are linear at first.
    fn at_step_size_zero(&self, method: OptimizerMethod, step_size: f64, steps: u32) -> Moments {
        let small = Moments::of(&self.sampled(method, step_size, (steps, 2011)));
        let large = Moments::of(&self.sampled(method, 2.0 * step_size, (steps / 2, 2016)));
        let value = |i: usize| {
            let (small, large) = (small.0[i], large.0[i]);
            let error = (4.0 * small.error.powi(2) + large.error.powi(2)).sqrt();
            Estimate {
                value: 2.0 * small.value - large.value,
                error,
            }
        };
        Moments(core::array::from_fn(value))
    }
}

/// x of every datum.
fn inputs() -> Vec<[f64; 2]> {
    let input = |i: usize| [(i as f64 * 0.9).cos(), (i as f64 * 1.7).sin() + 0.3];
    (0..IMAGES).map(input).collect()
}

fn pairs(data: TensorData) -> Vec<[f64; 2]> {
    let values: Vec<f64> = data.iter::<f64>().collect();
    values.chunks(2).map(|pair| [pair[0], pair[1]]).collect()
}

/// A number, and its standard error.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    value: f64,
    error: f64,
}

impl Estimate {
    /// The mean of independent numbers.
    fn mean_of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let n = values.clone().count() as f64;
        let value = values.clone().sum::<f64>() / n;
        let variance = values.map(|it| (it - value).powi(2)).sum::<f64>() / (n - 1.0);
        let error = (variance / n).sqrt();
        Self { value, error }
    }
}

/// Both means, both variances, and the covariance.
#[derive(Debug)]
struct Moments([Estimate; 5]);

impl Moments {
    fn of(values: &[[f64; 2]]) -> Self {
        let means = [0, 1].map(|i| Estimate::mean_of(values.iter().map(move |it| it[i])));
        let centred = |i: usize| move |it: &[f64; 2]| it[i] - means[i].value;
        let product = |i: usize, j: usize| {
            let (a, b) = (centred(i), centred(j));
            let products: Vec<f64> = values.iter().map(|it| a(it) * b(it)).collect();
            Estimate::mean_of(products.iter().copied())
        };
        Self([
            means[0],
            means[1],
            product(0, 0),
            product(1, 1),
            product(0, 1),
        ])
    }

    #[track_caller]
    fn assert_is(&self, expected: [Estimate; 5]) {
        for (got, expected) in self.0.iter().zip(expected) {
            let error = (got.error.powi(2) + expected.error.powi(2)).sqrt();
            let distance = (got.value - expected.value).abs() / error;
            assert!(
                distance < 5.0,
                "{got:?} is not {expected:?}: {distance} standard errors"
            );
        }
    }
}

/// Mean and covariance of p(w | x, y) ∝ exp(−Σ ½(wᵀx − y)²/σ² − ½λ‖w‖²), in closed form.
fn posterior_of_linear_regression() -> [Estimate; 5] {
    let (mut a, mut b, mut d) = (PRECISION, 0.0, PRECISION);
    let mut moment = [0.0; 2];
    let rest = |i: usize| 0.6 * (i as f64 * 2.3).sin();
    for (i, [x, z]) in inputs().into_iter().enumerate() {
        let y = 0.8 * x - 0.5 * z + rest(i);
        a += x * x / VARIANCE;
        b += x * z / VARIANCE;
        d += z * z / VARIANCE;
        moment[0] += x * y / VARIANCE;
        moment[1] += z * y / VARIANCE;
    }
    let determinant = a * d - b * b;
    let [var_0, var_1, cov] = [d, a, -b].map(|it| it / determinant);
    let mean_0 = var_0 * moment[0] + cov * moment[1];
    let mean_1 = cov * moment[0] + var_1 * moment[1];
    [mean_0, mean_1, var_0, var_1, cov].map(|value| Estimate { value, error: 0.0 })
}

#[test]
fn weights_of_a_linear_regression_are_sampled_from_its_posterior() {
    // η·61 = 0.05, and 61 is the largest eigenvalue of the posterior's precision: what is left of the start is e⁻⁸.
    // Batches make variances at this η 5 % too large, and 0.3 % too small once extrapolated.
    let sampled = Regression::linear().at_step_size_zero(OptimizerMethod::Sgld, 8.2e-4, 200);
    sampled.assert_is(posterior_of_linear_regression());
}

#[test]
fn a_fixed_preconditioner_leaves_the_posterior_of_a_linear_regression_as_it_is() {
    // Twice the steps, as the second weight goes half as far in each.
    let sampled = Regression::linear().at_step_size_zero(OptimizerMethod::Psgld, 8.2e-4, 400);
    sampled.assert_is(posterior_of_linear_regression());
}

#[test]
fn weights_of_a_logistic_regression_are_those_of_long_hamiltonian_dynamics() {
    let sampled = Regression::logistic().at_step_size_zero(OptimizerMethod::Sgld, 0.01, 240);
    let Regression { x, y, .. } = Regression::logistic();
    let x = x.transpose(); // [2, images]
    let y = y.unsqueeze_dim::<2>(0);
    let potential = |w: Tensor<2>| -> Tensor<1> {
        let m = w.clone().matmul(x.clone()); // [chains, images]
        let losses = (m.clone().exp() + 1.0).log() - m * y.clone();
        let prior = w.square().sum_dim(1) * (PRECISION / 2.0);
        (losses.sum_dim(1) + prior).squeeze_dim(1)
    };
    let config = LangevinConfig {
        method: Method::Hmc,
        num_steps: 40,
        step_size: Schedule::Constant(0.2),
        leapfrog_steps: 6,
        bounds: None,
        ..LangevinConfig::default()
    };
    let ids: Vec<u32> = (0..CHAINS as u32).collect();
    let start = Tensor::<2>::zeros([CHAINS, 2], &Device::flex());
    let sampler = Sampler::new(config, NoiseKey::new(2011, Stream::Sample, 0));
    let sampler = sampler.with_piece_size(CHAINS.div_ceil(2));
    let exact = sampler.run(start, &ids, &potential).x;
    sampled.assert_is(Moments::of(&pairs(exact.into_data())).0);
}
