//! Draw images from a trained energy.

use burn::tensor::{Device, Tensor};
use ebm_langevin::{
    Distribution, Langevin, LangevinConfig, Noise, NoiseKey, Run, Stream, chain_tensor, perturb,
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

/// A run's sampler outside training: `steps` steps, with random numbers of their own.
pub fn sampler(langevin: &LangevinConfig, steps: usize, seed: u64) -> Langevin {
    let config = LangevinConfig {
        num_steps: steps,
        ..langevin.clone()
    };
    Langevin::new(config, NoiseKey::new(seed, Stream::Sample, 1))
}

/// Run chains from `start` under a trained energy, chain i with the i-th noise.
///
/// # Shapes
/// - `start`: `[num, channels, height, width]`
pub fn sample<M: EnergyModel + Sync>(model: &M, start: Tensor<4>, sampler: &Langevin) -> Run<4> {
    let chains: Vec<u32> = (0..start.dims()[0] as u32).collect();
    sampler.run(start, &chains, |x| model.energy(x))
}

/// Pixels in [0, 1] as the nearest of 256 levels, row-major.
pub fn to_bytes(x: Tensor<4>) -> Vec<u8> {
    let values = x.into_data();
    values
        .iter::<f32>()
        .map(|v| (255.0 * v).round() as u8)
        .collect()
}
