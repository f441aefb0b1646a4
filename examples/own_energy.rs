//! Train an energy of one's own: a module with weights and a function, no preset and no TOML file.
//!
//! `cargo run --release -p ebm-apply --example own_energy`

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use ebm_core::Shard;
use ebm_core::pixels::pixel_of_byte;
use ebm_data::{BatchConfig, Batches, DataConfig};
use ebm_langevin::{BufferConfig, LangevinConfig, Stage, noise_images, sampler_outside_training};
use ebm_model::{EnergyContext, EnergyModel};
use ebm_train::{Contrastive, Trainer};

/// E(x) = Σ (x − μ)²/2σ² with σ = 0.2: every pixel has a mean μ to learn.
#[derive(Module, Debug)]
struct Blur {
    mean: Param<Tensor<4>>,
}

impl EnergyModel for Blur {
    fn energy_with(&self, x: Tensor<4>, _: EnergyContext<'_>) -> Tensor<1> {
        let far: Tensor<2> = (x - self.mean.val()).square().flatten(1, 3);
        far.sum_dim(1).squeeze_dim::<1>(1) / 0.08
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "mean brightness of data and of samples: {:.3?}",
        brightness_of_data_and_samples()?
    );
    Ok(())
}

/// Trains, draws samples, and compares their mean brightness with the data's.
pub fn brightness_of_data_and_samples() -> Result<[f32; 2], Box<dyn std::error::Error>> {
    let (seed, device) = (1, Device::flex());
    let config = DataConfig {
        train_images: 500,
        test_images: 0,
        ..DataConfig::default()
    };
    let data = ebm_data::load(&config, seed)?.train;
    let mean = Tensor::full(data.shape.batch(1), 0.5, &device.clone().autodiff());
    let langevin = LangevinConfig::new(10)
        .with_step_size(0.01)
        .with_noise_std(0.1);
    let objective = Contrastive::default()
        .with_langevin(langevin.clone())
        .with_buffer(BufferConfig::new(256))
        .with_energy_l2(0.0);
    let model = Blur {
        mean: Param::from_tensor(mean),
    };
    let mut trainer = Trainer::new(model, objective, (&data).into(), seed, &device).with_lr(0.02);
    let mut batches = Batches::new(&data, BatchConfig::new(64), seed, &device);
    for _ in 0..100 {
        trainer.step(&batches.at(trainer.key(), Shard::WHOLE));
    }
    let start = noise_images(64, data.shape, seed, &device);
    let ids: Vec<u32> = (0..64).collect();
    let sampler = sampler_outside_training(&langevin, langevin.num_steps, seed, Stage::Chains);
    let samples = sampler.run(start, &ids, &trainer.averaged()).x;
    let pixels = data.pixels.iter().map(|&byte| pixel_of_byte(byte));
    let of_data = pixels.sum::<f32>() / data.pixels.len() as f32;
    Ok([of_data, samples.mean().into_scalar()])
}
