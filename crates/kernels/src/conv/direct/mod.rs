//! Convolve images in lanes directly.
//!
//! Under its kernel an output sees, in each row of the source, consecutive pixels with all their
//! channels: a run of consecutive elements. So an output is a sum over a few runs of the source and of
//! the weights. Nothing is unfolded, and taps that see only padding are left out. The gradient of the
//! input is the same kind of sum over the output's gradient; with a stride, its pixels fall into
//! phases with taps of their own. The lanes are vectors, and the bits of an image's result do not
//! depend on the other images.
//!
//! Read `axis.rs`, `convolution.rs`, `run.rs`; then `weight_gradient.rs`, whose steps are in `band.rs`
//! and `dense.rs`.

mod axis;
mod band;
mod convolution;
mod dense;
mod run;
mod weight_gradient;

pub(super) use convolution::Direct;
pub use weight_gradient::parameter_gradients;
