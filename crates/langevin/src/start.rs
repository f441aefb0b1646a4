//! Start chains outside training: from the noise of their method, with random numbers of their own, their step
//! size adapted.

use core::ops::Range;

use burn::tensor::{Device, Tensor};
use ebm_core::{Distribution, Energy, ImageShape, NoiseKey, Stream, index_tensor};

use ebm_core::pixels::byte_of_pixel;

use crate::kernel::perturb;
use crate::sampler::{LangevinConfig, Sampler, StepCounter, adapted_by};
use crate::step::Noise;

/// Keys of [`Stream::Sample`]: starts, chains at each [`Stage`], and the first of those of [`warm_up`].
/// 2 chooses chains of a buffer, 20 to 33 are of annealing, 2000 to 2099 are of the levels of a ladder, and 3000 to 3100
/// of restorations of a picture.
const START: u32 = 0;
const CHAINS: u32 = 1;
const BURN_IN: u32 = 3;
const SECOND: u32 = 4;
const PLAYGROUND: u32 = 5;
const LATENT_START: u32 = 6;
const LATENTS: u32 = 7;
const POSTERIOR: u32 = 8;
const WARM_UP: u32 = 1000;

/// Which of several runs of the same chains, each with random numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Steps before those that count.
    BurnIn,
    /// The steps that are asked for.
    Chains,
    /// As many steps again, under other classes.
    Second,
    /// Steps of chains that somebody plays with: as many as they like, without an end.
    Playground,
    /// Steps of latent vectors beside those of the images that they belong to.
    Latents,
    /// Steps of latent vectors whose images are given.
    Posterior,
}

/// Runs, and steps of each, in which a step size adapts.
const WARM_UP_RUNS: u32 = 30;
const WARM_UP_STEPS: usize = 10;
/// How much of the distance between rates becomes a change of the step size's logarithm, in the first of
/// these runs and in the last: first chains are on their way to where they stay.
const FIRST_GAIN: f64 = 2.0;
const LAST_GAIN: f64 = 0.1;
/// The most times that a step size is doubled or halved before that.
const MOST_DOUBLINGS: u32 = 60;

/// Mean and standard deviation of the noise from which a flow and a ladder start: N(0, I) in [−1, 1].
const NORMAL_MEAN: f64 = 0.5;
const NORMAL_STD: f32 = 0.5;

/// Where chains start outside training, `[chains, channels, height, width]`: N(½, ¼I), not clipped, for `euler`
/// and `heun`, whose [flow](crate#a-flow) starts there, and [uniform noise](noise_images_of) for all others.
pub fn starts_of(
    langevin: &LangevinConfig,
    chains: Range<u32>,
    shape: ImageShape,
    seed: u64,
    device: &Device,
) -> Tensor<4> {
    if langevin.method.is_flow() {
        normal_images_of(chains, shape, seed, device)
    } else {
        noise_images_of(chains, shape, seed, device)
    }
}

/// N(½, ¼I), not clipped, `[chains, channels, height, width]`: where a [flow](crate#a-flow) and a
/// [ladder](crate#a-ladder) start.
pub fn normal_images_of(
    chains: Range<u32>,
    shape: ImageShape,
    seed: u64,
    device: &Device,
) -> Tensor<4> {
    let noise = Noise {
        key: NoiseKey::new(seed, Stream::Sample, START),
        distribution: Distribution::Normal,
        scale: NORMAL_STD,
    };
    let ids: Vec<u32> = chains.collect();
    let means = Tensor::full(shape.batch(ids.len()), NORMAL_MEAN, device);
    perturb(means, &index_tensor(&ids, device), noise)
}

/// N(0, I), where chains of latent vectors start, `[chains, latents]`.
pub fn normal_latents_of(
    chains: Range<u32>,
    latents: usize,
    seed: u64,
    device: &Device,
) -> Tensor<2> {
    let noise = Noise {
        key: NoiseKey::new(seed, Stream::Sample, LATENT_START),
        distribution: Distribution::Normal,
        scale: 1.0,
    };
    let ids: Vec<u32> = chains.collect();
    let zeros = Tensor::zeros([ids.len(), latents], device);
    perturb(zeros, &index_tensor(&ids, device), noise)
}

