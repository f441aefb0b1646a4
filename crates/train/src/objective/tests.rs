//! Hold objectives without chains to Gaussians whose best quadratic energy is known.

use burn::tensor::{Device, Tensor};
use ebm_core::{Energy, ImageShape, NoiseKey, PhiloxRng, Shard, StepKey, Stream, index_tensor};
use ebm_data::Batch;
use ebm_langevin::{BufferConfig, LangevinConfig, noise_images};
use ebm_model::{ConvNet, ConvNetConfig, Frozen, Head, UNetConfig};

use super::contrastive::Contrastive;

use super::gaussian::{MEAN, Quadratic, STD, data};
use super::regression::{Field, regress};
use super::*;
use crate::parameters;

/// A step whose terms are read.
fn recorded() -> StepContext<'static> {
    StepContext::new(StepKey::default(), true)
}

/// Batches over which a gradient is averaged.
const BATCHES: u32 = 400;
/// How far from the optimum a gradient must point back to it, in means and in logarithms of precisions.
const AWAY: f64 = 0.05;

/// The gradient of a loss with respect to (μ₁, μ₂, λ₁, λ₂), in standard errors of its mean over batches.
fn gradient_in_errors(
    objective: &impl Objective<Quadratic, State = ()>,
    mean: [f64; 2],
    precision: [f64; 2],
) -> [f64; 4] {
    let device = Device::flex();
    let model = Quadratic::new(mean, precision.map(f64::ln), &device.clone().autodiff());
    let (mut sums, mut squares) = ([0.0; 4], [0.0; 4]);
    for iteration in 0..BATCHES {
        let step = StepContext {
            key: StepKey::new(5, iteration),
            ..StepContext::default()
        };
        let found = objective.gradient(&mut (), &model, &data(iteration), &step);
        let found = found.flat.into_data();
        for (i, value) in found.iter::<f64>().enumerate() {
            sums[i] += value;
            squares[i] += value * value;
        }
    }
    let count = f64::from(BATCHES);
    core::array::from_fn(|i| {
        let mean = sums[i] / count;
        let variance = (squares[i] / count - mean * mean) / (count - 1.0);
        mean / variance.sqrt()
    })
}

/// The loss is stationary at these means and precisions, and on either side of them falls towards them.
fn assert_optimal(
    objective: &impl Objective<Quadratic, State = ()>,
    mean: [f64; 2],
    precision: [f64; 2],
) {
    let there = gradient_in_errors(objective, mean, precision);
    for (parameter, errors) in there.iter().enumerate() {
        assert!(errors.abs() < 5.0, "{parameter}: {errors} standard errors");
    }
    for side in [-1.0, 1.0] {
        let shifted = mean.map(|mean| mean + side * AWAY);
        let scaled = precision.map(|precision| precision * (side * AWAY).exp());
        let of_means = &gradient_in_errors(objective, shifted, precision)[..2];
        let of_precisions = &gradient_in_errors(objective, mean, scaled)[2..];
        for (parameter, errors) in of_means.iter().chain(of_precisions).enumerate() {
            assert!(
                errors * side > 5.0,
                "{parameter}: {errors} standard errors, {side}"
            );
        }
    }
}

/// The least squares of a(x_t − m) to x₀ − x₁ over all times, as x_t and x₀ − x₁ have the covariance
/// ⅛ − σ²/2, and x_t the variance 1/12 + σ²/3 + (½ − μ)²/12 and the mean ¼ + μ/2.
#[test]
fn the_flow_of_a_gaussian_is_the_least_squares_of_its_paths() {
    let slope = |pixel: usize| {
        let (variance, off) = (STD[pixel] * STD[pixel], 0.5 - MEAN[pixel]);
        (0.125 - variance / 2.0) / (1.0 / 12.0 + variance / 3.0 + off * off / 12.0)
    };
    let precision = [slope(0), slope(1)];
    let mean = [0, 1].map(|i| 0.25 + MEAN[i] / 2.0 - (0.5 - MEAN[i]) / precision[i]);
    assert_optimal(&Flow::default(), mean, precision);
}

/// Data of variance σ_d² with noise σ have the precision 1/(σ_d² + σ²).
#[test]
fn denoising_finds_the_gaussian_of_noised_data() {
    let noise = 0.1;
    let precision = STD.map(|std| 1.0 / (std * std + noise * noise));
    for error in [DenoisingError::Noise, DenoisingError::Image] {
        let objective = Denoising {
            noise: [noise; 2],
            error,
            ..Denoising::default()
        };
        assert_optimal(&objective, MEAN, precision);
        let reference = 0.3;
        let of_reference = Denoising {
            reference: Some(reference),
            ..objective
        };
        let shrinks = noise * noise / (reference * reference);
        assert_optimal(&of_reference, MEAN, precision.map(|it| it * shrinks));
    }
}

