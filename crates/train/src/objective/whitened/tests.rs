//! Hold what is learned in whitened coordinates to sources that are known, and gradients to differences.

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::random::uniform;
use ebm_core::{ImageShape, NoiseKey, PhiloxRng, Shard, StepKey, Stream};
use ebm_data::Batch;
use ebm_model::{EnergyModel, Experts, ExpertsConfig, Frozen};

use super::{ScoreMatching, WhitenedContrast};
use crate::objective::{Objective, StepContext};
use crate::optimizer::OptimizerConfig;
use crate::parameters;
use crate::state::DataSummary;
use crate::step::StepConfig;
use crate::trainer::Trainer;

/// Sources, and elements of a patch that mixes them.
const SOURCES: usize = 8;
const SHAPE: ImageShape = ImageShape::new(1, 2, 4);
const IMAGES: usize = 8192;
const BATCH: usize = 128;

/// The matrix that mixes sources into pixels, row by row: far from orthogonal, and far from singular.
fn mixing() -> Vec<f64> {
    let element = |place: usize| {
        let (row, column) = (place / SOURCES, place % SOURCES);
        let own = f64::from(u8::from(row == column));
        0.03 * own + 0.01 * ((place + 1).pow(2) as f64 * 0.37).sin()
    };
    (0..SOURCES * SOURCES).map(element).collect()
}

/// Sources of Laplace's law, of unit scale, by its inverse distribution, mixed into images around grey,
/// `[IMAGES, 1, 2, 4]`.
fn images() -> Tensor<4> {
    let (mixing, key) = (mixing(), NoiseKey::new(11, Stream::DataSynthesis, 0));
    let mixed = (0..IMAGES as u32).flat_map(|image| {
        let sources: Vec<f64> = (0..SOURCES as u32)
            .map(|source| {
                let u = f64::from(uniform(key.words(image, source)[0])) - 0.5;
                -u.signum() * (1.0 - 2.0 * u.abs()).max(1e-9).ln()
            })
            .collect();
        let pixel = |row: usize| {
            let terms = (0..SOURCES).map(|it| mixing[row * SOURCES + it] * sources[it]);
            0.5 + terms.sum::<f64>() as f32
        };
        (0..SOURCES).map(pixel).collect::<Vec<f32>>()
    });
    let pixels = TensorData::new(mixed.collect::<Vec<f32>>(), SHAPE.batch(IMAGES));
    Tensor::from_data(pixels, &Device::flex())
}

/// As many experts as sources, measured on the images.
fn experts(images: &Tensor<4>) -> Experts {
    let config = ExpertsConfig {
        experts: Some(SOURCES),
        remove_mean: false,
        ..ExpertsConfig::default()
    };
    let mut rng = PhiloxRng::new(NoiseKey::new(2, Stream::Weights, 0), 0);
    let device = Device::flex().autodiff();
    let mut net = config.init(SHAPE, &mut rng, &device).expect("fits");
    net.calibrate(images.clone()).expect("images that vary");
    net
}

/// Train by an objective. Returns the receptive fields times the mixing matrix, a row for every expert.
fn learned<O: Objective<Experts>>(objective: O, images: &Tensor<4>) -> Vec<f64> {
    const ITERATIONS: usize = 500;
    let summary = DataSummary::unlabelled(SHAPE);
    let mut trainer = Trainer::new(experts(images), objective, summary, 3, &Device::flex());
    trainer.config = StepConfig {
        iterations: ITERATIONS,
        ema_decay: 0.99,
        optimizer: OptimizerConfig {
            beta1: 0.9,
            ..OptimizerConfig::default()
        },
        ..StepConfig::default()
    };
    for iteration in 0..ITERATIONS {
        trainer.config.lr = (0.03 * (1.0 - iteration as f64 / ITERATIONS as f64)).into();
        let first = iteration * BATCH % IMAGES;
        trainer.step(&Batch {
            images: images.clone().narrow(0, first, BATCH),
            labels: vec![0; BATCH],
        });
    }
    let filters = trainer.averaged().filters();
    let (fields, mixing) = (filters.receptive_fields, mixing());
    let of = |expert: usize, source: usize| -> f64 {
        let pixels = (0..SOURCES).map(|pixel| {
            f64::from(fields[expert * SOURCES + pixel]) * mixing[pixel * SOURCES + source]
        });
        pixels.sum()
    };
    let all = (0..SOURCES).flat_map(|expert| (0..SOURCES).map(move |source| (expert, source)));
    all.map(|(expert, source)| of(expert, source)).collect()
}

