//! Hold Euler and Heun steps along a flow to their closed forms, and their noise to its law.

use burn::tensor::{Device, Tensor};
use ebm_core::{ImageShape, NoiseKey, Stream};
use ebm_langevin::{
    ChainRun, Dynamics, LangevinConfig, Method, Sampler, StepCounter, euler, heun, noise_images_of,
    starts_of,
};
use rayon::ThreadPoolBuilder;

use crate::laws::moments;

const METHODS: [Method; 2] = [Method::Euler, Method::Heun];

/// Minimum and curvature of a quadratic energy a·‖x − m‖²/2.
const CENTER: f64 = 0.3;
const CURVATURE: f64 = 3.0;

fn config(method: Method, num_steps: usize, flow_time: f64) -> LangevinConfig {
    LangevinConfig::new(num_steps)
        .with_method(method)
        .with_flow_time(flow_time)
}

fn quadratic(x: Tensor<2>) -> Tensor<1> {
    let far = (x - CENTER).square() * (CURVATURE / 2.0);
    far.sum_dim(1).squeeze_dim(1)
}

fn key() -> NoiseKey {
    NoiseKey::new(20_250_401, Stream::Sample, 0)
}

/// What a step of size h multiplies x − m by.
fn factor(method: Method, h: f64) -> f64 {
    let ha = h * CURVATURE;
    match method {
        Method::Heun => 1.0 - ha + ha * ha / 2.0,
        _ => 1.0 - ha,
    }
}

/// Every state of chains of one pixel, the start first.
fn states(config: LangevinConfig, starts: &[f32]) -> Vec<Vec<f64>> {
    let ids: Vec<u32> = (0..starts.len() as u32).collect();
    let x = Tensor::<1>::from_floats(starts, &Device::flex()).reshape([starts.len(), 1]);
    let run = Sampler::new(config, key())
        .with_trajectory(1)
        .with_piece_size(starts.len().div_ceil(2))
        .run(x, &ids, &quadratic);
    let frames = run.trajectory.into_iter();
    frames
        .map(|x| x.into_data().iter::<f64>().collect())
        .collect()
}

#[test]
fn every_step_shrinks_the_distance_to_the_minimum_of_a_quadratic_energy_by_its_factor() {
    let starts = [1.7, -0.6, 0.3, 0.0];
    for method in METHODS {
        // Up to t = 0.9 nothing is clipped, although the chains are far outside of [0, 1].
        let frames = states(config(method, 9, 0.9), &starts);
        assert_eq!(frames.len(), 10);
        for (k, frame) in frames.iter().enumerate() {
            for (x, start) in frame.iter().zip(starts) {
                let shrunk = factor(method, 0.1).powi(k as i32);
                let expected = CENTER + shrunk * (f64::from(start) - CENTER);
                assert!(
                    (x - expected).abs() < 5e-6,
                    "{method}, step {k}: {x} is not {expected}"
                );
            }
        }
    }
}

#[test]
fn pixels_are_clipped_in_the_steps_that_end_at_the_data_or_later_and_in_no_other() {
    // E falls along the first pixel and rises along the second.
    let slope = |x: Tensor<2>| -> Tensor<1> {
        let slope = Tensor::<2>::from_floats([[-1.0, 1.0]], &Device::flex());
        (x * slope).sum_dim(1).squeeze_dim(1)
    };
    for method in METHODS {
        for margin in [0.0, 0.125] {
            let config = config(method, 6, 1.5).with_margin(margin);
            let x = Tensor::<2>::from_floats([[0.875, 0.125]], &Device::flex());
            let run = Sampler::new(config, key())
                .with_trajectory(1)
                .run(x, &[0], &slope);
            let frames = run.trajectory.into_iter();
            let frames: Vec<Vec<f64>> = frames
                .map(|x| x.into_data().iter::<f64>().collect())
                .collect();
            let (low, high) = (-margin, 1.0 + margin);
            let expected = [
                [0.875, 0.125],
                [1.125, -0.125],
                [1.375, -0.375],
                [1.625, -0.625],
                [high, low], // t = 1
                [high, low],
                [high, low],
            ];
            assert_eq!(frames, expected, "{method}, margin {margin}");
        }
    }
}

#[test]
fn noise_comes_from_its_time_on_and_has_the_variance_of_its_temperature() {
    let (chains, temperature) = (20_000, 0.05);
    for method in METHODS {
        let (h, steps) = (0.125, 8);
        let config = config(method, steps, 1.0)
            .with_flow_temperature(temperature)
            .with_flow_heated_from(0.5)
            .with_bounds(None);
        let frames = states(config, &vec![1.5; chains]);
        let factor = factor(method, h);
        // ξ of Heun counts in both gradients: √(2hT)·(1 − ha/2).
        let through = match method {
            Method::Heun => 1.0 - h * CURVATURE / 2.0,
            _ => 1.0,
        };
        let of_step = 2.0 * h * temperature * through * through;
        let mut variance = 0.0;
        for (k, frame) in frames.iter().enumerate() {
            // Steps from number 4 on start at t = 0.5 or later.
            if k <= 4 {
                assert!(frame.iter().all(|x| *x == frame[0]), "{method}, step {k}");
                continue;
            }
            variance = factor * factor * variance + of_step;
            let expected = CENTER + factor.powi(k as i32) * (1.5 - CENTER);
            let n = chains as f64;
            let (mean, sampled) = moments(frame);
            let of_mean = (mean - expected).abs() / (variance / n).sqrt();
            let of_variance = (sampled / variance - 1.0).abs() / (2.0 / (n - 1.0)).sqrt();
            assert!(
                of_mean < 5.0 && of_variance < 5.0,
                "{method}, step {k}: mean {mean} of {expected} ({of_mean} standard errors), \
                 variance {sampled} of {variance} ({of_variance})"
            );
        }
    }
}

