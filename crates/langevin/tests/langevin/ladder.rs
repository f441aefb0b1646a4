//! Hold chains at noise levels, and the way down from noise, to the exact laws of a quadratic energy.

use burn::tensor::{Device, Tensor};
use ebm_core::{NoiseKey, Stream};
use ebm_langevin::{Ladder, Level, Sampler, StepCounter, sampler_of_level};

use crate::laws::moments;

const STEPS: usize = 7;
/// Chains of each level.
const CHAINS: usize = 8_000;
/// Curvature of a quadratic energy c·(u − m)²/2.
const CURVATURE: f64 = 1.5;

/// m, which differs from level to level.
fn center(level: u32) -> f64 {
    0.2 + 0.1 * f64::from(level)
}

/// The energy of images of one pixel, m that of each image or of all, `[batch, 1]` or `[1, 1]`.
fn quadratic(centers: Tensor<2>) -> impl Fn(Tensor<2>) -> Tensor<1> {
    move |x| ((x - centers.clone()).square() * (CURVATURE / 2.0)).squeeze_dim(1)
}

fn column(values: &[f64]) -> Tensor<2> {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Tensor::<1>::from_floats(values.as_slice(), &Device::flex()).reshape([values.len(), 1])
}

fn floats(x: Tensor<2>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

fn key() -> NoiseKey {
    NoiseKey::new(20_211_202, Stream::Langevin, 3)
}

/// y − ½ after all steps is a·(x̃ − ½) + b and noise of variance v.
struct Affine {
    a: f64,
    b: f64,
    v: f64,
}

impl Affine {
    /// w ← w − ½s²·(E′/s₁² + (w − w̃)/σ²) + s·ξ, w = y − ½, with s₁ = 2s in [−1, 1].
    fn of_steps(level: &Level, center: f64) -> Self {
        let (s, tie) = (level.step_std, level.tie_std.powi(-2));
        let half = 0.5 * s * s;
        let published = (2.0 * s).powi(-2);
        let keeps = 1.0 - half * (published * CURVATURE + tie);
        let pulled = half * published * CURVATURE * (center - 0.5);
        (0..STEPS).fold(
            Self {
                a: 1.0,
                b: 0.0,
                v: 0.0,
            },
            |w, _| Self {
                a: keeps * w.a + half * tie,
                b: keeps * w.b + pulled,
                v: keeps * keeps * w.v + s * s,
            },
        )
    }
}

#[track_caller]
fn assert_law(values: &[f64], mean: f64, variance: f64) {
    let n = values.len() as f64;
    let (found, spread) = moments(values);
    let of_mean = (found - mean).abs() / (variance / n).sqrt();
    let of_variance = (spread / variance - 1.0).abs() / (2.0 / (n - 1.0)).sqrt();
    assert!(
        of_mean < 5.0 && of_variance < 5.0,
        "mean {found} of {mean} ({of_mean} standard errors), variance {spread} of {variance} ({of_variance})"
    );
}

#[test]
fn chains_of_a_batch_follow_the_law_of_their_own_levels() {
    let ladder = Ladder::new(6);
    let levels: Vec<u32> = (0..6 * CHAINS as u32).map(|i| i % 6).collect();
    let noisier_of = |level: u32| 0.9 - 0.15 * f64::from(level);
    let of_levels = |value: &dyn Fn(u32) -> f64| {
        column(&levels.iter().map(|&level| value(level)).collect::<Vec<_>>())
    };
    struct PerRow(Tensor<2>);
    impl ebm_core::Energy<2> for PerRow {
        fn energies(&self, x: Tensor<2>) -> Tensor<1> {
            quadratic(self.0.clone())(x)
        }
        fn of_rows(
            &self,
            rows: core::ops::Range<usize>,
        ) -> Option<Box<dyn ebm_core::Energy<2> + '_>> {
            Some(Box::new(Self(self.0.clone().narrow(
                0,
                rows.start,
                rows.len(),
            ))))
        }
    }
    let energy = PerRow(of_levels(&center));
    let noisier = of_levels(&noisier_of);
    let ids: Vec<u32> = (0..levels.len() as u32).collect();
    let sampler = Sampler::new(Ladder::steps(STEPS), key()).with_piece_size(7_001);
    let run = ladder.recover(&sampler, &levels, noisier, &ids, &energy);
    let values = floats(run.x);
    for (t, level) in ladder.levels().iter().enumerate() {
        let own: Vec<f64> = values.iter().skip(t).step_by(6).copied().collect();
        let law = Affine::of_steps(level, center(t as u32));
        let mean = 0.5 + law.a * (noisier_of(t as u32) - 0.5) + law.b;
        assert_law(&own, mean, law.v);
    }
}

