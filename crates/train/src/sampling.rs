//! Draw images from a trained energy.

use burn::tensor::{Device, Int, Tensor};
use ebm_langevin::{
    Distribution, Energy, LangevinConfig, Noise, NoiseKey, Run, Sampler, Stream, adapted_scale,
    chain_tensor, energy_and_gradient, perturb,
};
use ebm_model::{EnergyModel, ImageShape};

/// Uniform noise from which chains start, `[num, channels, height, width]`: a function of the
/// seed.
pub fn noise_images(num: usize, shape: ImageShape, seed: u64, device: &Device) -> Tensor<4> {
    let chains: Vec<u32> = (0..num as u32).collect();
    let zeros = Tensor::zeros([num, shape.channels, shape.height, shape.width], device);
    let noise = Noise {
        key: NoiseKey::new(seed, Stream::Sample, 0),
        distribution: Distribution::Uniform,
        scale: 1.0,
    };
    perturb(zeros, &chain_tensor(&chains, device), noise)
}

/// First of the keys of [`adapt`]; those below are of starts, chains and choices.
const ADAPTING_KEYS: u32 = 1000;

/// A run's sampler outside training: `steps` steps, with random numbers of their own.
pub fn sampler(langevin: &LangevinConfig, steps: usize, seed: u64) -> Sampler {
    let config = LangevinConfig {
        num_steps: steps,
        ..langevin.clone()
    };
    Sampler::new(config, NoiseKey::new(seed, Stream::Sample, 1))
}

/// Run chains from `start` under a trained energy, chain i with the i-th noise, each given its
/// class if the model has classes.
///
/// # Shapes
/// - `start`: `[num, channels, height, width]`, `labels`: `num`
pub fn sample<M: EnergyModel + Sync>(
    model: &M,
    start: Tensor<4>,
    labels: &[u32],
    sampler: &Sampler,
) -> Run<4> {
    let chains: Vec<u32> = (0..start.dims()[0] as u32).collect();
    let classes = chain_tensor(labels, &start.device());
    run_chains(model, sampler, start, &chains, &classes)
}

/// Run chains of these ids under an energy, each given its class if the model has classes.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`, `chains`: `batch`, `classes`: `[batch]`
pub fn run_chains<M: EnergyModel + Sync>(
    model: &M,
    sampler: &Sampler,
    x: Tensor<4>,
    chains: &[u32],
    classes: &Tensor<1, Int>,
) -> Run<4> {
    sampler.run_each(x, chains, |rows| EnergyGiven {
        model,
        classes: classes.clone().narrow(0, rows.start, rows.len()),
    })
}

/// E(x, y) of images of these classes.
struct EnergyGiven<'a, M> {
    model: &'a M,
    classes: Tensor<1, Int>,
}

impl<M: EnergyModel> Energy<4> for EnergyGiven<'_, M> {
    fn energies(&self, x: Tensor<4>) -> Tensor<1> {
        self.model.energy_given(x, &self.classes)
    }

    fn energies_and_gradients(&self, x: Tensor<4>) -> (Tensor<1>, Tensor<4>) {
        let both = self.model.energy_and_gradient_given(&x, &self.classes);
        both.unwrap_or_else(|| energy_and_gradient(x, &|x| self.energies(x)))
    }
}

/// Runs, and steps of each, in which a step size adapts.
const ADAPTING_RUNS: u32 = 30;
const ADAPTING_STEPS: usize = 10;

/// Run chains from `start` while their step size adapts towards `target_acceptance`, and return
/// where they came to and what step sizes are to be multiplied by from there on. Without a target
/// that is `start` and `scale`.
///
/// # Shapes
/// - `start`: `[num, channels, height, width]`, `labels`: `num`
pub fn adapt<M: EnergyModel + Sync>(
    model: &M,
    langevin: &LangevinConfig,
    start: Tensor<4>,
    labels: &[u32],
    seed: u64,
    scale: f64,
) -> (Tensor<4>, f64) {
    let Some(target) = langevin.target_acceptance else {
        return (start, scale);
    };
    let config = LangevinConfig {
        num_steps: ADAPTING_STEPS,
        ..langevin.clone()
    };
    (0..ADAPTING_RUNS).fold((start, scale), |(x, scale), run| {
        let key = NoiseKey::new(seed, Stream::Sample, ADAPTING_KEYS + run);
        let sampler = Sampler::new(config.clone(), key).with_step_scale(scale);
        let run = sample(model, x, labels, &sampler.with_stats(true));
        let acceptance = run.stats.and_then(|stats| stats.acceptance);
        let acceptance = acceptance.unwrap_or(f64::NAN);
        (run.x, adapted_scale(scale, acceptance, target))
    })
}

/// One label a chain for a grid of every class in turn: `num` labels of a model with `classes`
/// classes, all 0 without classes.
pub fn labels_in_turn(num: usize, classes: usize) -> Vec<u32> {
    (0..num).map(|i| (i % classes.max(1)) as u32).collect()
}

/// Pixels in [0, 1] as the nearest of 256 levels, row-major.
pub fn to_bytes(x: Tensor<4>) -> Vec<u8> {
    let values = x.into_data();
    values
        .iter::<f32>()
        .map(|v| (255.0 * v).round() as u8)
        .collect()
}
