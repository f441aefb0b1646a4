//! Hold MALA and HMC to the densities they sample exactly: independent long chains, fixed seeds.

use burn::tensor::{Device, Tensor};
use ebm_core::{NoiseKey, Schedule, Stream};
use ebm_langevin::{ChainRun, LangevinConfig, Method, Sampler};

use crate::laws::{kolmogorov_bound, kolmogorov_smirnov};

const METHODS: [Method; 2] = [Method::Mala, Method::Hmc];

fn config(method: Method, num_steps: usize, step_size: f64) -> LangevinConfig {
    LangevinConfig {
        method,
        num_steps,
        step_size: Schedule::Constant(step_size),
        leapfrog_steps: 5,
        bounds: None,
        ..LangevinConfig::default()
    }
}

/// A step size with which a share of the proposals is rejected, on a scale of one.
fn rough(method: Method) -> LangevinConfig {
    match method {
        Method::Hmc => config(method, 60, 0.7),
        _ => config(method, 400, 0.5),
    }
}

fn run(
    config: LangevinConfig,
    start: f32,
    energy: impl Fn(Tensor<2>) -> Tensor<2> + Sync,
) -> ChainRun<2> {
    let chains: usize = 4_000;
    let ids: Vec<u32> = (0..chains as u32).collect();
    let x = Tensor::full([chains, 1], start, &Device::flex());
    Sampler::new(config, NoiseKey::new(20_190_320, Stream::Sample, 0))
        .with_stats(true)
        .with_piece_size(chains.div_ceil(2))
        .run(x, &ids, &|x: Tensor<2>| -> Tensor<1> {
            energy(x).squeeze_dim(1)
        })
}

#[track_caller]
fn assert_follows(run: ChainRun<2>, cdf: impl Fn(f64) -> f64) {
    let acceptance = run.stats.as_ref().and_then(|stats| stats.mean_acceptance());
    let acceptance = acceptance.expect("recorded");
    assert!(
        (0.2..0.995).contains(&acceptance),
        "accepted {acceptance}: the rule was not put to the test"
    );
    let values = run.x.into_data().iter::<f64>().collect();
    let statistic = kolmogorov_smirnov(values, cdf);
    assert!(statistic < kolmogorov_bound(), "{statistic}");
}

fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / core::f64::consts::SQRT_2)
}

#[test]
fn a_skewed_target_is_sampled_exactly_with_rough_steps() {
    // Gumbel: p(x) = exp(−x − e⁻ˣ).
    for method in METHODS {
        let run = run(rough(method), 0.5, |x| x.clone() + x.neg().exp());
        assert_follows(run, |x| (-(-x).exp()).exp());
    }
}

#[test]
fn a_mixture_of_gaussians_is_sampled_in_its_proportions() {
    // 0.3·N(−1, 0.6²) + 0.7·N(1.2, 0.7²).
    let parts = [(0.3, -1.0, 0.6), (0.7, 1.2, 0.7)];
    for method in METHODS {
        let run = run(rough(method), -1.0, |x| {
            let densities = parts.map(|(weight, mean, std)| {
                let exponent = (x.clone() - mean).square() / (-2.0 * std * std);
                exponent.exp() * (weight / std)
            });
            let [one, other] = densities;
            (one + other).log().neg()
        });
        assert_follows(run, |x| {
            let share =
                |&(weight, mean, std): &(f64, f64, f64)| weight * normal_cdf((x - mean) / std);
            parts.iter().map(share).sum()
        });
    }
}

#[test]
fn a_temperature_divides_the_energy() {
    for method in METHODS {
        let config = LangevinConfig {
            temperature: Schedule::Constant(4.0),
            ..rough(method)
        };
        let run = run(config, 0.0, |x| x.square() * 2.0);
        // E/T = x²/2.
        assert_follows(run, normal_cdf);
    }
}

#[test]
fn a_clamped_gradient_changes_the_proposals_and_not_the_law() {
    for (value, norm) in [(Some(0.5), None), (None, Some(0.5))] {
        for method in METHODS {
            let config = LangevinConfig {
                grad_clip: value,
                grad_norm_clip: norm,
                ..rough(method)
            };
            assert_follows(run(config, 0.0, |x| x.square() / 2.0), normal_cdf);
        }
    }
}

#[test]
fn walls_keep_the_law_inside_them() {
    // p(x) ∝ e^(−3x) on [0, 1].
    for method in METHODS {
        let config = LangevinConfig {
            bounds: Some([0.0, 1.0]),
            ..rough(method)
        };
        let run = run(config, 0.5, |x| x * 3.0);
        assert_follows(run, |x| (1.0 - (-3.0 * x).exp()) / (1.0 - (-3f64).exp()));
    }
}

#[test]
fn an_energy_that_is_no_number_shows_in_the_acceptance() {
    let run = run(config(Method::Mala, 3, 0.5), 0.1, |x| x.log());
    let acceptance = run.stats.and_then(|stats| stats.mean_acceptance());
    assert!(acceptance.expect("recorded").is_nan());
}

#[test]
fn chains_do_not_depend_on_how_the_batch_is_cut() {
    let ids: Vec<u32> = (0..21).collect();
    let x = Tensor::<2>::full([21, 6], 0.4, &Device::flex());
    for method in METHODS {
        let [whole, pieces, single] = [21, 8, 1].map(|size| {
            let config = LangevinConfig {
                bounds: Some([0.0, 1.0]),
                ..config(method, 4, 0.3)
            };
            let sampler = Sampler::new(config, NoiseKey::new(3, Stream::Langevin, 5));
            let energy = |x: Tensor<2>| -> Tensor<1> { (x * 4.0).sin().sum_dim(1).squeeze_dim(1) };
            let sampler = sampler.with_piece_size(size).with_stats(true);
            let run = sampler.run(x.clone(), &ids, &energy);
            let steps = run.stats.and_then(|stats| stats.steps).expect("asked for");
            let acceptance = steps.acceptance.expect("recorded").into_data();
            (run.x.into_data(), acceptance)
        });
        assert_eq!(whole, pieces);
        assert_eq!(whole, single);
    }
}