/// Half of the levels lie below their median.
#[test]
fn levels_of_noise_are_spread_as_asked() {
    let device = Device::flex();
    let images = 4_000;
    for (spacing, median) in [
        (NoiseSpacing::Geometric, (0.001f64 * 0.1).sqrt()),
        (NoiseSpacing::Linear, 0.0505),
    ] {
        let objective = Denoising {
            noise: [0.001, 0.1],
            spacing,
            ..Denoising::default()
        };
        let ids: Vec<u32> = (0..images as u32).collect();
        let ids = index_tensor(&ids, &device);
        let levels = objective.levels(&ids, StepKey::new(1, 2)).into_data();
        let below = levels.iter::<f64>().filter(|level| *level < median);
        let share = below.count() as f64 / images as f64;
        let error = (0.25 / images as f64).sqrt();
        assert!((share - 0.5).abs() < 5.0 * error, "{share} for {spacing:?}");
    }
}

/// ∂/∂μ and ∂/∂λ of the mean of ½·w·(a(x − μ) − v)², computed by hand.
#[test]
fn a_regressions_gradient_is_that_of_its_loss() {
    let device = Device::flex();
    let model = Quadratic::new([0.5, 0.2], [1.0, 2.0], &device.clone().autodiff());
    let tensor = |values: [f32; 4]| {
        let values = Tensor::<1>::from_floats(values, &device);
        values.reshape([2, 1, 1, 2])
    };
    let (x, v, w) = ([0.1, 0.9, 0.7, 0.4], [3.0, -1.0, 0.5, 2.0], [1.0, 0.25]);
    let field = Field {
        x: tensor(x),
        gradient: tensor(v),
        weights: Tensor::from_floats(w, &device),
        classes: None,
        noise: None,
    };
    let found = regress(&model, &field, None, &recorded());
    let (mut loss, mut expected) = (0.0, [0.0; 4]);
    for i in 0..4 {
        let (pixel, share) = (i % 2, w[i / 2] / 4.0);
        let a = [1f64, 2.0][pixel].exp();
        let away = f64::from(x[i]) - [0.5, 0.2][pixel];
        let residual = a * away - f64::from(v[i]);
        loss += share * residual * residual / 2.0;
        expected[pixel] -= share * residual * a;
        expected[2 + pixel] += share * residual * a * away;
    }
    let gradient = found.flat.into_data();
    for (found, expected) in gradient.iter::<f64>().zip(expected) {
        assert!(
            (found / expected - 1.0).abs() < 2e-3,
            "{found} is not {expected}"
        );
    }
    let found = found.loss.into_scalar::<f32>();
    assert!(
        (f64::from(found) / loss - 1.0).abs() < 1e-5,
        "{found} is not {loss}"
    );
}

/// The loss of a regression under an energy that is told noise, and its change along its own gradient.
#[test]
fn a_regression_tells_an_energy_its_noise() {
    let device = Device::flex();
    let config = UNetConfig {
        widths: vec![4],
        head: Head::HalfSquared,
        noise_map: true,
        ..UNetConfig::default()
    };
    let shape = ImageShape::new(1, 4, 4);
    let mut rng = PhiloxRng::new(NoiseKey::new(2, Stream::Weights, 0), 0);
    let net = config.init(shape, &mut rng, &device.clone().autodiff());
    let net = net.expect("fits");
    // Larger weights, so that all of them matter.
    let initial = parameters::flatten(&net);
    let bumps: Vec<f32> = (0..initial.dims()[0])
        .map(|i| 0.3 * (i as f32).sin())
        .collect();
    let weights = initial + Tensor::from_floats(bumps.as_slice(), &device);
    let at = |weights: &Tensor<1>| parameters::unflatten(net.clone(), weights);
    let field = |noise: Option<[f32; 3]>| Field {
        x: noise_images(3, shape, 4, &device),
        gradient: noise_images(3, shape, 5, &device) * 4.0 - 2.0,
        weights: Tensor::from_floats([1.0, 0.5, 2.0], &device),
        classes: None,
        noise: noise.map(|noise| Tensor::from_floats(noise, &device)),
    };
    let noise = [0.05, 0.6, 0.2];
    let loss = |weights: &Tensor<1>| -> f64 {
        let (model, field) = (at(weights), field(None));
        let energy = Frozen::new(&model);
        let energy = energy.with_noise(Tensor::from_floats(noise, &device));
        let (_, gradients) = energy.energies_and_gradients(field.x);
        let residual = (gradients - field.gradient).square().mean_dims(&[1, 2, 3]);
        let of_images = residual.flatten::<1>(0, 3) * field.weights;
        f64::from(of_images.mean().into_scalar::<f32>()) / 2.0
    };
    let told = regress(&at(&weights), &field(Some(noise)), None, &recorded());
    let expected = loss(&weights);
    let found = f64::from(told.loss.into_scalar::<f32>());
    assert!(
        (found / expected - 1.0).abs() < 1e-5,
        "{found} is not {expected}"
    );
    let blind = regress(&at(&weights), &field(None), None, &recorded());
    let blind = f64::from(blind.loss.into_scalar::<f32>());
    assert!(
        (blind / expected - 1.0).abs() > 1e-3,
        "{blind}, told or not"
    );

    let length = told.flat.clone().square().sum().sqrt();
    let slope = f64::from(length.clone().into_scalar::<f32>());
    let step = 1e-2;
    let along = told.flat / length * step;
    let change = loss(&(weights.clone() + along.clone())) - loss(&(weights - along));
    let measured = change / (2.0 * step);
    assert!(
        (measured / slope - 1.0).abs() < 0.02,
        "{measured} is not {slope}"
    );
}