/// Uniform noise, `[num, channels, height, width]`: a function of the seed.
pub fn noise_images(num: usize, shape: ImageShape, seed: u64, device: &Device) -> Tensor<4> {
    noise_images_of(0..num as u32, shape, seed, device)
}

/// The same for some chains of many, which start as they do among all of them,
/// `[chains, channels, height, width]`.
pub fn noise_images_of(
    chains: Range<u32>,
    shape: ImageShape,
    seed: u64,
    device: &Device,
) -> Tensor<4> {
    let ids: Vec<u32> = chains.collect();
    let noise = Noise {
        key: NoiseKey::new(seed, Stream::Sample, START),
        distribution: Distribution::Uniform,
        scale: 1.0,
    };
    let zeros = Tensor::zeros(shape.batch(ids.len()), device);
    perturb(zeros, &index_tensor(&ids, device), noise)
}

/// A run's sampler outside training: `steps` steps, with the random numbers of their stage, and in the end
/// the denoising of its configuration, where it has one, but for a burn-in and a playground, which have no end.
pub fn sampler_outside_training(
    langevin: &LangevinConfig,
    steps: usize,
    seed: u64,
    stage: Stage,
) -> Sampler {
    let number = match stage {
        Stage::BurnIn => BURN_IN,
        Stage::Chains => CHAINS,
        Stage::Second => SECOND,
        Stage::Playground => PLAYGROUND,
        Stage::Latents => LATENTS,
        Stage::Posterior => POSTERIOR,
    };
    let config = LangevinConfig {
        num_steps: steps,
        ..langevin.clone()
    };
    Sampler::new(config, NoiseKey::new(seed, Stream::Sample, number))
        .with_final_denoising(matches!(stage, Stage::Chains | Stage::Second))
}

/// Gradients of a chain that [`warm_up`] takes, but for the few that find the order of magnitude.
pub fn warm_up_gradients(langevin: &LangevinConfig) -> usize {
    match langevin.target_acceptance {
        Some(_) => WARM_UP_RUNS as usize * WARM_UP_STEPS * langevin.gradients_per_step(),
        None => 0,
    }
}

/// Run chains from `start` while their step size adapts towards `target_acceptance`, from the order of
/// magnitude at which about half of the first steps are accepted (Hoffman & Gelman 2014, algorithm 4).
/// Returns the chains after that, and the factor by which later step sizes are to be multiplied. Without
/// a target these are `start` and `scale`.
///
/// # Shapes
/// - `start`, and the chains that return: `[num, ..]`
pub fn warm_up<const D: usize>(
    energy: &dyn Energy<D>,
    langevin: &LangevinConfig,
    start: Tensor<D>,
    seed: u64,
    scale: f64,
    counter: &StepCounter,
) -> (Tensor<D>, f64) {
    let Some(target) = langevin.target_acceptance else {
        return (start, scale);
    };
    let run = |x, steps, number, scale| {
        let config = LangevinConfig {
            num_steps: steps,
            ..langevin.clone()
        };
        let key = NoiseKey::new(seed, Stream::Sample, WARM_UP + number);
        let sampler = Sampler::new(config, key).with_step_scale(scale);
        accepted(&sampler.with_counter(counter.clone()), energy, x)
    };
    let first_step = |number, scale| run(start.clone(), 1, WARM_UP_RUNS + number, scale).1;
    let scale = of_right_order(scale, first_step);
    (0..WARM_UP_RUNS).fold((start.clone(), scale), |(x, scale), number| {
        let (x, acceptance) = run(x, WARM_UP_STEPS, number, scale);
        let gain =
            FIRST_GAIN + (LAST_GAIN - FIRST_GAIN) * f64::from(number) / f64::from(WARM_UP_RUNS - 1);
        (x, adapted_by(gain, scale, acceptance, target))
    })
}

