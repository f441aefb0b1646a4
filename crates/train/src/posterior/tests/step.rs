//! Hold a training step that samples weights to the sum over all images that its gradient stands for.

use burn::tensor::{Device, Tensor};
use ebm_core::{ImageShape, NoiseKey, PhiloxRng, Schedule, Stream};
use ebm_data::Batch;
use ebm_langevin::noise_images;
use ebm_model::{Mlp, MlpConfig};

use crate::collective::Team;
use crate::objective::{Classification, Objective, StepContext};
use crate::optimizer::{OptimizerConfig, OptimizerMethod};
use crate::parameters;
use crate::posterior::PosteriorConfig;
use crate::state::{DataSummary, Identity, OfShard, TrainState};
use crate::step::StepConfig;
use crate::trainer::Trainer;

const SHAPE: ImageShape = ImageShape::new(1, 8, 8);
/// N.
const IMAGES: f64 = 32.0;
/// λ.
const PRECISION: f64 = 3.0;
/// η.
const STEP_SIZE: f64 = 0.01;

fn net() -> Mlp {
    let config = MlpConfig {
        widths: vec![5],
        num_classes: 3,
        ..MlpConfig::default()
    };
    let mut rng = PhiloxRng::new(NoiseKey::new(0, Stream::Weights, 0), 0);
    let net = config.init(SHAPE, &mut rng, &Device::flex().autodiff());
    net.expect("fits")
}

/// Of 32 images in three classes.
fn data() -> DataSummary {
    DataSummary {
        class_names: ["ant", "bee", "cat"].map(str::to_owned).into(),
        class_frequencies: vec![1.0 / 3.0; 3],
        identity: Some(Identity {
            num: IMAGES as u64,
            crc32: 0,
        }),
        ..DataSummary::unlabelled(SHAPE)
    }
}

fn batch() -> Batch {
    Batch {
        images: noise_images(8, SHAPE, 3, &Device::flex()),
        labels: (0..8).map(|i| i % 3).collect(),
    }
}

/// Half of the batch.
fn half(second: usize) -> Batch {
    let Batch { images, labels } = batch();
    let start = 4 * second;
    Batch {
        images: images.narrow(0, start, 4),
        labels: labels[start..start + 4].to_vec(),
    }
}

/// The weights after a step without noise on a batch for each of so many shards.
fn moved(shards: u32, batches: &[Batch]) -> Tensor<1> {
    let team = Team::alone(shards);
    let states = OfShard::each(team.shards(), |_| ());
    let state = TrainState::of_shards(net(), states, data(), &Device::flex());
    let config = StepConfig {
        lr: Schedule::Constant(STEP_SIZE),
        optimizer: OptimizerConfig {
            method: OptimizerMethod::Sgld,
            ..OptimizerConfig::default()
        },
        posterior: PosteriorConfig {
            prior_precision: PRECISION,
            temperature: 0.0,
            ..PosteriorConfig::default()
        },
        ..StepConfig::default()
    };
    let trainer = Trainer::from_state(state, Classification::default(), 0);
    let mut trainer = trainer.with_config(config).with_team(team);
    trainer.step_on(batches, false);
    parameters::flatten(&trainer.state.model)
}

#[test]
fn a_batch_stands_for_all_images_of_however_many_shards() {
    let net = net();
    let objective = Classification::default();
    let gradient = objective.gradient(&mut (), &net, &batch(), &StepContext::default());
    let weights = parameters::flatten(&net);
    let slope = gradient.flat * IMAGES + weights.clone() * PRECISION;
    let expected = weights.clone() - slope * STEP_SIZE;
    for (shards, batches) in [(1, vec![batch()]), (2, vec![half(0), half(1)])] {
        let moved = moved(shards, &batches);
        let error = (moved - expected.clone()).abs().max();
        assert!(error.into_scalar::<f32>() < 1e-5, "{shards} shards");
    }
    let way = (expected - weights).abs().max();
    assert!(way.into_scalar::<f32>() > 1e-2, "the step is no rounding");
}