const SHAPE: ImageShape = ImageShape::new(1, 16, 16);

/// A network with three classes, which meet it in its last layer.
fn classifier(device: &Device) -> ConvNet {
    let config = ConvNetConfig {
        num_classes: 3,
        class_head: true,
        ..ConvNetConfig::uva_with_filters(4)
    };
    let mut rng = PhiloxRng::new(NoiseKey::new(0, Stream::Weights, 0), 0);
    let net = config.init(SHAPE, &mut rng, &device.clone().autodiff());
    net.expect("fits")
}

fn labelled(device: &Device) -> Batch {
    Batch {
        images: noise_images(12, SHAPE, 3, device),
        labels: (0..12).map(|i| i % 3).collect(),
    }
}

fn marginal_contrast() -> Contrastive {
    let objective = Contrastive::default()
        .with_langevin(LangevinConfig::new(2))
        .with_buffer(BufferConfig::new(24));
    Contrastive {
        marginal: true,
        ..objective
    }
}

#[test]
fn the_loss_of_jem_is_that_of_its_parts() {
    let device = Device::flex();
    let (net, batch) = (classifier(&device), labelled(&device));
    let summary = DataSummary {
        shape: SHAPE,
        class_names: ["a", "b", "c"].map(str::to_owned).to_vec(),
        class_frequencies: vec![1.0 / 3.0; 3],
        identity: None,
    };
    let step = StepContext {
        record: true,
        ..StepContext::default()
    };
    let generative = marginal_contrast();
    let jem = Jem {
        generative: generative.clone(),
        classification: Classification::default(),
        weight: 0.5,
        images: None,
    };
    let chains = || Objective::<ConvNet>::init(&generative, &summary, 0, Shard::WHOLE, &device);
    let both = jem.gradient(&mut chains(), &net, &batch, &step);
    let of_images = generative.gradient(&mut chains(), &net, &batch, &step);
    let of_classes = jem.classification.gradient(&mut (), &net, &batch, &step);
    let expected = of_images.flat + of_classes.flat * 0.5;
    assert_eq!(both.flat.into_data(), expected.into_data());
    let [loss, of_images, of_classes] =
        [both.loss, of_images.loss, of_classes.loss].map(Tensor::into_scalar::<f32>);
    assert_eq!(loss, of_images + of_classes * 0.5);
    let names: Vec<_> = both.terms.iter().map(|(name, _)| *name).collect();
    assert!(names.ends_with(&["cross_entropy", "accuracy"]), "{names:?}");
}

#[test]
fn jem_learns_images_from_the_first_of_a_batch_and_classes_from_all() {
    let device = Device::flex();
    let (net, batch) = (classifier(&device), labelled(&device));
    let flow = Flow {
        marginal: true,
        ..Flow::default()
    };
    let jem = Jem {
        generative: flow.clone(),
        classification: Classification::default(),
        weight: 2.0,
        images: Some(4),
    };
    let step = StepContext::default();
    let first = Batch {
        images: batch.images.clone().narrow(0, 0, 4),
        labels: batch.labels[..4].to_vec(),
    };
    let of_images = flow.gradient(&mut (), &net, &first, &step);
    let of_classes = jem.classification.gradient(&mut (), &net, &batch, &step);
    let both = jem.gradient(&mut (), &net, &batch, &step);
    let expected = of_images.flat + of_classes.flat * 2.0;
    assert_eq!(both.flat.into_data(), expected.into_data());
}

#[test]
fn a_marginal_contrast_is_of_energies_without_classes() {
    let device = Device::flex();
    let (net, batch) = (classifier(&device), labelled(&device));
    let objective = marginal_contrast();
    let summary = DataSummary::unlabelled(SHAPE);
    let mut state = Objective::<ConvNet>::init(&objective, &summary, 0, Shard::WHOLE, &device);
    let step = StepContext::default();
    let found = objective.gradient(&mut state, &net, &batch, &step);
    let energies = found.contrasted.expect("contrasted").energies;
    let of_data = energies.narrow(0, 0, 12).into_data();
    let expected = Frozen::new(&net);
    let expected = Energy::energies(&expected, batch.images).into_data();
    assert_eq!(of_data, expected);
}
