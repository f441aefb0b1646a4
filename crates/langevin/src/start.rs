//! Start chains outside training: from noise, with random numbers of their own, their step size adapted.

use burn::tensor::{Device, Tensor};
use ebm_core::{Distribution, Energy, ImageShape, NoiseKey, Stream, index_tensor};

use ebm_core::pixels::byte_of_pixel;

use crate::kernel::perturb;
use crate::sampler::{LangevinConfig, Sampler, adapted_scale};
use crate::step::Noise;

/// Keys of [`Stream::Sample`]: starts, chains, and the first of those of [`warm_up`].
const START: u32 = 0;
const CHAINS: u32 = 1;
const WARM_UP: u32 = 1000;

/// Runs, and steps of each, in which a step size adapts.
const WARM_UP_RUNS: u32 = 30;
const WARM_UP_STEPS: usize = 10;

/// Uniform noise from which chains start, `[num, channels, height, width]`: a function of the
/// seed.
pub fn noise_images(num: usize, shape: ImageShape, seed: u64, device: &Device) -> Tensor<4> {
    let ids: Vec<u32> = (0..num as u32).collect();
    let noise = Noise {
        key: NoiseKey::new(seed, Stream::Sample, START),
        distribution: Distribution::Uniform,
        scale: 1.0,
    };
    let zeros = Tensor::zeros(shape.batch(num), device);
    perturb(zeros, &index_tensor(&ids, device), noise)
}

/// A run's sampler outside training: `steps` steps, with random numbers of their own.
pub fn sampler_outside_training(langevin: &LangevinConfig, steps: usize, seed: u64) -> Sampler {
    let config = LangevinConfig {
        num_steps: steps,
        ..langevin.clone()
    };
    Sampler::new(config, NoiseKey::new(seed, Stream::Sample, CHAINS))
}

/// Run chains from `start` while their step size adapts towards `target_acceptance`. Returns the chains
/// after that, and the factor by which later step sizes are to be multiplied. Without a target these are
/// `start` and `scale`.
///
/// # Shapes
/// - `start`, and the chains that return: `[num, channels, height, width]`
pub fn warm_up(
    energy: &dyn Energy<4>,
    langevin: &LangevinConfig,
    start: Tensor<4>,
    seed: u64,
    scale: f64,
) -> (Tensor<4>, f64) {
    let Some(target) = langevin.target_acceptance else {
        return (start, scale);
    };
    let config = LangevinConfig {
        num_steps: WARM_UP_STEPS,
        ..langevin.clone()
    };
    let ids: Vec<u32> = (0..start.dims()[0] as u32).collect();
    (0..WARM_UP_RUNS).fold((start, scale), |(x, scale), run| {
        let key = NoiseKey::new(seed, Stream::Sample, WARM_UP + run);
        let sampler = Sampler::new(config.clone(), key).with_step_scale(scale);
        let run = sampler.with_stats(true).run(x, &ids, energy);
        let acceptance = run.stats.and_then(|stats| stats.mean_acceptance());
        let acceptance = acceptance.unwrap_or(f64::NAN);
        (run.x, adapted_scale(scale, acceptance, target))
    })
}

/// One label a chain for a grid of every class in turn: `num` labels of a model with `classes`
/// classes, all 0 without classes.
pub fn labels_in_turn(num: usize, classes: usize) -> Vec<u32> {
    (0..num).map(|i| (i % classes.max(1)) as u32).collect()
}

/// Pixels in [0, 1] as bytes, row-major.
pub fn to_bytes(x: Tensor<4>) -> Vec<u8> {
    x.into_data().iter::<f32>().map(byte_of_pixel).collect()
}
