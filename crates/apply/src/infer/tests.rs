//! Hold inference to principal components, whose likelihood is known, and to runs that were not trained.

use burn::tensor::TensorData;
use ebm_core::ImageShape;
use ebm_model::{Inference, explained_energy};

use super::starts::minima_of;
use super::*;
use crate::testing::untrained_of;

const PIXELS: usize = 16;
const LATENTS: usize = 8;
const STD: f64 = 0.1;
const MEAN: f64 = 0.4;

/// Columns of V, which are orthogonal and of different lengths.
fn columns() -> [[f64; PIXELS]; LATENTS] {
    core::array::from_fn(|latent| {
        let length = 0.3 + 0.1 * latent as f64;
        let mut column = [0.0; PIXELS];
        (column[2 * latent], column[2 * latent + 1]) = (0.6 * length, 0.8 * length);
        column
    })
}

/// x = μ + Wz + σ·ε with z ~ N(0, I): probabilistic principal components (Tipping & Bishop 1999). W = VR with a
/// reflection R, so that elements of z depend on each other given x, and have 4 to 7 times less spread than N(0, I).
struct Components;

impl LatentEnergy for Components {
    fn num_latents(&self) -> usize {
        LATENTS
    }

    fn joint_energy(&self, x: Tensor<4>, z: Tensor<2>) -> Tensor<1> {
        explained_energy(self, x, z, None)
    }

    fn generative(&self) -> Option<&dyn Generative> {
        Some(self)
    }

    fn inference(&self) -> Inference {
        Inference {
            steps: 400,
            step_size: 0.01,
        }
    }
}

impl Generative for Components {
    fn generated(&self, z: Tensor<2>) -> Tensor<4> {
        let batch = z.dims()[0];
        let rows = columns().map(|column| column.map(|entry| entry as f32));
        let columns = Tensor::<2>::from_floats(rows, &z.device());
        let reflected = z.clone() - z.mean_dim(1) * 2.0;
        (reflected.matmul(columns) + MEAN).reshape([batch, 1, 4, 4])
    }

    fn prior_energy(&self, z: Tensor<2>) -> Tensor<1> {
        z.square().sum_dim(1).squeeze_dim::<1>(1) / 2.0
    }

    fn observation_std(&self) -> f64 {
        STD
    }
}

fn image(pixels: [f64; PIXELS]) -> Tensor<4> {
    let pixels: Vec<f32> = pixels.iter().map(|&pixel| pixel as f32).collect();
    Tensor::from_data(TensorData::new(pixels, [1, 1, 4, 4]), &Device::flex())
}

/// ½(x − μ)ᵀC⁻¹(x − μ) and ln det C of C = WWᵀ + σ²I (Tipping & Bishop 1999, eq. 7), in which WWᵀ = VVᵀ.
fn of_covariance(pixels: [f64; PIXELS]) -> (f64, f64) {
    let off = pixels.map(|pixel| pixel - MEAN);
    let dot = |one: [f64; PIXELS], other: [f64; PIXELS]| -> f64 {
        one.iter().zip(other).map(|(one, other)| one * other).sum()
    };
    let noise = STD * STD;
    let along = columns().map(|column| {
        let norm = dot(column, column);
        (
            dot(column, off).powi(2) / (norm + noise),
            (norm + noise).ln(),
        )
    });
    let explained: f64 = along.iter().map(|(explained, _)| explained).sum();
    let logarithms: f64 = along.iter().map(|(_, logarithm)| logarithm).sum();
    let quadratic = (dot(off, off) - explained) / noise / 2.0;
    (
        quadratic,
        logarithms + (PIXELS - LATENTS) as f64 * noise.ln(),
    )
}

