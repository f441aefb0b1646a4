//! Hold the flow to the mean of its velocities, and a contrast beside it to the law of its chains.

use burn::module::{Module, Param};
use burn::tensor::{Device, TensorData};
use ebm_core::{Energy, NoiseKey};
use ebm_langevin::{LangevinConfig, Method};
use ebm_model::{EnergyContext, Frozen, Precision};

use super::*;
use crate::objective::gaussian::{MEAN, Quadratic, STD, data};

/// Bumps of an energy, where the first one is, and how far from each other and how wide they are.
const BUMPS: usize = 6;
const FIRST: f64 = 0.1;
const WIDTH: f64 = 0.2;
const WEIGHTS: usize = 2 + BUMPS;

/// E(x) = θ₁(x − ½) + θ₂(x − ½)²/2 + Σ θⱼ·w·exp(−(x − cⱼ)²/2w²) of one pixel.
#[derive(Module, Debug)]
struct Bumpy {
    weights: Param<Tensor<1>>,
}

impl Bumpy {
    fn new(weights: [f64; WEIGHTS]) -> Self {
        let device = Device::flex().autodiff();
        let weights = Param::from_data(weights.map(|weight| weight as f32), &device);
        Self { weights }
    }
}

impl EnergyModel for Bumpy {
    fn energy_with(&self, x: Tensor<4>, _: EnergyContext<'_>) -> Tensor<1> {
        let x: Tensor<2> = x.flatten(1, 3); // [batch, 1]
        let far = x.clone() - 0.5;
        let bump = |number: usize| {
            let centre = FIRST + WIDTH * number as f64;
            let far = (x.clone() - centre).square();
            (far * (-0.5 / (WIDTH * WIDTH))).exp() * WIDTH
        };
        let smooth = [far.clone(), far.square() / 2.0].into_iter();
        let features = smooth.chain((0..BUMPS).map(bump)).collect();
        let features = Tensor::cat(features, 1); // [batch, weights]
        let terms = features * self.weights.val().unsqueeze();
        terms.sum_dim(1).squeeze_dim(1)
    }
}

/// Mean and standard deviation of images of one pixel.
const PIXEL: [f64; 2] = [0.6, 0.2];
const IMAGES: usize = 4_096;

fn pixels(iteration: u32) -> Batch {
    let mut draws = vec![0.0; IMAGES];
    let key = NoiseKey::new(79, Stream::DataNoise, iteration);
    key.fill(0, Distribution::Normal, &mut draws);
    for draw in &mut draws {
        *draw = PIXEL[0] as f32 + PIXEL[1] as f32 * *draw;
    }
    let images = TensorData::new(draws, [IMAGES, 1, 1, 1]);
    Batch {
        images: Tensor::from_data(images, &Device::flex()),
        labels: vec![0; IMAGES],
    }
}

/// The gradient of the flow's loss over all batches.
fn gradient_at(weights: [f64; WEIGHTS]) -> [f64; WEIGHTS] {
    const BATCHES: u32 = 12;
    let model = Bumpy::new(weights);
    let mut mean = [0.0; WEIGHTS];
    for iteration in 0..BATCHES {
        let step = StepContext::new(StepKey::new(5, iteration), false);
        let found = Flow::default().gradient_of(&model, &pixels(iteration), &step);
        let found = found.flat.into_data();
        for (mean, value) in mean.iter_mut().zip(found.iter::<f64>()) {
            *mean += value / f64::from(BATCHES);
        }
    }
    mean
}

/// The solution of a system of equations, by elimination: a row is its coefficients, then its constant.
fn solution(mut rows: [[f64; WEIGHTS + 1]; WEIGHTS]) -> [f64; WEIGHTS] {
    for pivot in 0..WEIGHTS {
        let own = rows[pivot].map(|value| value / rows[pivot][pivot]);
        for (place, row) in rows.iter_mut().enumerate() {
            let factor = row[pivot];
            *row = match place == pivot {
                true => own,
                false => core::array::from_fn(|column| row[column] - factor * own[column]),
            };
        }
    }
    rows.map(|row| row[WEIGHTS])
}

/// E[x₀ − x₁ | x_t = x] over all times, each as likely as x is then: x_t has the mean m and the variance s², and with
/// x₀ − x₁ the covariance (1 − t)/4 − tσ².
fn mean_velocity(x: f64) -> f64 {
    const TIMES: usize = 2_000;
    let [mean, variance] = [PIXEL[0], PIXEL[1] * PIXEL[1]];
    let at = |place: usize| {
        let t = (place as f64 + 0.5) / TIMES as f64;
        let far = x - ((1.0 - t) / 2.0 + t * mean);
        let of_path = (1.0 - t).powi(2) / 4.0 + t * t * variance;
        let covariance = (1.0 - t) / 4.0 - t * variance;
        let density = (-far * far / (2.0 * of_path)).exp() / of_path.sqrt();
        [density * (0.5 - mean + covariance / of_path * far), density]
    };
    let sums = (0..TIMES)
        .map(at)
        .fold([0.0; 2], |[sum, all], [velocity, density]| {
            [sum + velocity, all + density]
        });
    sums[0] / sums[1]
}

