//! Sample an energy of one's own, written as a function: no network, no training, no file.
//!
//! `cargo run --release -p ebm-apply --example own_energy`

use burn::tensor::{Device, Tensor};
use ebm_core::{NoiseKey, Stream};
use ebm_langevin::{LangevinConfig, Sampler};

/// E(x) = (x² − 1)² + x/4: two wells, the left one deeper.
fn double_well(x: Tensor<2>) -> Tensor<1> {
    let wells = (x.clone().square() - 1.0).square() + x / 4.0;
    wells.squeeze_dim(1)
}

fn main() {
    let share = share_of_the_left_well();
    println!("{:.1} % of the chains are in the left well", 100.0 * share);
}

/// Draws from exp(−E).
pub fn share_of_the_left_well() -> f64 {
    let step_size: f64 = 0.005;
    let config = LangevinConfig::new(2_000)
        .with_step_size(step_size)
        .with_noise_std((2.0 * step_size).sqrt()) // T = s²/2η = 1
        .with_bounds(None);
    let ids: Vec<u32> = (0..4_000).collect();
    let start = Tensor::zeros([4_000, 1], &Device::flex());
    let sampler = Sampler::new(config, NoiseKey::new(1, Stream::Sample, 0));
    let x = sampler.run(start, &ids, &double_well).x.into_data();

    x.iter::<f64>().filter(|&x| x < 0.0).count() as f64 / 4_000.0
}