fn waves(x: Tensor<2>) -> Tensor<1> {
    (x * 4.0).sin().sum_dim(1).squeeze_dim(1)
}

fn heated(method: Method) -> LangevinConfig {
    config(method, 5, 1.25)
        .with_flow_temperature(0.02)
        .with_flow_heated_from(0.25)
}

fn start() -> Tensor<2> {
    let x = Tensor::arange(0..21 * 6, &Device::flex()).float();
    (x / 100.0 - 0.1).reshape([21, 6])
}

#[test]
fn chains_do_not_depend_on_pieces_or_threads() {
    let ids: Vec<u32> = (0..21).map(|i| 3 * i + 1).collect();
    for method in METHODS {
        let sampler = Sampler::new(heated(method), key()).with_stats(true);
        let bits = |run: ChainRun<2>| {
            let steps = run.stats.and_then(|stats| stats.steps).expect("asked for");
            (run.x.into_data(), steps.grad_norm_mean.into_data())
        };
        let in_pieces = |size: usize| {
            let sampler = sampler.clone().with_piece_size(size);
            bits(sampler.run(start(), &ids, &waves))
        };
        let on_threads = |threads: usize| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build();
            let run = || bits(sampler.run(start(), &ids, &waves));
            pool.expect("threads can be started").install(run)
        };
        let whole = in_pieces(21);
        for other in [
            in_pieces(8),
            in_pieces(1),
            on_threads(1),
            on_threads(2),
            on_threads(4),
        ] {
            assert_eq!(whole, other, "{method}");
        }
    }
}

#[test]
fn steps_taken_one_by_one_give_the_bits_of_a_run() {
    let ids: Vec<u32> = (0..21).collect();
    for method in METHODS {
        let config = heated(method);
        let dynamics = Dynamics::new(&config, key(), &ids, &waves, &Device::flex());
        let mut x = start();
        for step in 0..config.num_steps {
            x = match method {
                Method::Heun => heun::step(&dynamics, heun::init(x), step).0.x,
                _ => euler::step(&dynamics, euler::init(x), step).0.x,
            };
        }
        let run = Sampler::new(config.clone(), key()).run(start(), &ids, &waves);
        assert_eq!(x.into_data(), run.x.into_data(), "{method}");
    }
}

#[test]
fn a_step_counts_the_gradients_that_it_takes() {
    for (method, gradients) in [(Method::Euler, 1), (Method::Heun, 2)] {
        let counter = StepCounter::default();
        let ids: Vec<u32> = (0..21).collect();
        let config = heated(method);
        assert_eq!(config.gradients_per_step(), gradients);
        let sampler = Sampler::new(config, key()).with_counter(counter.clone());
        sampler.run(start(), &ids, &waves);
        assert_eq!(counter.gradients(), (21 * 5 * gradients) as u64);
    }
}

#[test]
fn a_flow_starts_from_a_normal_law_that_is_not_clipped_and_other_chains_from_uniform_noise() {
    let (shape, device) = (ImageShape::new(3, 16, 16), Device::flex());
    let values = |x: Tensor<4>| x.into_data().iter::<f64>().collect::<Vec<_>>();
    let starts = |method: Method| {
        let langevin = LangevinConfig::new(5).with_method(method);
        values(starts_of(&langevin, 3..67, shape, 9, &device))
    };
    for method in METHODS {
        let pixels = starts(method);
        let n = pixels.len() as f64;
        let (mean, variance) = moments(&pixels);
        assert!(
            (mean - 0.5).abs() < 5.0 * (0.25 / n).sqrt(),
            "{method}: {mean}"
        );
        let of_variance = (variance / 0.25 - 1.0).abs() / (2.0 / (n - 1.0)).sqrt();
        assert!(of_variance < 5.0, "{method}: {variance}");
        assert!(pixels.iter().any(|pixel| *pixel < 0.0) && pixels.iter().any(|pixel| *pixel > 1.0));
        // A chain starts alike among others and alone.
        let langevin = LangevinConfig::new(5).with_method(method);
        let alone = values(starts_of(&langevin, 4..5, shape, 9, &device));
        assert_eq!(alone, pixels[768..2 * 768]);
    }
    let uniform = values(noise_images_of(3..67, shape, 9, &device));
    for method in [Method::Sgld, Method::Mala, Method::Hmc] {
        assert_eq!(starts(method), uniform);
    }
}
