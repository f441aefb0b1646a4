//! Sample a double well with a closed-form energy and draw the histogram beside the exact density.
//!
//! `cargo run --release -p ebm-langevin --example double_well`

use burn::tensor::{Device, Tensor};
use ebm_langevin::{LangevinConfig, NoiseKey, Sampler, Schedule, Stream};

const CHAINS: usize = 20_000;
const BINS: usize = 33;
const RANGE: f64 = 2.2;

/// E(x) = (x² − 1)² + x/4: two wells, the left one deeper.
fn energy(x: f64) -> f64 {
    (x * x - 1.0).powi(2) + x / 4.0
}

fn main() {
    let step_size: f64 = 0.005;
    let config = LangevinConfig {
        num_steps: 2_000,
        step_size: Schedule::Constant(step_size),
        noise_std: Schedule::Constant((2.0 * step_size).sqrt()), // T = s²/2η = 1
        bounds: None,
        ..LangevinConfig::default()
    };
    let double_well = |x: Tensor<2>| -> Tensor<1> {
        let wells = (x.clone().square() - 1.0).square() + x / 4.0;
        wells.squeeze_dim(1)
    };
    let chains: Vec<u32> = (0..CHAINS as u32).collect();
    let start = Tensor::zeros([CHAINS, 1], &Device::flex());
    let sampler = Sampler::new(config, NoiseKey::new(1, Stream::Sample, 0));
    let x = sampler
        .with_piece_size(CHAINS / 4)
        .run(start, &chains, double_well)
        .x;

    let mut counts = [0usize; BINS];
    for value in x.into_data().iter::<f64>() {
        let bin = ((value + RANGE) / (2.0 * RANGE) * BINS as f64).floor();
        if (0.0..BINS as f64).contains(&bin) {
            counts[bin as usize] += 1;
        }
    }
    let center = |bin: usize| -RANGE + (bin as f64 + 0.5) * 2.0 * RANGE / BINS as f64;
    let weights: Vec<f64> = (0..BINS).map(|bin| (-energy(center(bin))).exp()).collect();
    let total: f64 = weights.iter().sum();
    println!("     x  sampled    exact   (# sampled, | exact)");
    for (bin, &count) in counts.iter().enumerate() {
        let (sampled, exact) = (count as f64 / CHAINS as f64, weights[bin] / total);
        let (bar, mark) = (
            (sampled * 800.0).round() as usize,
            (exact * 800.0).round() as usize,
        );
        let row: String = (0..=bar.max(mark))
            .map(|column| match (column == mark, column < bar) {
                (true, _) => '|',
                (false, true) => '#',
                (false, false) => ' ',
            })
            .collect();
        println!("{:+.2} {sampled:8.4} {exact:8.4}   {row}", center(bin));
    }
}
