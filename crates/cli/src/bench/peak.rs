//! Measure the most that the hardware multiplies and adds: what every measured speed is held against.
//!
//! A peak belongs to hardware and not to a backend: held against the products of a slow backend, work on it looks
//! better than it is. It is measured on what does little else: large matrix products, and on a CPU convolutions by
//! our own kernels, whose bf16 products no backend has.

use std::time::{Duration, Instant};

use burn::tensor::{DType, Device, Int, Tensor};
use ebm_core::{DeviceKind, ImageShape, NoiseKey, PhiloxRng, Stream, chain_pieces, each_piece};
use ebm_langevin::noise_images;
use ebm_model::{
    ConvLayer, ConvNetConfig, EnergyModel, Frozen, Network, NetworkConfig, Padding, Precision,
};

use crate::device::DeviceChoice;

/// Sides of the matrices, from where a large device is hardly busy to where it is.
const SIDES: [usize; 5] = [256, 512, 1024, 2048, 4096];
/// Products of a size that are timed: the fewest and the most, and after how long no other begins.
const FEWEST: usize = 3;
const MOST: usize = 12;
const ENOUGH: Duration = Duration::from_millis(300);
/// A size is left out where so many products of it would take longer than this: a GPU's kernels are tuned at each
/// size, which takes about as many, and one that is made of software would take minutes.
const TUNING: f64 = 50.0;
const PATIENCE: Duration = Duration::from_secs(10);

/// Channels and side of the images of a convolution whose weights and images stay in a core's cache, and
/// images for each thread.
const CHANNELS: usize = 48;
const SIDE: usize = 12;
const IMAGES: usize = 64;
const SEED: u64 = 1;

/// GFLOP/s of the hardware behind a device, for work whose factors have a precision.
///
/// Of a CPU it is the same for all its backends. Products of f16 are computed in f32 there; a GPU that
/// multiplies f16 or bf16 does both at one speed, so that products of f16 stand for either.
pub(super) fn peak(device: &Device, precision: Precision) -> f64 {
    let found = match DeviceKind::of(device) {
        DeviceKind::Cpu => {
            let backends = [DeviceChoice::Cpu, DeviceChoice::NdArray].into_iter();
            let backends = backends.filter_map(|choice| choice.select().ok());
            let products = backends.map(|chosen| products(&chosen.device, DType::F32));
            let kernels: &[Precision] = match precision {
                Precision::Bf16 => &[Precision::F32, Precision::Bf16],
                Precision::F32 | Precision::F16 => &[Precision::F32],
            };
            let kernels = kernels.iter().map(|precision| convolution(*precision));
            products.chain(kernels).collect::<Vec<_>>()
        }
        DeviceKind::Gpu => {
            let is_lower = precision != Precision::F32 && Precision::F16.check(device).is_ok();
            let lower = is_lower.then(|| products(device, DType::F16));
            [products(device, DType::F32)]
                .into_iter()
                .chain(lower)
                .collect()
        }
    };
    found.into_iter().fold(0.0, f64::max)
}

/// GFLOP/s of the fastest matrix product on a device, of all sizes that do not take too long.
fn products(device: &Device, dtype: DType) -> f64 {
    let mut most = 0.0f64;
    for side in SIDES {
        let seconds = seconds_of_product(device, dtype, side);
        let gflop = 2.0 * (side as f64).powi(3) / 1e9;
        most = most.max(gflop / seconds);
        // The next product is eight times as much work.
        if TUNING * 8.0 * seconds > PATIENCE.as_secs_f64() {
            break;
        }
    }
    most
}

fn seconds_of_product(device: &Device, dtype: DType, side: usize) -> f64 {
    let ramp = Tensor::<1, Int>::arange(0..(side * side) as i64, device);
    let a: Tensor<2> = (ramp.float() * 0.37).sin().reshape([side, side]);
    let a = a.cast(dtype);
    fastest(|| super::wait_for(&a.clone().matmul(a.clone())))
}

/// GFLOP/s of a convolution by our own kernels, computed directly, on all threads of the CPU.
fn convolution(precision: Precision) -> f64 {
    let (device, shape) = (Device::flex(), ImageShape::new(CHANNELS, SIDE, SIDE));
    let net = Frozen::new(&convolving(shape, &device)).rounded(precision);
    let images = IMAGES * rayon::current_num_threads();
    let x = noise_images(images, shape, SEED, &device);
    let seconds = fastest(|| {
        let pieces = chain_pieces(&device, images);
        each_piece(&device, pieces, |rows| {
            super::wait_for(&net.energy(x.clone().narrow(0, rows.start, rows.len())));
        });
    });
    let multiply_adds = net.work(shape).multiply_adds * images;
    2.0 * multiply_adds as f64 / seconds / 1e9
}

/// A network that does hardly anything but one convolution, of a kernel for which there is no algorithm with fewer
/// multiplications, and without padding, which is not multiplied.
fn convolving(shape: ImageShape, device: &Device) -> Network {
    let layer = ConvLayer {
        filters: CHANNELS,
        kernel: 5,
        stride: 1,
        padding: Padding::Each(0),
    };
    let config = ConvNetConfig {
        layers: vec![layer],
        hidden: 1,
        centered_input: false,
        ..ConvNetConfig::uva()
    };
    let mut rng = PhiloxRng::new(NoiseKey::new(SEED, Stream::Weights, 0), 0);
    let net = NetworkConfig::Conv(config).init(shape, &mut rng, device);
    net.expect("the kernel fits into the images")
}

/// Seconds of the fastest of some runs. The first is not timed: kernels are tuned and weights laid out.
fn fastest(mut run: impl FnMut()) -> f64 {
    run();
    let start = Instant::now();
    let mut least = f64::INFINITY;
    for number in 0..MOST {
        if number >= FEWEST && start.elapsed() > ENOUGH {
            break;
        }
        let begun = Instant::now();
        run();
        least = least.min(begun.elapsed().as_secs_f64());
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_convolution_is_nearly_all_that_its_network_computes() {
        let shape = ImageShape::new(CHANNELS, SIDE, SIDE);
        let net = convolving(shape, &Device::flex());
        let outputs = CHANNELS * (SIDE - 4).pow(2);
        let convolution = outputs * CHANNELS * 5 * 5;
        let all = net.work(shape).multiply_adds;
        assert!(all >= convolution && all < convolution + convolution / 100);
    }

    #[test]
    fn a_few_runs_are_timed_after_one_that_is_not() {
        let mut runs = 0;
        let seconds = fastest(|| runs += 1);
        assert!(seconds >= 0.0 && seconds.is_finite());
        assert!((1 + FEWEST..=1 + MOST).contains(&runs), "{runs}");
    }
}
