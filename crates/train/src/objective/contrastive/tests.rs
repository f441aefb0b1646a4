//! Hold contrastive divergence to a Gaussian that it must find.

use burn::module::{Module, Param};
use burn::tensor::{Device, TensorData};
use ebm_core::{Distribution, ImageShape, NoiseKey, Schedule, Stream, Varying};
use ebm_model::EnergyContext;

use burn::tensor::Tensor;
use ebm_data::Batch;
use ebm_langevin::{BufferConfig, LangevinConfig};
use ebm_model::EnergyModel;

use super::*;
use crate::parameters;
use crate::state::DataSummary;
use crate::step::StepConfig;
use crate::trainer::Trainer;

/// E(x) = Σ exp(λ)(x − μ)²/2 over two pixels: the energy of a Gaussian.
#[derive(Module, Debug)]
struct Quadratic {
    mean: Param<Tensor<1>>,
    log_precision: Param<Tensor<1>>,
}

impl EnergyModel for Quadratic {
    fn energy_with(&self, x: Tensor<4>, _: EnergyContext<'_>) -> Tensor<1> {
        let x: Tensor<2> = x.flatten(1, 3); // [batch, 2]
        let far = (x - self.mean.val().unsqueeze()).square();
        let energy = far * self.log_precision.val().exp().unsqueeze() / 2.0;
        energy.sum_dim(1).squeeze_dim(1)
    }
}

const MEAN: [f64; 2] = [0.4, 0.6];
const STD: [f64; 2] = [0.05, 0.08];
const STEP_SIZE: f64 = 1e-3;
const BATCH: usize = 256;

/// Precision at which the discrete chain, of temperature 1, has this standard deviation:
/// a²s²/(1 − a²) = σ² with a = 1 − ηλ and s² = 2η, so that λ = (1 − 1/√(1 + 2η/σ²))/η.
fn precision_of_the_chain(std: f64) -> f64 {
    (1.0 - 1.0 / (1.0 + 2.0 * STEP_SIZE / (std * std)).sqrt()) / STEP_SIZE
}

fn data(iteration: u32) -> Batch {
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

fn objective() -> Contrastive {
    let langevin = LangevinConfig::new(30)
        .with_step_size(STEP_SIZE)
        .with_noise_std((2.0 * STEP_SIZE).sqrt());
    Contrastive::default()
        .with_langevin(langevin)
        .with_buffer(BufferConfig::new(1_024))
        .with_energy_l2(0.0)
}

fn steps() -> StepConfig {
    StepConfig {
        iterations: 400,
        lr: Schedule::Varying(Varying::Geometric {
            start: 0.05,
            end: 0.005,
        }),
        ..StepConfig::default()
    }
}

#[test]
fn contrastive_divergence_finds_the_mean_and_the_precision_of_a_gaussian() {
    let (steps, device) = (steps(), Device::flex());
    let autodiff = device.clone().autodiff();
    let model = Quadratic {
        mean: Param::from_data([0.5f32, 0.5], &autodiff),
        log_precision: Param::from_data([4.5f32, 4.5], &autodiff),
    };
    let summary = DataSummary::unlabelled(ImageShape::new(1, 1, 2));
    let trainer = Trainer::new(model, objective(), summary, 0, &device);
    let mut trainer = trainer.with_config(steps.clone());
    let averaged = 200;
    let mut sums = [0.0; 4];
    for iteration in 0..steps.iterations as u32 {
        trainer.step(&data(iteration));
        if iteration as usize >= steps.iterations - averaged {
            let weights = parameters::flatten(&trainer.state.model).into_data();
            for (sum, weight) in sums.iter_mut().zip(weights.iter::<f64>()) {
                *sum += weight / averaged as f64;
            }
        }
    }
    // Data and samples each bring the error of as many independent images.
    let images = (averaged * BATCH) as f64;
    for pixel in 0..2 {
        let mean_error = (sums[pixel] - MEAN[pixel]) / (STD[pixel] * (2.0 / images).sqrt());
        let expected = precision_of_the_chain(STD[pixel]).ln();
        let precision_error = (sums[2 + pixel] - expected) / (4.0 / images).sqrt();
        assert!(
            mean_error.abs() < 5.0,
            "mean {pixel}: {mean_error} standard errors"
        );
        assert!(
            precision_error.abs() < 5.0,
            "precision {pixel}: {precision_error} standard errors"
        );
    }
}
