//! Hold the sampler to exact laws: independent chains, fixed seeds, five standard errors.

use burn::tensor::{Device, Tensor};
use ebm_core::{Distribution, NoiseKey, Schedule, Stream, Varying};
use ebm_langevin::{LangevinConfig, Method, Sampler};

/// Five standard deviations of a normal, as a probability of both tails: 2·(1 − Φ(5)).
const FIVE_SIGMA: f64 = 5.733e-7;

fn sampler(config: LangevinConfig) -> Sampler {
    Sampler::new(config, NoiseKey::new(20_190_320, Stream::Sample, 0))
}

fn unbounded(num_steps: usize, step_size: f64, noise_std: f64) -> LangevinConfig {
    LangevinConfig {
        num_steps,
        step_size: Schedule::Constant(step_size),
        noise_std: Schedule::Constant(noise_std),
        bounds: None,
        ..LangevinConfig::default()
    }
}

/// Run `chains` one-pixel chains from `start`.
fn run(
    config: LangevinConfig,
    chains: usize,
    start: f32,
    energy: impl Fn(Tensor<2>) -> Tensor<2> + Sync,
) -> Vec<f64> {
    let ids: Vec<u32> = (0..chains as u32).collect();
    let x = Tensor::full([chains, 1], start, &Device::flex());
    let run = sampler(config).with_piece_size(chains.div_ceil(2)).run(
        x,
        &ids,
        &|x: Tensor<2>| -> Tensor<1> { energy(x).squeeze_dim(1) },
    );
    run.x.into_data().iter::<f64>().collect()
}

/// Mean and variance.
pub fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, variance)
}

/// Mean and variance of K steps of x ← a(x + sξ) from x₀, and five standard errors of each.
fn assert_ar1(values: &[f64], a: f64, s: f64, steps: i32, x0: f64) {
    let n = values.len() as f64;
    let (mean, variance) = moments(values);
    let expected_mean = a.powi(steps) * x0;
    let expected = a * a * s * s * (1.0 - a.powi(2 * steps)) / (1.0 - a * a);
    let mean_error = (mean - expected_mean).abs() / (expected / n).sqrt();
    let variance_error = (variance / expected - 1.0).abs() / (2.0 / (n - 1.0)).sqrt();
    assert!(
        mean_error < 5.0,
        "mean {mean}, expected {expected_mean}: {mean_error} standard errors"
    );
    assert!(
        variance_error < 5.0,
        "variance {variance}, expected {expected}: {variance_error} standard errors"
    );
}

/// Largest distance between the empirical distribution and `cdf`, times √n.
pub fn kolmogorov_smirnov(mut values: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let distances = values.iter().enumerate().map(|(i, &v)| {
        let p = cdf(v);
        (p - i as f64 / n).max((i + 1) as f64 / n - p)
    });
    distances.fold(0.0, f64::max) * n.sqrt()
}

/// Where the statistic lies with probability [`FIVE_SIGMA`] or less (Kolmogorov's first term).
pub fn kolmogorov_bound() -> f64 {
    (-(FIVE_SIGMA / 2.0).ln() / 2.0).sqrt()
}

#[test]
fn the_chain_of_a_quadratic_energy_is_the_ar1_process_of_its_convention() {
    let sigma: f64 = 0.7;
    for ratio in [0.02, 0.3, 1.2] {
        for temperature in [1.0, 2.5] {
            let step_size = ratio * sigma * sigma;
            let config = LangevinConfig {
                temperature: Schedule::Constant(temperature),
                ..unbounded(12, step_size, 0.25)
            };
            let x = run(config, 20_000, 1.5, |x| x.square() / (2.0 * sigma * sigma));
            assert_ar1(&x, 1.0 - ratio / temperature, 0.25, 12, 1.5);
        }
    }
}

#[test]
fn every_step_uses_its_own_value_of_a_schedule() {
    let (start, end) = (0.3, 0.05);
    let config = LangevinConfig {
        noise_std: Schedule::Varying(Varying::Linear { start, end }),
        ..unbounded(6, 0.2, 0.0)
    };
    let x = run(config, 20_000, 1.0, |x| x.square() / 2.0);
    // Var ← a²(Var + s²), one step after the other.
    let noise = |step: i32| start + (end - start) * f64::from(step) / 5.0;
    let variance = (0..6).fold(0.0, |v, step| 0.64 * (v + noise(step).powi(2)));
    let (mean, sampled) = moments(&x);
    let n = x.len() as f64;
    assert!((mean - 0.8f64.powi(6)).abs() < 5.0 * (variance / n).sqrt());
    assert!((sampled / variance - 1.0).abs() < 5.0 * (2.0 / (n - 1.0)).sqrt());
}