/// The loss is quadratic in the weights, so that a gradient for each of them tells where it is least.
#[test]
fn the_slope_of_the_best_energy_is_the_mean_velocity_over_all_times() {
    let constant = gradient_at([0.0; WEIGHTS]);
    let columns: [_; WEIGHTS] = core::array::from_fn(|weight| {
        let mut unit = [0.0; WEIGHTS];
        unit[weight] = 1.0;
        gradient_at(unit)
    });
    let rows = core::array::from_fn(|row| {
        core::array::from_fn(|column| match column < WEIGHTS {
            true => columns[column][row] - constant[row],
            false => -constant[row],
        })
    });
    let best = Frozen::new(&Bumpy::new(solution(rows)));
    let grid: Vec<f64> = (1..=10).map(|place| 0.1 * f64::from(place)).collect();
    let x: Vec<f32> = grid.iter().map(|&x| x as f32).collect();
    let x = Tensor::<1>::from_floats(&x[..], &Device::flex());
    let (_, slopes) = best.energies_and_gradients(x.reshape([grid.len(), 1, 1, 1]));
    let slopes = slopes.into_data();
    for (x, slope) in grid.into_iter().zip(slopes.iter::<f64>()) {
        let expected = mean_velocity(x);
        // A straight line would be up to 0.046 away.
        assert!(
            (slope - expected).abs() < 0.02,
            "{slope} is not {expected} at {x}"
        );
    }
}

/// Settings of a contrast whose chains end before time 1, where nothing is clipped.
const WEIGHT: f64 = 2.0;
const STEPS: usize = 6;
const TIME: f64 = 0.9;
const TEMPERATURE: f64 = 0.01;

fn with_contrast() -> Flow {
    let contrast = FlowContrast {
        weight: WEIGHT,
        floor: 1e3,
        trimmed: 0.0,
        langevin: LangevinConfig {
            flow_time: TIME,
            flow_temperature: TEMPERATURE,
            flow_heated_from: 0.0,
            ..LangevinConfig::new(STEPS).with_method(Method::Euler)
        },
        precision: Precision::F32,
    };
    Flow {
        contrast: Some(contrast),
        ..Flow::default()
    }
}

/// Mean and variance of a pixel after the steps of chains that had these, under a(x − m)²/2.
fn after_steps(start: [f64; 2], m: f64, a: f64) -> [f64; 2] {
    let time = TIME / STEPS as f64;
    let keeps = 1.0 - time * a;
    (0..STEPS).fold(start, |[mean, variance], _| {
        let noise = 2.0 * time * TEMPERATURE;
        [m + keeps * (mean - m), keeps * keeps * variance + noise]
    })
}

/// The gradients of the flow's loss and of the contrast with respect to m and ln a of a pixel.
fn expected_gradients(pixel: usize, m: f64, a: f64) -> [[f64; 2]; 2] {
    let (mean, variance) = (MEAN[pixel], STD[pixel].powi(2));
    let velocity = 0.5 - mean;
    // Of x_t over all times: how far its mean is from m, its variance, and its covariance with x₀ − x₁.
    let far = 0.25 + mean / 2.0 - m;
    let of_path = 1.0 / 12.0 + variance / 3.0 + velocity * velocity / 12.0;
    let covariance = 0.125 - variance / 2.0;
    // Half of the mean of two pixels.
    let of_flow = [
        -0.5 * a * (a * far - velocity),
        0.5 * a * (a * (of_path + far * far) - covariance - far * velocity),
    ];
    let halves = [[mean, variance], [0.5, 0.25]].map(|start| after_steps(start, m, a));
    // Means of ∂E/∂m and ∂E/∂(ln a).
    let slopes = |[mean, variance]: [f64; 2]| {
        let far = mean - m;
        [-a * far, 0.5 * a * (variance + far * far)]
    };
    let (of_data, [one, other]) = (slopes([mean, variance]), halves.map(slopes));
    let of_contrast = [0, 1].map(|it| WEIGHT * (of_data[it] - (one[it] + other[it]) / 2.0));
    [of_flow, of_contrast]
}

#[test]
fn a_contrast_adds_the_gradient_of_data_less_that_of_chains_from_data_and_noise() {
    const BATCHES: u32 = 100;
    let (m, a) = ([0.45, 0.5], [1.3f64, 1.6]);
    let model = Quadratic::new(m, a.map(f64::ln), &Device::flex().autodiff());
    let (mut sums, mut squares) = ([0.0; 4], [0.0; 4]);
    for iteration in 0..BATCHES {
        let step = StepContext::new(StepKey::new(5, iteration), false);
        let found = with_contrast().gradient_of(&model, &data(iteration), &step);
        for (i, value) in found.flat.into_data().iter::<f64>().enumerate() {
            sums[i] += value;
            squares[i] += value * value;
        }
    }
    let count = f64::from(BATCHES);
    for pixel in 0..2 {
        let [of_flow, of_contrast] = expected_gradients(pixel, m[pixel], a[pixel]);
        for what in 0..2 {
            let place = 2 * what + pixel;
            let mean = sums[place] / count;
            let error = ((squares[place] / count - mean * mean) / (count - 1.0)).sqrt();
            let errors = (mean - of_flow[what] - of_contrast[what]) / error;
            assert!(errors.abs() < 5.0, "{place}: {errors} standard errors");
            let without = (mean - of_flow[what]) / error;
            assert!(without.abs() > 5.0, "{place}: {without} without chains");
        }
    }
}
