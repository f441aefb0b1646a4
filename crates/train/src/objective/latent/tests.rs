//! Hold the objective to linear generators, whose likelihood is known, and its chains to their laws.

use burn::module::{Module, Param};
use burn::tensor::{Device, TensorData};
use ebm_core::rows::row_sums;
use ebm_core::{Distribution, NoiseKey, StepKey, Stream};
use ebm_model::{EnergyContext, Generative, Inference, explained_energy};

use super::*;
use crate::parameters;

const BATCH: usize = 256;
/// Batches over which a gradient is averaged.
const BATCHES: u32 = 40;
/// σ, and the slope of the data: x = ½ + SLOPE·z + σ·ε.
const STD: f64 = 0.1;
const SLOPE: f64 = 0.2;

/// E(x, z) = (x − ½ − w·z)²/2σ² + ½ξz² of one pixel and one latent: probabilistic principal components (Tipping &
/// Bishop 1999), whose prior has the precision ξ.
#[derive(Module, Debug)]
struct Line {
    /// w and ln ξ, `[2]`.
    weights: Param<Tensor<1>>,
}

impl Line {
    fn new(slope: f64, precision: f64) -> Self {
        let device = Device::flex().autodiff();
        Self {
            weights: Param::from_data([slope as f32, precision.ln() as f32], &device),
        }
    }
}

impl EnergyModel for Line {
    fn energy_with(&self, x: Tensor<4>, _: EnergyContext<'_>) -> Tensor<1> {
        x.flatten::<2>(1, 3).sum_dim(1).squeeze_dim(1)
    }

    fn latent(&self) -> Option<&dyn LatentEnergy> {
        Some(self)
    }
}

impl LatentEnergy for Line {
    fn num_latents(&self) -> usize {
        1
    }

    fn joint_energy(&self, x: Tensor<4>, z: Tensor<2>) -> Tensor<1> {
        explained_energy(self, x, z, None)
    }

    fn generative(&self) -> Option<&dyn Generative> {
        Some(self)
    }

    /// Chains of z given x, whose precision is about 5, forget where they started.
    fn inference(&self) -> Inference {
        Inference {
            steps: 100,
            step_size: 0.01,
        }
    }
}

impl Generative for Line {
    fn generated(&self, z: Tensor<2>) -> Tensor<4> {
        let batch = z.dims()[0];
        let slope = self.weights.val().narrow(0, 0, 1).unsqueeze::<2>();
        (z * slope + 0.5).reshape([batch, 1, 1, 1])
    }

    fn prior_energy(&self, z: Tensor<2>) -> Tensor<1> {
        let precision = self.weights.val().narrow(0, 1, 1).exp();
        row_sums(z.square()) * precision / 2.0
    }

    fn observation_std(&self) -> f64 {
        STD
    }
}

/// x = ½ + SLOPE·z + σ·ε.
fn data(iteration: u32) -> Batch {
    let key = NoiseKey::new(7, Stream::DataNoise, iteration);
    let mut draws = vec![0.0; 2 * BATCH];
    key.fill(0, Distribution::Normal, &mut draws);
    let pixels: Vec<f32> = draws
        .chunks(2)
        .map(|two| 0.5 + SLOPE as f32 * two[0] + STD as f32 * two[1])
        .collect();
    Batch {
        images: Tensor::from_data(TensorData::new(pixels, [BATCH, 1, 1, 1]), &Device::flex()),
        labels: vec![0; BATCH],
    }
}

fn objective() -> Latent {
    Latent {
        // Steps short enough for the law of the discrete chain: 1/(1 − η/2) of the variance.
        langevin: LangevinConfig::new(150)
            .with_step_size(0.04)
            .with_noise_std(0.08f64.sqrt()),
        posterior_steps: 100,
        energy_l2: EnergyL2::from(0.0),
        precision: Precision::F32,
        micro_batch: None,
    }
}

/// The gradient with respect to w and ln ξ, in standard errors of its mean over batches.
fn gradient_in_errors(model: &Line) -> [f64; 2] {
    let (mut sums, mut squares) = ([0.0; 2], [0.0; 2]);
    for iteration in 0..BATCHES {
        let step = StepContext {
            key: StepKey::new(5, iteration),
            ..StepContext::default()
        };
        let found = objective().gradient_of(model, &data(iteration), &step);
        for (i, value) in found.flat.into_data().iter::<f64>().enumerate() {
            sums[i] += value;
            squares[i] += value * value;
        }
    }
    let count = f64::from(BATCHES);
    [0, 1].map(|i| {
        let mean = sums[i] / count;
        let variance = (squares[i] / count - mean * mean) / (count - 1.0);
        mean / variance.sqrt()
    })
}

/// At a slope that makes images of too little variance the loss falls towards steeper ones, and the other way round:
/// the likelihood is greatest where w² + σ² is the variance of the data.
#[test]
fn the_generator_is_led_to_the_variance_of_the_data() {
    let [too_flat, _] = gradient_in_errors(&Line::new(SLOPE - 0.05, 1.0));
    let [too_steep, _] = gradient_in_errors(&Line::new(SLOPE + 0.05, 1.0));
    assert!(too_flat < -5.0, "{too_flat} standard errors");
    assert!(too_steep > 5.0, "{too_steep} standard errors");
}

/// A prior too wide for z₊ is narrowed, and one too narrow is widened.
#[test]
fn the_prior_is_led_to_the_latents_of_the_data() {
    let [_, too_wide] = gradient_in_errors(&Line::new(SLOPE, 0.5));
    let [_, too_narrow] = gradient_in_errors(&Line::new(SLOPE, 2.0));
    assert!(too_wide < -5.0, "{too_wide} standard errors");
    assert!(too_narrow > 5.0, "{too_narrow} standard errors");
}