#[test]
fn the_free_energy_of_principal_components_is_their_likelihood_and_the_least_energy_its_exponent() {
    let ln_2_pi = (2.0 * core::f64::consts::PI).ln();
    let spread = core::array::from_fn(|pixel| (pixel * 37 % 100) as f64 / 100.0);
    for (seed, pixels) in [(0, spread), (1, [MEAN; PIXELS])] {
        let x = image(pixels);
        let options = FreeEnergyOptions {
            temperatures: 200,
            seed,
            ..FreeEnergyOptions::default()
        };
        let device = Device::flex();
        let counter = StepCounter::default();
        let found = free_energy_of(&Components, &x, None, &device, options, counter);
        let found = found.expect("finite");
        // −log p(x) = F(x) + the logarithms of what E leaves out: (2πσ²)^(D/2) of the images, (2π)^(d/2) of z.
        let (quadratic, log_det) = of_covariance(pixels);
        let surprise = quadratic + 0.5 * (log_det + PIXELS as f64 * ln_2_pi);
        let left_out =
            0.5 * PIXELS as f64 * ((STD * STD).ln() + ln_2_pi) + 0.5 * LATENTS as f64 * ln_2_pi;
        let expected = surprise - left_out;
        let off = (found.value - expected) / found.error;
        assert!(
            off.abs() < 5.0,
            "{found:?}, not {expected}: {off} standard errors"
        );
        let half = options.chains as f64 / 2.0;
        assert!(
            found.effective_chains > half && found.error < 0.2,
            "{found:?}"
        );
        // The plain minimum is the exponent of p(x).
        let posterior = Posterior::new(&Components, x);
        let inference = Components.inference();
        let z = least_latents(&posterior, inference, [1, LATENTS], &device, false);
        let least = posterior.energies(z).into_scalar::<f32>();
        assert!(
            (f64::from(least) - quadratic).abs() < 1e-3,
            "{least}, not {quadratic}"
        );
    }
}

#[test]
fn descents_from_everywhere_end_at_the_exponent_of_principal_components() {
    let pixels = core::array::from_fn(|pixel| (pixel * 37 % 100) as f64 / 100.0);
    let (quadratic, _) = of_covariance(pixels);
    let options = SearchOptions::default();
    let of_all = Posterior::new(&Components, each_repeated(&image(pixels), options.starts));
    let (inference, device) = (Components.inference(), Device::flex());
    let counter = StepCounter::default();
    let minima = minima_of(&of_all, 1, inference, &device, options, &counter);
    assert_eq!(minima.len(), options.starts);
    for minimum in minima {
        let off = f64::from(minimum.energy) - quadratic;
        assert!(off.abs() < 2e-3, "{off} from {quadratic}");
    }
    assert!(counter.gradients() <= options.gradients(inference) as u64);
}

const SHAPE: ImageShape = ImageShape::new(1, 8, 8);

fn explainer(network: &str) -> Explainer {
    let network = format!("model.network={network}");
    let keys = [
        "objective.kind=latent",
        "model.spectral_norm=none",
        &network,
        "model.widths=[4, 4]",
        "model.latents=3",
        "model.inference_steps=8",
        "langevin.grad_clip=none",
        "langevin.step_size=0.08",
    ];
    let trained = untrained_of(&keys, SHAPE, &["one"]);
    Explainer::of(&trained, Weights::Average).expect("latents")
}

fn images() -> Tensor<4> {
    let bytes: Vec<u8> = (0..2 * SHAPE.pixels()).map(|i| (i * 37) as u8).collect();
    crate::score::images(&bytes, SHAPE, &Device::flex())
}

#[test]
fn a_descent_explains_an_image_better_than_where_it_starts() {
    for network in ["latent", "latent-free"] {
        let explainer = explainer(network);
        let x = images();
        let found = explainer.explain(&x, None).expect("finite");
        assert_eq!(found.latents.dims(), [2, 3]);
        let zeros = found.latents.zeros_like();
        let at_zero = explainer.energy().joint_energy(x.clone(), zeros);
        let at_zero: Vec<f32> = at_zero.into_data().iter::<f32>().collect();
        for (found, zero) in found.energies.iter().zip(at_zero) {
            assert!(*found < zero, "{network}: {found}, {zero}");
        }
        let options = PosteriorOptions {
            samples: 3,
            steps: 5,
            seed: 1,
        };
        let counter = StepCounter::default();
        let drawn = explainer.draw(&x, None, &found.latents, options, counter.clone());
        assert_eq!(drawn.expect("finite").latents.dims(), [6, 3]);
        let taken = counter.gradients() as f64 / (2 * Explainer::draw_gradients(options)) as f64;
        assert!((1.0..1.2).contains(&taken), "{taken}");
    }
}

