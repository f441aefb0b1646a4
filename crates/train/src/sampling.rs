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

/// Run Langevin chains of `steps` steps from `start` under a trained energy.
///
/// # Shapes
/// - `start`: `[num, channels, height, width]`
pub fn sample<M: EnergyModel + Sync>(
    model: &M,
    start: Tensor<4>,
    langevin: &LangevinConfig,
    steps: usize,
    seed: u64,
    trajectory_every: Option<usize>,
) -> Run<4> {
    let config = LangevinConfig {
        num_steps: steps,
        ..langevin.clone()
    };
    let chains: Vec<u32> = (0..start.dims()[0] as u32).collect();
    let mut sampler =
        Langevin::new(config, NoiseKey::new(seed, Stream::Sample, 1)).with_stats(true);
    if let Some(every) = trajectory_every {
        sampler = sampler.with_trajectory(every);
    }
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
