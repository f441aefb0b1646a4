//! A Gaussian to learn, with classes and without, and energies of it, for tests.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::random::uniform;
use ebm_core::{Distribution, ImageShape, NoiseKey, Schedule, Stream, Varying};
use ebm_data::Batch;
use ebm_langevin::{BufferConfig, LangevinConfig};
use ebm_model::{EnergyContext, EnergyModel};

use super::Objective;
use super::contrastive::Contrastive;
use crate::parameters;
use crate::state::DataSummary;
use crate::step::StepConfig;
use crate::trainer::Trainer;

/// E(x) = Σ exp(λ)(x − μ)²/2 over two pixels: the energy of a Gaussian.
#[derive(Module, Debug)]
pub(super) struct Quadratic {
    mean: Param<Tensor<1>>,
    log_precision: Param<Tensor<1>>,
}

impl Quadratic {
    pub(super) fn new(mean: [f64; 2], log_precision: [f64; 2], device: &Device) -> Self {
        let [mean, log_precision] =
            [mean, log_precision].map(|it| Param::from_data(it.map(|value| value as f32), device));
        Self {
            mean,
            log_precision,
        }
    }
}

impl EnergyModel for Quadratic {
    fn energy_with(&self, x: Tensor<4>, _: EnergyContext<'_>) -> Tensor<1> {
        let x: Tensor<2> = x.flatten(1, 3); // [batch, 2]
        let far = (x - self.mean.val().unsqueeze()).square();
        let energy = far * self.log_precision.val().exp().unsqueeze() / 2.0;
        energy.sum_dim(1).squeeze_dim(1)
    }
}

pub(super) const MEAN: [f64; 2] = [0.4, 0.6];
pub(super) const STD: [f64; 2] = [0.05, 0.08];
pub(super) const BATCH: usize = 256;

/// Images of two pixels, normal with these means and standard deviations.
pub(super) fn data(iteration: u32) -> Batch {
    let key = NoiseKey::new(77, Stream::DataNoise, iteration);
    let mut draws = vec![0.0; 2 * BATCH];
    key.fill(0, Distribution::Normal, &mut draws);
    for (i, draw) in draws.iter_mut().enumerate() {
        *draw = MEAN[i % 2] as f32 + STD[i % 2] as f32 * *draw;
    }
    let data = TensorData::new(draws, [BATCH, 1, 1, 2]);
    Batch {
        images: Tensor::from_data(data, &Device::flex()),
        labels: vec![0; BATCH],
    }
}

/// Updates of the weights, and the last of them, over which weights are averaged.
const ITERATIONS: usize = 400;
const AVERAGED: usize = 200;
/// Images that the average has learned from.
pub(super) const IMAGES: f64 = (AVERAGED * BATCH) as f64;

/// The weights that an objective learns from batches, averaged over the last iterations.
pub(super) fn learned<M: EnergyModel + Sync, O: Objective<M>>(
    model: M,
    objective: O,
    batch: impl Fn(u32) -> Batch,
) -> Vec<f64> {
    let steps = StepConfig {
        iterations: ITERATIONS,
        lr: Schedule::Varying(Varying::Geometric {
            start: 0.05,
            end: 0.005,
        }),
        ..StepConfig::default()
    };
    let summary = DataSummary::unlabelled(ImageShape::new(1, 1, 2));
    let trainer = Trainer::new(model, objective, summary, 0, &Device::flex());
    let mut trainer = trainer.with_config(steps);
    let mut sums = Vec::new();
    for iteration in 0..ITERATIONS {
        trainer.step(&batch(iteration as u32));
        if iteration >= ITERATIONS - AVERAGED {
            let weights = parameters::flatten(&trainer.state.model).into_data();
            sums.resize(weights.num_elements(), 0.0);
            for (sum, weight) in sums.iter_mut().zip(weights.iter::<f64>()) {
                *sum += weight / AVERAGED as f64;
            }
        }
    }
    sums
}

/// η of chains of temperature 1.
const STEP_SIZE: f64 = 1e-3;

/// Contrastive divergence with such chains.
pub(super) fn contrastive() -> Contrastive {
    let langevin = LangevinConfig::new(30)
        .with_step_size(STEP_SIZE)
        .with_noise_std((2.0 * STEP_SIZE).sqrt());
    Contrastive::default()
        .with_langevin(langevin)
        .with_buffer(BufferConfig::new(1_024))
        .with_energy_l2(0.0)
}

/// Variance of the discrete chain under a precision λ: a²s²/(1 − a²) with a = 1 − ηλ and s² = 2η.
pub(super) fn variance_of_the_chain(precision: f64) -> f64 {
    let kept = (1.0 - STEP_SIZE * precision).powi(2);
    kept * 2.0 * STEP_SIZE / (1.0 - kept)
}