/// Chains after a run, and the share of its steps that were accepted.
fn accepted<const D: usize>(
    sampler: &Sampler,
    energy: &dyn Energy<D>,
    x: Tensor<D>,
) -> (Tensor<D>, f64) {
    let ids: Vec<u32> = (0..x.dims()[0] as u32).collect();
    let run = sampler.clone().with_stats(true).run(x, &ids, energy);
    let acceptance = run.stats.and_then(|stats| stats.mean_acceptance());
    (run.x, acceptance.unwrap_or(f64::NAN))
}

/// `scale`, doubled or halved until the acceptance of a step with it crosses one half. Each trial has a
/// number, which keys its random numbers.
fn of_right_order(mut scale: f64, acceptance: impl Fn(u32, f64) -> f64) -> f64 {
    let is_short = |number, scale| acceptance(number, scale) > 0.5;
    let grows = is_short(0, scale);
    for number in 1..MOST_DOUBLINGS {
        let next = if grows { scale * 2.0 } else { scale / 2.0 };
        if is_short(number, next) != grows {
            return if grows { scale } else { next };
        }
        scale = next;
    }
    scale
}

/// One label a chain for a grid of every class in turn: `num` labels of a model with `classes`
/// classes, all 0 without classes.
pub fn labels_in_turn(num: usize, classes: usize) -> Vec<u32> {
    (0..num).map(|i| (i % classes.max(1)) as u32).collect()
}

/// One label a chain in the shares that classes have: `num` labels of a model with `classes` classes, as nearly
/// in these `shares` as every number of the first of them allows; all 0 without classes.
///
/// # Panics
/// If there are fewer shares than classes.
pub fn labels_in_shares(num: usize, shares: &[f64], classes: usize) -> Vec<u32> {
    if classes == 0 {
        return vec![0; num];
    }
    let mut counts = vec![0.0; classes];
    let next = |place: usize| {
        let due = |class: &usize| shares[*class] * (place + 1) as f64 - counts[*class];
        let class = (0..classes).max_by(|one, other| {
            let order = due(one).total_cmp(&due(other));
            order.then(other.cmp(one)) // of two, the first
        });
        let class = class.unwrap_or(0);
        counts[class] += 1.0;
        class as u32
    };
    (0..num).map(next).collect()
}

/// Pixels in [0, 1] as bytes, row-major.
pub fn to_bytes(x: Tensor<4>) -> Vec<u8> {
    x.into_data().iter::<f32>().map(byte_of_pixel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_come_in_their_shares_whatever_the_number_of_chains() {
        let labels = labels_in_shares(100, &[0.5, 0.2, 0.3], 3);
        let count = |of: u32, first: usize| labels[..first].iter().filter(|&&l| l == of).count();
        assert_eq!([0, 1, 2].map(|class| count(class, 100)), [50, 20, 30]);
        for first in 1..100 {
            assert!((count(0, first) as f64 - 0.5 * first as f64).abs() <= 1.0);
        }
        assert_eq!(labels_in_shares(4, &[0.5, 0.5], 2), [0, 1, 0, 1]);
        assert_eq!(labels_in_shares(2, &[], 0), [0, 0]);
    }

    #[test]
    fn a_step_size_far_off_is_brought_to_where_about_half_is_accepted() {
        for start in [1e-6, 0.9, 1e6] {
            let scale = of_right_order(start, |_, scale| (-scale).exp());
            let accepted = (-scale).exp();
            assert!((0.5..0.85).contains(&accepted), "{start}: {accepted}");
        }
        // What is always accepted, or never, ends the search as well.
        assert!(of_right_order(1.0, |_, _| 1.0).is_finite());
        assert!(of_right_order(1.0, |_, _| f64::NAN) > 0.0);
    }
}