#[test]
fn several_starts_find_no_higher_energy_than_the_one_of_the_model() {
    for network in ["latent", "latent-free"] {
        let explainer = explainer(network);
        let x = images();
        let own = explainer.explain(&x, None).expect("finite");
        let search = |starts| {
            let options = SearchOptions { starts, seed: 4 };
            let counter = StepCounter::default();
            let found = explainer.search(&x, None, options, counter.clone());
            assert!(counter.gradients() <= 2 * explainer.search_gradients(options));
            found.expect("finite")
        };
        let found = search(5);
        assert_eq!(found.latents.dims(), [2, 3]);
        for (found, own) in found.energies.iter().zip(&own.energies) {
            let rounding = 1e-5 * own.abs();
            assert!(*found <= own + rounding, "{network}: {found}, {own}");
        }
        // They are the energies of the latents.
        let energies = explainer.energy().joint_energy(x.clone(), found.latents);
        let energies: Vec<f32> = energies.into_data().iter::<f32>().collect();
        for (found, told) in energies.iter().zip(&found.energies) {
            assert!((found - told).abs() <= 1e-4 * told.abs().max(1.0));
        }
        assert_eq!(search(1).energies, own.energies);
    }
}

#[test]
fn images_are_explained_the_same_so_many_at_a_time() {
    let mut explainer = explainer("latent");
    let x = images();
    let mut found = |at_once| {
        explainer.at_once = at_once;
        let least = explainer.explain(&x, None).expect("finite");
        let options = PosteriorOptions {
            samples: 3,
            steps: 5,
            seed: 1,
        };
        let counter = StepCounter::default();
        let drawn = explainer.draw(&x, None, &least.latents, options, counter.clone());
        let searched = explainer.search(&x, None, SearchOptions::default(), counter);
        [least, drawn.expect("finite"), searched.expect("finite")]
    };
    let [whole, single] = [found(AT_ONCE), found(1)];
    for (whole, single) in whole.into_iter().zip(single) {
        let values = |z: Tensor<2>| -> Vec<f32> { z.into_data().iter::<f32>().collect() };
        let energies = whole.energies.iter().zip(&single.energies);
        let of_energies = energies.map(|(one, other)| (one - other).abs() / one.abs().max(1.0));
        let latents = values(whole.latents)
            .into_iter()
            .zip(values(single.latents));
        let of_latents = latents.map(|(one, other)| (one - other).abs());
        assert!(of_energies.chain(of_latents).all(|off| off < 1e-4));
        assert_eq!(whole.energies.len(), single.energies.len());
    }
}

#[test]
fn a_line_between_two_latent_vectors_begins_and_ends_with_theirs() {
    let explainer = explainer("latent");
    let ends = explainer.explain(&images(), None).expect("finite").latents;
    let line = explainer.between(&ends, 5).expect("a generator");
    assert_eq!(line.dims(), SHAPE.batch(5));
    let generator = explainer.generator().expect("a generator");
    let of_ends = generator.generated(ends);
    let pixels = |x: Tensor<4>, row: usize| -> Vec<f32> {
        x.narrow(0, row, 1).into_data().iter::<f32>().collect()
    };
    for (place, end) in [(0, 0), (4, 1)] {
        let pair = pixels(line.clone(), place).into_iter();
        for (found, expected) in pair.zip(pixels(of_ends.clone(), end)) {
            assert!((found - expected).abs() < 1e-5);
        }
    }
}

#[test]
fn what_has_no_latents_and_what_generates_nothing_are_refused() {
    let plain = untrained_of(
        &["model.network=pooled", "model.widths=[4]"],
        SHAPE,
        &["one"],
    );
    let refused = Explainer::of(&plain, Weights::Average).expect_err("no latents");
    assert!(matches!(refused, InferError::NoLatents { .. }));
    let free = explainer("latent-free");
    let known = Tensor::<4>::ones(SHAPE.batch(2), &Device::flex());
    let refused = free
        .explain(&images(), Some(&known))
        .expect_err("whole images");
    assert!(matches!(refused, InferError::NoGenerator { .. }));
}
