//! Measure how fast a device multiplies large matrices: the bound of everything else.

use std::time::Instant;

use burn::tensor::{Device, Tensor};

/// Side of the matrices, and products that are timed.
const SIDE: usize = 1024;
const PRODUCTS: usize = 12;

/// GFLOP/s of the fastest of a few products of 1024×1024 matrices in f32.
pub(super) fn matmul_peak(device: &Device) -> f64 {
    let ramp = Tensor::<1, burn::tensor::Int>::arange(0..(SIDE * SIDE) as i64, device);
    let a: Tensor<2> = (ramp.float() * 0.37).sin().reshape([SIDE, SIDE]);
    let seconds = (0..PRODUCTS).map(|_| {
        let start = Instant::now();
        super::wait_for(&a.clone().matmul(a.clone()));
        start.elapsed().as_secs_f64()
    });
    let fastest = seconds.fold(f64::INFINITY, f64::min);
    2.0 * (SIDE as f64).powi(3) / fastest / 1e9
}
