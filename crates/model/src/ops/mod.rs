//! Run the layers of an energy with kernels for its hot path: many small convolutions with constant
//! weights.
//!
//! The functions take tensors of any device. f32 on a CPU takes the kernels of `ebm-kernels`; a GPU has
//! convolutions of its own, and [`resident`] for whole small networks;
//! everything else is Burn's own operations. On a CPU an image's result
//! never depends on its batch; on a GPU sums may be taken in another order.
//!
//! Reading order: `functions` (what layers call) → `cpu` and `gpu` (the kernels behind them); both use
//! `geometry`, `layouts` (weights as kernels read them) and `tape` (how an operation is recorded).

#![allow(deprecated)] // upstream prefers flex to ndarray; users compare them

mod activation;
mod classes;
mod cpu;
mod functions;
mod geometry;
#[cfg(feature = "wgpu")]
mod gpu;
mod layouts;
mod patches;
mod tape;
#[cfg(test)]
mod tests;

pub use activation::Activation;
pub(crate) use classes::{assert_class_per_image, assert_level_per_image, assert_noise_per_image};
pub use ebm_kernels::conv::Factors;
pub(crate) use functions::{
    add, conv2d, dense, dense_of_images, double, fork, halve, join, scale, shift, space_mean,
};
pub(crate) use geometry::ConvGeometry;
#[cfg(feature = "wgpu")]
pub(crate) use gpu::conv::has_bf16_units;
#[cfg(feature = "wgpu")]
pub(crate) use gpu::resident;
pub(crate) use layouts::Layouts;
pub(crate) use patches::{of_patches, to_patches};
