//! Hold energies of images and latent vectors to their definition, and the least of them to closed forms.

use burn::tensor::{DType, Device, Tensor};
use ebm_core::{Energy, ImageShape};
use ebm_langevin::StepCounter;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;
use crate::energy::EnergyModel;
use crate::frozen::Frozen;
use crate::invalid_network::InvalidNetwork;
use crate::testing::{assert_close, floats, images, stirred, wave};

const SHAPE: ImageShape = ImageShape::new(1, 8, 4);

fn config(free: bool) -> LatentConfig {
    LatentConfig {
        free,
        latents: 3,
        widths: vec![4, 6, 8],
        hidden: 5,
        ..LatentConfig::default()
    }
}

fn unstirred(config: &LatentConfig) -> LatentNet {
    let mut rng = SmallRng::seed_from_u64(2);
    config.init(SHAPE, &mut rng, &Device::flex()).expect("fits")
}

fn net(config: &LatentConfig) -> LatentNet {
    stirred(unstirred(config))
}

fn latents(batch: usize) -> Tensor<2> {
    wave([batch, 3], 5, &Device::flex())
}

#[test]
fn a_generator_makes_images_of_the_shape_it_was_built_for() {
    let net = net(&config(false));
    let model = net.generative().expect("a generator");
    let made = model.generated(latents(2));
    assert_eq!(made.dims(), SHAPE.batch(2));
    let pixels = floats(made.into_data());
    assert!(pixels.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
    assert!(net_of(true).generative().is_none());
}

fn net_of(free: bool) -> LatentNet {
    net(&config(free))
}

#[test]
fn the_energy_of_a_pair_is_its_error_over_two_variances_and_the_energy_of_z() {
    let config = LatentConfig {
        observation_std: 0.5,
        ..config(false)
    };
    let net = net(&config);
    let (x, z) = (images(2, SHAPE), latents(2));
    let model = net.generative().expect("a generator");
    let made = floats(model.generated(z.clone()).into_data());
    let prior = floats(model.prior_energy(z.clone()).into_data());
    let pixels = floats(x.to_data());
    let expected: Vec<f32> = (0..2)
        .map(|row| {
            let some = row * SHAPE.pixels()..(row + 1) * SHAPE.pixels();
            let errors = some.map(|i| (pixels[i] - made[i]).powi(2));
            errors.sum::<f32>() / (2.0 * 0.25) + prior[row]
        })
        .collect();
    let found = floats(net.joint_energy(x, z).into_data());
    assert_close(&found, &expected, &"energies");
}

#[test]
fn the_prior_is_standard_normal_at_first() {
    let net = unstirred(&config(false));
    let model = net.generative().expect("a generator");
    let z = latents(4);
    let expected = floats((z.clone().square().sum_dim(1) / 2.0).into_data());
    assert_close(
        &floats(model.prior_energy(z).into_data()),
        &expected,
        &"prior",
    );
}

#[test]
fn energies_of_z_given_images_are_those_of_the_whole_in_any_piece() {
    for free in [false, true] {
        let net = net_of(free);
        let posterior = Posterior::new(&net, images(4, SHAPE));
        let z = latents(4);
        let (whole, gradients) = posterior.energies_and_gradients(z.clone());
        let [whole, gradients] = [floats(whole.into_data()), floats(gradients.into_data())];
        let rows = posterior.of_rows(1..3).expect("every row has its image");
        let (part, of_part) = rows.energies_and_gradients(z.narrow(0, 1, 2));
        assert_close(&floats(part.into_data()), &whole[1..3], &free);
        assert_close(&floats(of_part.into_data()), &gradients[3..9], &free);
    }
}

#[test]
fn pixels_that_are_not_known_do_not_matter() {
    let net = net_of(false);
    let known = Tensor::<4>::ones(SHAPE.batch(2), &Device::flex());
    let known = known.slice_fill([0..2, 0..1, 0..4, 0..4], 0.0);
    let one = images(2, SHAPE);
    let other = one.clone().slice_fill([0..2, 0..1, 0..4, 0..4], 7.0);
    let energies = |x: Tensor<4>| {
        let posterior = Posterior::new(&net, x).with_known(known.clone());
        floats(posterior.energies(latents(2)).into_data())
    };
    assert_eq!(energies(one.clone()), energies(other));
    let whole = floats(net.joint_energy(one.clone(), latents(2)).into_data());
    assert!(
        energies(one)
            .iter()
            .zip(&whole)
            .all(|(part, all)| part < all)
    );
}

/// E(x, z) = ‖x − w·z‖²/2σ² + ½z² with one latent.
struct Line;

const SLOPES: [f64; 2] = [0.3, -0.4];
const STD: f64 = 0.2;

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

    fn inference(&self) -> Inference {
        Inference {
            steps: 60,
            step_size: 0.1,
        }
    }
}

impl Generative for Line {
    fn generated(&self, z: Tensor<2>) -> Tensor<4> {
        let batch = z.dims()[0];
        let slopes = Tensor::<2>::from_floats([SLOPES.map(|slope| slope as f32)], &z.device());
        (z * slopes).reshape([batch, 1, 1, 2])
    }

    fn prior_energy(&self, z: Tensor<2>) -> Tensor<1> {
        energy::half_square(z)
    }

    fn observation_std(&self) -> f64 {
        STD
    }
}