/// The precision at which this, which falls with it, is the variance of a pixel of the data.
pub(super) fn precision_with(variance: impl Fn(f64) -> f64, std: f64) -> f64 {
    let (mut low, mut high) = (1.0, 0.999 / STEP_SIZE);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if variance(middle) > std * std {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The first weights are the means and the logarithms of the precisions of both pixels, within five standard errors:
/// of the data, and so that samples, which have this variance under a precision, have that of the data.
pub(super) fn assert_found(weights: &[f64], variance: impl Fn(f64) -> f64) {
    // Data and samples each bring the error of as many independent images.
    for pixel in 0..2 {
        let std = STD[pixel];
        let of_mean = (weights[pixel] - MEAN[pixel]) / (std * (2.0 / IMAGES).sqrt());
        let expected = precision_with(&variance, std).ln();
        let of_precision = (weights[2 + pixel] - expected) / (4.0 / IMAGES).sqrt();
        for (what, errors) in [("mean", of_mean), ("precision", of_precision)] {
            assert!(
                errors.abs() < 5.0,
                "{what} {pixel}: {errors} standard errors"
            );
        }
    }
}

/// E(x, y) = −log p(y | x) of two classes, with the log-odds a·z + b of the second, z the first pixel in standard
/// deviations from its mean.
#[derive(Module, Debug)]
pub(super) struct Odds {
    /// a and b, `[2]`.
    odds: Param<Tensor<1>>,
}

impl Odds {
    /// Even odds.
    pub(super) fn new(device: &Device) -> Self {
        Self {
            odds: Param::from_data([0.0f32; 2], device),
        }
    }
}

impl EnergyModel for Odds {
    fn num_classes(&self) -> usize {
        2
    }

    fn energy_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<1> {
        let classes = context.classes.expect("classes").clone().float(); // [batch]
        let first: Tensor<1> = x.narrow(3, 0, 1).flatten(0, 3); // [batch]
        let [slope, offset] = [0, 1].map(|at| self.odds.val().narrow(0, at, 1)); // [1] each
        let log_odds = (first - MEAN[0]) / STD[0] * slope + offset;
        let own = log_odds * (classes * 2.0 - 1.0);
        own.neg().exp().log1p()
    }
}

/// E(x, y) = E(x) − log p(y | x), so that the classes summed out leave E(x).
#[derive(Module, Debug)]
pub(super) struct Labelled {
    pub(super) image: Quadratic,
    pub(super) odds: Odds,
}

impl EnergyModel for Labelled {
    fn num_classes(&self) -> usize {
        self.odds.num_classes()
    }

    fn energy_with(&self, x: Tensor<4>, context: EnergyContext<'_>) -> Tensor<1> {
        self.image.energy_with(x.clone(), context) + self.odds.energy_with(x, context)
    }
}

/// a of the log-odds of data.
pub(super) const SLOPE: f64 = 1.5;

/// [`data`] with classes: of the second with the odds exp(`SLOPE`·z).
pub(super) fn labelled(iteration: u32) -> Batch {
    let images = data(iteration).images;
    let key = NoiseKey::new(78, Stream::DataNoise, iteration);
    let pixels = images.clone().into_data();
    let label = |(place, pixel): (usize, f64)| {
        let log_odds = SLOPE * (pixel - MEAN[0]) / STD[0];
        let drawn = f64::from(uniform(key.words(place as u32, 0)[0]));
        u32::from(drawn < 1.0 / (1.0 + (-log_odds).exp()))
    };
    let first = pixels.iter::<f64>().step_by(2).enumerate();
    Batch {
        labels: first.map(label).collect(),
        images,
    }
}

/// Log-odds of the slope `SLOPE`/`sharpness` without an offset, within five standard errors. An image whose z has this
/// density tells p(1 − p)·z² of the slope and p(1 − p) of the offset (Fisher's information).
pub(super) fn assert_odds(odds: &[f64], sharpness: f64, density: impl Fn(f64) -> f64) {
    const WIDTH: f64 = 0.01;
    let mut information = [0.0; 2];
    for place in -1_000..=1_000 {
        let z = f64::from(place) * WIDTH;
        let p = 1.0 / (1.0 + (-SLOPE * z).exp());
        let of_place = density(z) * p * (1.0 - p) * WIDTH;
        information[0] += of_place * z * z;
        information[1] += of_place;
    }
    for (place, expected) in [SLOPE, 0.0].into_iter().enumerate() {
        let error = (information[place] * IMAGES).recip().sqrt();
        let errors = (odds[place] * sharpness - expected) / error;
        assert!(errors.abs() < 5.0, "{place}: {errors} standard errors");
    }
}

/// The density of N(mean, 1).
pub(super) fn normal_density(z: f64, mean: f64) -> f64 {
    (-(z - mean).powi(2) / 2.0).exp() / core::f64::consts::TAU.sqrt()
}