/// How far a matrix is from a permutation with scales, from 0 to 1 (Amari, Cichocki & Yang 1996, eq. 19, over its most).
fn amari_distance(matrix: &[f64]) -> f64 {
    let excess = |of: &dyn Fn(usize, usize) -> f64| -> f64 {
        let lines = (0..SOURCES).map(|line| {
            let values: Vec<f64> = (0..SOURCES).map(|it| of(line, it).abs()).collect();
            let largest = values.iter().fold(0.0, |max: f64, &value| max.max(value));
            values.iter().sum::<f64>() / largest - 1.0
        });
        lines.sum()
    };
    let rows = excess(&|line, it| matrix[line * SOURCES + it]);
    let columns = excess(&|line, it| matrix[it * SOURCES + line]);
    (rows + columns) / (2 * SOURCES * (SOURCES - 1)) as f64
}

#[test]
fn the_distance_of_a_permutation_is_zero_and_that_of_equal_elements_one() {
    let permuted: Vec<f64> = (0..SOURCES * SOURCES)
        .map(
            |place| match (place / SOURCES + 3) % SOURCES == place % SOURCES {
                true => -2.0 - place as f64,
                false => 0.0,
            },
        )
        .collect();
    assert_eq!(amari_distance(&permuted), 0.0);
    assert_eq!(amari_distance(&[0.5; SOURCES * SOURCES]), 1.0);
}

#[test]
fn both_objectives_find_the_matrix_that_mixed_independent_sources_and_agree_on_it() {
    let images = images();
    let untrained = experts(&images).filters().receptive_fields;
    let matched = learned(ScoreMatching::default(), &images);
    let contrasted = learned(WhitenedContrast::default(), &images);
    for (name, found) in [("score matching", &matched), ("contrast", &contrasted)] {
        let distance = amari_distance(found);
        assert!(distance < 0.05, "{name}: {distance}");
    }
    // What it is before: the test would not pass by the data alone.
    let mixing = mixing();
    let before: Vec<f64> = (0..SOURCES * SOURCES)
        .map(|place| {
            let (expert, source) = (place / SOURCES, place % SOURCES);
            let pixels = (0..SOURCES).map(|pixel| {
                f64::from(untrained[expert * SOURCES + pixel]) * mixing[pixel * SOURCES + source]
            });
            pixels.sum()
        })
        .collect();
    assert!(amari_distance(&before) > 0.2);
    // Each expert of one has the direction of one of the other's: |cos| of the nearest.
    let unit = |rows: &[f64]| -> Vec<Vec<f64>> {
        let lengths = |row: &[f64]| row.iter().map(|it| it * it).sum::<f64>().sqrt();
        let rows = rows.chunks(SOURCES);
        rows.map(|row| row.iter().map(|it| it / lengths(row)).collect())
            .collect()
    };
    for row in unit(&matched) {
        let cosine = |other: &Vec<f64>| {
            let product: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
            product.abs()
        };
        let nearest = unit(&contrasted).iter().map(cosine).fold(0.0, f64::max);
        assert!(nearest > 0.99, "{nearest}");
    }
}

/// A few images, and experts with no parameter at its initial value.
fn small() -> (Experts, Batch) {
    let images = images();
    let net = experts(&images);
    let weights = parameters::flatten(&net);
    let moves: Vec<f32> = (0..weights.dims()[0])
        .map(|i| 0.3 * (i as f32 * 0.9).sin())
        .collect();
    let moved = weights + Tensor::from_floats(moves.as_slice(), &Device::flex());
    let batch = Batch {
        images: images.narrow(0, 0, 40),
        labels: vec![0; 40],
    };
    (parameters::unflatten(net, &moved), batch)
}