/// Of z₊ given x the mean and the variance of the posterior of principal components, w(x − ½)/(w² + σ²) and
/// σ²/(w² + σ²), as the discrete chain has them.
#[test]
fn chains_given_an_image_have_its_posterior() {
    let num = 4_000;
    let device = Device::flex();
    let x = 0.8;
    let images = Tensor::<4>::full([num, 1, 1, 1], x, &device);
    let places: Vec<u32> = (0..num as u32).collect();
    let model = Line::new(SLOPE, 1.0).valid();
    let objective = Latent {
        posterior_steps: 200,
        ..objective()
    };
    let step = StepContext::default();
    let runs = ShortRuns {
        objective: &objective,
        model: &model,
        places: &places,
        step: &step,
        device: &device,
    };
    let Pairs { z_pos, negatives } = runs.pairs(&images);
    let Negatives::Latents(z_neg) = negatives else {
        panic!("a generator has no pairs");
    };
    // x ← a(x + sξ) around the mean, a = 1 − ηh: variance a²s²/(1 − a²), h the precision.
    let law = |step_size: f64, precision: f64| {
        let keeps = 1.0 - step_size * precision;
        keeps * keeps * 2.0 * step_size / (1.0 - keeps * keeps)
    };
    let precision = SLOPE * SLOPE / (STD * STD) + 1.0;
    let mean = SLOPE * (x - 0.5) / (SLOPE * SLOPE + STD * STD);
    for (name, z, expected, variance) in [
        ("posterior", z_pos, mean, law(0.01, precision)),
        ("prior", z_neg, 0.0, law(0.04, 1.0)),
    ] {
        let values: Vec<f64> = z.into_data().iter::<f64>().collect();
        let n = values.len() as f64;
        let found = values.iter().sum::<f64>() / n;
        let of_squares = values.iter().map(|z| (z - found).powi(2)).sum::<f64>() / n;
        let off = (found - expected) / (variance / n).sqrt();
        assert!(off.abs() < 5.0, "{name}: mean {found}, not {expected}");
        let off = (of_squares / variance - 1.0) / (2.0 / n).sqrt();
        assert!(
            off.abs() < 5.0,
            "{name}: variance {of_squares}, not {variance}"
        );
    }
}

#[test]
fn a_step_tells_its_terms_and_does_not_depend_on_micro_batches() {
    let model = Line::new(0.1, 1.5);
    let step = StepContext {
        record: true,
        ..StepContext::default()
    };
    let found = |micro_batch| {
        let objective = Latent {
            micro_batch,
            ..objective()
        };
        objective.gradient_of(&model, &data(0), &step)
    };
    let (whole, cut) = (found(None), found(Some(100)));
    let names: Vec<_> = whole.terms.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["e_pos", "e_neg", "gap", "loss", "reconstruction"]);
    let error = (whole.flat.clone() - cut.flat)
        .abs()
        .max()
        .into_scalar::<f32>();
    let largest = whole.flat.abs().max().into_scalar::<f32>();
    assert!(error <= 1e-4 * largest, "{error} of {largest}");
}

/// Along its own direction, the loss of a free energy rises as steeply as its gradient is long, chains held.
#[test]
fn the_gradient_of_a_free_energy_is_that_of_its_loss() {
    use ebm_core::{ImageShape, PhiloxRng};
    use ebm_langevin::noise_images;
    use ebm_model::LatentConfig;

    let device = Device::flex();
    let shape = ImageShape::new(1, 8, 8);
    let images = noise_images(6, shape, 3, &device);
    let config = LatentConfig {
        free: true,
        latents: 2,
        widths: vec![4, 4],
        hidden: 6,
        ..LatentConfig::default()
    };
    let mut rng = PhiloxRng::new(NoiseKey::new(0, Stream::Weights, 0), 0);
    let net = config
        .init(shape, &mut rng, &device.clone().autodiff())
        .expect("fits");
    let objective = Latent {
        langevin: LangevinConfig::new(3)
            .with_step_size(0.01)
            .with_noise_std(0.01),
        posterior_steps: 3,
        energy_l2: EnergyL2::from(0.1),
        ..objective()
    };
    let batch = Batch {
        images: images.clone(),
        labels: vec![0; 6],
    };
    let step = StepContext::default();
    let found = objective.gradient_of(&net, &batch, &step);
    let places = step.shard.places(6);
    let frozen = Frozen::new(&net);
    let runs = ShortRuns {
        objective: &objective,
        model: latent_of(&*frozen),
        places: &places,
        step: &step,
        device: &device,
    };
    let pairs = runs.pairs(&images);
    let loss_at = |weights: &Tensor<1>| {
        let net = parameters::unflatten(net.clone().valid(), weights);
        let energies = energies_of(latent_of(&net), &images, &pairs, 0..12);
        objective.loss_of(energies, true).into_scalar::<f32>()
    };
    let weights = parameters::flatten(&net);
    let off = found.loss.into_scalar::<f32>() - loss_at(&weights);
    assert!(off.abs() < 1e-5, "{off}");
    let length = found
        .flat
        .clone()
        .square()
        .sum()
        .sqrt()
        .into_scalar::<f32>();
    let ahead = found.flat / length * 0.01;
    let [ahead, behind] = [weights.clone() + ahead.clone(), weights - ahead].map(|at| loss_at(&at));
    let slope = (ahead - behind) / 0.02;
    let error = (slope / length - 1.0).abs();
    assert!(error < 0.02, "{slope} is not {length}");
}
