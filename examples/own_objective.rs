//! Train a network under an objective of one's own: what it needs is a gradient.
//!
//! `cargo run --release -p ebm-apply --example own_objective`

use burn::tensor::{Device, Tensor, activation};
use ebm_core::{Distribution, NoiseKey, PhiloxRng, Shard, Stream, index_tensor};
use ebm_data::{Batch, BatchConfig, Batches, DataConfig};
use ebm_langevin::{Noise, perturb};
use ebm_model::{ConvNetConfig, EnergyModel};
use ebm_train::{Gradient, Stateless, StepContext, Trainer, parameters};

/// Tell data from uniform noise: mean softplus(E(data) − E(noise)). It remembers nothing.
struct AgainstNoise;

impl Stateless for AgainstNoise {
    fn gradient_of<M: EnergyModel + Sync>(
        &self,
        model: &M,
        batch: &Batch,
        step: &StepContext,
    ) -> Gradient {
        let ids = step.shard.places(batch.labels.len());
        let noise = Noise {
            key: step.key.stream(Stream::Sample),
            distribution: Distribution::Uniform,
            scale: 1.0,
        };
        let ids = index_tensor(&ids, &batch.images.device());
        let noise = perturb(batch.images.zeros_like(), &ids, noise);
        let gap = model.energy(noise) - model.energy(batch.images.clone());
        let loss = activation::softplus(gap.clone().neg(), 1.0).mean();
        Gradient {
            loss: loss.clone().inner(),
            contrasted: None,
            terms: vec![("gap", gap.inner().mean())],
            flat: parameters::flatten_gradients(model, &loss.backward()),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("E(noise) − E(data) = {:.3}", gap_after_training()?);
    Ok(())
}

/// Trains for a few iterations.
pub fn gap_after_training() -> Result<f32, Box<dyn std::error::Error>> {
    let (seed, device) = (1, Device::flex());
    let config = DataConfig {
        train_images: 500,
        test_images: 0,
        ..DataConfig::default()
    };
    let data = ebm_data::load(&config, seed)?.train;
    let mut rng = PhiloxRng::new(NoiseKey::new(seed, Stream::Weights, 0), 0);
    let net = ConvNetConfig::uva().init(data.shape, &mut rng, &device.clone().autodiff())?;
    let mut trainer = Trainer::new(net, AgainstNoise, (&data).into(), seed, &device).with_lr(1e-3);
    let mut batches = Batches::new(&data, BatchConfig::new(32), seed, &device);
    let mut gap = Tensor::<1>::zeros([1], &device);
    for _ in 0..30 {
        let info = trainer.step(&batches.at(trainer.key(), Shard::WHOLE));
        gap = info.terms[0].1.clone();
    }
    Ok(gap.into_scalar())
}
