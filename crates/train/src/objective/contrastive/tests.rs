//! Hold contrastive divergence to a Gaussian that it must find.

use burn::tensor::Device;
use ebm_core::{ImageShape, Schedule, Varying};
use ebm_langevin::{BufferConfig, LangevinConfig};

use super::*;
use crate::objective::gaussian::{BATCH, MEAN, Quadratic, STD, data};
use crate::parameters;
use crate::state::DataSummary;
use crate::step::StepConfig;
use crate::trainer::Trainer;

const STEP_SIZE: f64 = 1e-3;

/// Precision at which the discrete chain, of temperature 1, has this standard deviation:
/// a²s²/(1 − a²) = σ² with a = 1 − ηλ and s² = 2η, so that λ = (1 − 1/√(1 + 2η/σ²))/η.
fn precision_of_the_chain(std: f64) -> f64 {
    (1.0 - 1.0 / (1.0 + 2.0 * STEP_SIZE / (std * std)).sqrt()) / STEP_SIZE
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
    let model = Quadratic::new([0.5, 0.5], [4.5, 4.5], &autodiff);
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