#[test]
fn a_skewed_target_is_sampled_the_right_way_round() {
    // Gumbel: p(x) = exp(−x − e⁻ˣ), whose distribution function is exp(−e⁻ˣ).
    let step_size: f64 = 0.004;
    let config = unbounded(1_500, step_size, (2.0 * step_size).sqrt());
    let x = run(config, 4_000, 0.5, |x| x.clone() + x.neg().exp());
    let statistic = kolmogorov_smirnov(x, |x| (-(-x).exp()).exp());
    assert!(statistic < kolmogorov_bound(), "{statistic}");
}

#[test]
fn normals_and_uniforms_follow_their_laws() {
    let key = NoiseKey::new(7, Stream::Sample, 3);
    let draws = |distribution: Distribution| -> Vec<f64> {
        let mut draws = vec![0.0; 250];
        let rows = (0..1_000).flat_map(|chain| {
            key.fill(chain, distribution, &mut draws);
            draws.clone()
        });
        rows.map(f64::from).collect()
    };
    let phi = |x: f64| 0.5 * libm::erfc(-x / core::f64::consts::SQRT_2);
    let normal = kolmogorov_smirnov(draws(Distribution::Normal), phi);
    let uniform = kolmogorov_smirnov(draws(Distribution::Uniform), |u| u);
    assert!(normal < kolmogorov_bound(), "{normal}");
    assert!(uniform < kolmogorov_bound(), "{uniform}");
}

#[test]
fn noises_of_neighbouring_steps_chains_and_pixels_are_uncorrelated() {
    let key = NoiseKey::new(7, Stream::Sample, 3);
    let row = |step, chain| {
        let mut row = vec![0.0; 64];
        key.at_step(step)
            .fill(chain, Distribution::Normal, &mut row);
        row
    };
    let rows: Vec<Vec<Vec<f32>>> = (0..20)
        .map(|step| (0..20).map(|chain| row(step, chain)).collect())
        .collect();
    let (mut sums, mut n) = ([0.0; 3], 0.0);
    for step in 0..19 {
        for chain in 0..19 {
            for pixel in 0..63 {
                let here = f64::from(rows[step][chain][pixel]);
                sums[0] += here * f64::from(rows[step + 1][chain][pixel]);
                sums[1] += here * f64::from(rows[step][chain + 1][pixel]);
                sums[2] += here * f64::from(rows[step][chain][pixel + 1]);
                n += 1.0;
            }
        }
    }
    assert!(
        sums.iter().all(|sum| sum.abs() < 5.0 * f64::sqrt(n)),
        "{sums:?} of {n}"
    );
}

#[test]
fn a_recipe_for_minus_one_to_one_follows_the_same_trajectory_in_zero_to_one() {
    for method in [Method::Sgld, Method::Mala, Method::Hmc] {
        assert_same_trajectory(LangevinConfig {
            method,
            num_steps: 5,
            step_size: Schedule::Constant(if method == Method::Sgld { 0.4 } else { 0.05 }),
            noise_std: Schedule::Constant(0.05),
            grad_clip: Some(0.3),
            grad_norm_clip: Some(0.8),
            bounds: Some([-1.0, 1.0]),
            ..LangevinConfig::default()
        });
    }
}

#[test]
fn a_flow_for_minus_one_to_one_is_followed_under_a_quarter_of_its_energy_in_the_same_time() {
    for method in [Method::Euler, Method::Heun] {
        assert_same_trajectory(LangevinConfig {
            method,
            num_steps: 5,
            flow_time: 1.25,
            flow_temperature: 0.05,
            flow_heated_from: 0.5,
            bounds: Some([-1.0, 1.0]),
            ..LangevinConfig::default()
        });
    }
}

#[track_caller]
fn assert_same_trajectory(published: LangevinConfig) {
    let quarter = if published.method.is_flow() {
        0.25
    } else {
        1.0
    };
    let ids: Vec<u32> = (0..64).collect();
    let u = |u: Tensor<2>| -> Tensor<1> {
        (u.clone() - 0.2)
            .powi_scalar(4)
            .sum_dim(1)
            .squeeze_dim::<1>(1)
    };
    let start = Tensor::<2>::full([64, 9], 0.9, &Device::flex());
    let there = sampler(published.clone()).run(start.clone(), &ids, &u).x;
    let here = sampler(published.from_minus_one_to_one())
        .run((start + 1.0) / 2.0, &ids, &|x: Tensor<2>| {
            u(x * 2.0 - 1.0) * quarter
        })
        .x;
    let difference = (here * 2.0 - 1.0 - there).abs().max().into_scalar::<f32>();
    assert!(difference < 2e-6, "{difference}");
}