/// Holds the gradient of an objective to the difference of its losses along it.
fn assert_is_gradient(loss: impl Fn(&Experts) -> f64, net: &Experts, gradient: &Tensor<1>) {
    let length = gradient.clone().square().sum().sqrt().into_scalar::<f64>();
    let step = gradient.clone() * (0.01 / length);
    let weights = parameters::flatten(net);
    let [ahead, behind] = [weights.clone() + step.clone(), weights - step]
        .map(|at| loss(&parameters::unflatten(net.clone(), &at)));
    let slope = (ahead - behind) / 0.02;
    assert!(
        (slope / length - 1.0).abs() < 0.01,
        "{slope} is not {length}"
    );
}

#[test]
fn the_gradient_of_score_matching_is_that_of_its_loss_in_any_micro_batches() {
    let (net, batch) = small();
    let of = |net: &Experts, micro_batch| {
        let objective = ScoreMatching { micro_batch };
        objective.gradient(&mut (), net, &batch, &StepContext::default())
    };
    let found = of(&net, None);
    let loss = |net: &Experts| of(net, None).loss.into_scalar::<f64>();
    assert_is_gradient(loss, &net, &found.flat);
    let largest = found.flat.clone().abs().max().into_scalar::<f32>();
    let in_parts = of(&net, Some(7)).flat;
    let error = (in_parts - found.flat).abs().max().into_scalar::<f32>();
    assert!(error < 1e-5 * largest, "{error}");
}

#[test]
fn a_trajectory_leads_from_data_and_keeps_its_step_size_in_the_state() {
    let (net, batch) = small();
    let objective = WhitenedContrast {
        step_size: 0.02,
        ..WhitenedContrast::default()
    };
    let summary = DataSummary::unlabelled(SHAPE);
    let device = Device::flex();
    let mut state = Objective::<Experts>::init(&objective, &summary, 0, Shard::WHOLE, &device);
    assert_eq!(state.step_scale, 1.0);
    let step = StepContext::new(StepKey::new(5, 9), true);
    let found = objective.gradient(&mut state, &net, &batch, &step);
    // Steps so short are all accepted, and become longer.
    assert!(state.step_scale > 1.0, "{}", state.step_scale);
    let term = |name: &str| {
        let found = found.terms.iter().find(|(term, _)| *term == name);
        found.expect("told").1.clone().into_scalar::<f64>()
    };
    assert!(term("acceptance") > 0.99);
    assert_eq!(term("step_scale"), 1.0);
    let frozen = Frozen::new(&net);
    let e_pos = frozen.energy(batch.images.clone()).mean();
    let e_pos = e_pos.into_scalar::<f64>();
    assert!((term("e_pos") / e_pos - 1.0).abs() < 1e-5);
    assert!((term("e_pos") - term("e_neg") - term("loss")).abs() < 1e-5);
    // The same key leads to the same place, whatever the pieces; another to another.
    let again = |key: StepKey, micro_batch| {
        let objective = WhitenedContrast {
            micro_batch,
            ..objective
        };
        let mut state = Objective::<Experts>::init(&objective, &summary, 0, Shard::WHOLE, &device);
        let step = StepContext::new(key, false);
        let found = objective.gradient(&mut state, &net, &batch, &step);
        found.loss.into_scalar::<f32>()
    };
    let loss = found.loss.into_scalar::<f32>();
    assert_eq!(again(StepKey::new(5, 9), None), loss);
    assert_eq!(again(StepKey::new(5, 9), Some(7)), loss);
    assert_ne!(again(StepKey::new(5, 10), None), loss);
}

#[test]
#[should_panic = "expected a network of whitened coordinates"]
fn refuses_a_network_without_coordinates() {
    let mut rng = PhiloxRng::new(NoiseKey::new(2, Stream::Weights, 0), 0);
    let shape = ImageShape::new(1, 16, 16);
    let net = ebm_model::ConvNetConfig::uva().init(shape, &mut rng, &Device::flex().autodiff());
    let batch = Batch {
        images: Tensor::zeros(shape.batch(2), &Device::flex()),
        labels: vec![0; 2],
    };
    let step = StepContext::default();
    ScoreMatching::default().gradient(&mut (), &net.expect("fits"), &batch, &step);
}