#[test]
fn a_chain_does_not_depend_on_the_levels_beside_it() {
    let ladder = Ladder::new(6);
    let energy = quadratic(column(&[0.3]));
    let (levels, noisier) = ([3, 0, 5, 3], column(&[0.1, 0.7, 0.4, 0.9]));
    let sampler = Sampler::new(Ladder::steps(STEPS), key());
    let run = |levels: &[u32], x, ids: &[u32]| {
        floats(ladder.recover(&sampler, levels, x, ids, &energy).x)
    };
    let together = run(&levels, noisier.clone(), &[4, 5, 6, 7]);
    for (i, &level) in levels.iter().enumerate() {
        let alone = run(&[level], noisier.clone().narrow(0, i, 1), &[4 + i as u32]);
        assert!((alone[0] - together[i]).abs() < 1e-6, "{i}");
    }
}

#[test]
fn samples_come_down_all_levels_with_their_exact_mean_and_variance() {
    for num_levels in [6, 3] {
        let ladder = Ladder::new(num_levels);
        let ids: Vec<u32> = (0..20_000).collect();
        // Starts of mean ½ + 0.2 and variance 0.09.
        let start = column(&vec![0.0; ids.len()]);
        let noise = ebm_langevin::Noise {
            key: NoiseKey::new(5, Stream::Sample, 0),
            distribution: ebm_core::Distribution::Normal,
            scale: 0.3,
        };
        let index = ebm_core::index_tensor(&ids, &Device::flex());
        let start = ebm_langevin::perturb(start + 0.7, &index, noise);
        let counter = StepCounter::default();
        let run = ladder.descend(
            start,
            &ids,
            |level| sampler_of_level(STEPS, 11, level).with_counter(counter.clone()),
            |level| quadratic(column(&[center(level)])),
        );
        let gradients = ids.len() * STEPS * num_levels;
        assert_eq!(counter.gradients(), gradients as u64);
        let (mut mean, mut variance) = (0.2, 0.09); // of x − ½
        for (t, level) in ladder.levels().iter().enumerate().rev() {
            let law = Affine::of_steps(level, center(t as u32));
            mean = (law.a * mean + law.b) / level.scale;
            variance = (law.a * law.a * variance + law.v) / (level.scale * level.scale);
        }
        assert_law(&floats(run.x), 0.5 + mean, variance);
    }
}

#[test]
fn the_way_down_is_the_start_and_what_every_level_keeps() {
    let ladder = Ladder::new(3);
    let (start, ids) = (column(&[0.2, 0.9]), [0, 1]);
    let down = |every: usize| {
        ladder.descend(
            start.clone(),
            &ids,
            |level| sampler_of_level(4, 1, level).with_trajectory(every),
            |level| quadratic(column(&[center(level)])),
        )
    };
    let run = down(2);
    assert_eq!(run.trajectory.len(), 1 + 3 * 2);
    let frames: Vec<_> = run.trajectory.into_iter().map(floats).collect();
    for (one, other) in frames[0].iter().zip(floats(start.clone())) {
        assert!((one - other).abs() < 1e-6, "{one} is not {other}");
    }
    assert_eq!(frames[6], floats(run.x));
    assert_eq!(down(3).trajectory.len(), 1 + 3);
}