#[test]
fn a_descent_ends_at_the_least_energy_of_a_linear_generator() {
    let device = Device::flex();
    let x = Tensor::<4>::from_floats([[[[0.9, 0.1]]], [[[-0.2, 0.5]]]], &device);
    let posterior = Posterior::new(&Line, x);
    // z* = wᵀx / (wᵀw + σ²).
    let norm = SLOPES.iter().map(|slope| slope * slope).sum::<f64>() + STD * STD;
    let expected = [[0.9, 0.1], [-0.2, 0.5]].map(|pixels| {
        let along = pixels[0] * SLOPES[0] + pixels[1] * SLOPES[1];
        (along / norm) as f32
    });
    // 2/7.25 is the longest step, as E″ = 7.25, with which steps of one size do not diverge.
    for (alone, step_size) in [(false, 0.1), (true, 0.1), (true, 0.3), (true, 1e3)] {
        let inference = Inference {
            step_size,
            ..Line.inference()
        };
        let z = least_latents(&posterior, inference, [2, 1], &device, alone);
        assert_close(&floats(z.into_data()), &expected, &(alone, step_size));
    }
}

/// E(x) is lower than E(x, 0), and its gradient that of its definition: where E(x, z) is at its least, z may be held.
#[test]
fn the_energy_of_an_image_is_the_least_over_z_and_so_is_its_gradient() {
    for free in [false, true] {
        let config = LatentConfig {
            inference_steps: 600,
            inference_step_size: 0.02,
            observation_std: 0.6,
            ..config(free)
        };
        let net = Frozen::new(&net(&config));
        let x = images(2, SHAPE);
        let (energies, gradients) = net.energies_and_gradients(x.clone());
        let energies = floats(energies.into_data());
        let latent = net.latent().expect("latents");
        let zeros = Tensor::zeros([2, 3], &Device::flex());
        let at_zero = floats(latent.joint_energy(x.clone(), zeros).into_data());
        for (least, zero) in energies.iter().zip(at_zero) {
            assert!(*least < zero, "{free}: {least} is not below {zero}");
        }
        // Along its own direction the energy rises as steeply as the gradient is long.
        let lengths = gradients
            .clone()
            .square()
            .flatten::<2>(1, 3)
            .sum_dim(1)
            .sqrt();
        let step = gradients / lengths.clone().reshape([2, 1, 1, 1]) * 0.02;
        let [ahead, behind] = [x.clone() + step.clone(), x - step].map(|x| net.energies(x));
        let slopes = floats(((ahead - behind) / 0.04).into_data());
        for (slope, length) in slopes.iter().zip(floats(lengths.into_data())) {
            let error = (slope / length - 1.0).abs();
            assert!(error < 0.02, "{free}: {slope} is not {length}");
        }
    }
}

#[test]
fn a_frozen_network_computes_what_the_network_does() {
    for free in [false, true] {
        let net = LatentConfig {
            spectral_norm: free,
            ..config(free)
        };
        let net = self::net(&net);
        let x = images(2, SHAPE);
        let expected = floats(net.energy(x.clone()).into_data());
        let frozen = Frozen::new(&net);
        assert_close(
            &floats(frozen.energies(x.clone()).into_data()),
            &expected,
            &free,
        );
        let rounded = frozen.rounded(crate::Precision::F16).energies(x);
        assert_eq!(rounded.dtype(), DType::F32);
        let off = floats(rounded.into_data()).into_iter().zip(expected);
        for (rounded, exact) in off {
            assert!((rounded - exact).abs() < 0.02 * exact.abs().max(1.0));
        }
    }
}

#[test]
fn samples_depend_on_the_numbers_of_their_chains_and_not_on_the_batch() {
    let device = Device::flex();
    for free in [false, true] {
        let net = net_of(free);
        let langevin = match free {
            true => ebm_langevin::LangevinConfig::new(4)
                .with_step_size(0.01)
                .with_noise_std(0.05),
            false => net.inference.chains(4),
        };
        let drawing = LatentDrawing {
            model: &net,
            langevin: &langevin,
            steps: 4,
            seed: 3,
            counter: StepCounter::default(),
            trajectory_every: Some(2),
        };
        let whole = drawing.run(0..3, SHAPE, &device);
        assert_eq!(whole.images.dims(), SHAPE.batch(3));
        assert_eq!(whole.latents.dims(), [3, 3]);
        assert_eq!(whole.trajectory.len(), 3);
        let last = floats(whole.trajectory[2].clone().into_data());
        let of_whole = floats(whole.images.into_data());
        assert_close(&last, &of_whole, &free);
        let part = drawing.run(1..3, SHAPE, &device);
        let pixels = SHAPE.pixels();
        assert_close(&floats(part.images.into_data()), &of_whole[pixels..], &free);
        assert_eq!(drawing.counter.gradients(), 5 * 4);
    }
}

#[test]
fn refuses_what_makes_no_network() {
    let refused = |config: LatentConfig, shape: ImageShape| {
        let mut rng = SmallRng::seed_from_u64(2);
        let error: Result<LatentNet, InvalidNetwork> =
            config.init(shape, &mut rng, &Device::flex());
        error.expect_err("refused").to_string()
    };
    let none = LatentConfig {
        latents: 0,
        ..config(false)
    };
    assert_eq!(refused(none, SHAPE), "layer 4: latents must be at least 1");
    let odd = ImageShape::new(1, 10, 8);
    let message = refused(config(false), odd);
    assert!(message.contains("cannot be halved 2 times"), "{message}");
    let mut rng = SmallRng::seed_from_u64(2);
    let free = config(true).init(odd, &mut rng, &Device::flex());
    assert!(free.is_ok());
}
