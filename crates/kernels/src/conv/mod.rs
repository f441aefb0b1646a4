//! Convolve small images on the CPU.
//!
//! `winograd/` takes 3×3 kernels of stride one and 4×4 kernels of stride two between many channels,
//! forward and for the gradient of the input; `direct/` takes all other convolutions, and every
//! gradient of weights. The choice depends on the geometry alone, never on the batch, so the bits
//! of an image's result do not depend on its batch either. Both end in the tiles of `tile/`.
//!
//! Read `algorithm.rs` first, then `shape.rs`, `images.rs` and `weights.rs` for what it takes.

mod algorithm;
mod blocks;
mod cpu;
mod direct;
mod factors;
mod images;
mod scratch;
mod shape;
#[cfg(test)]
mod tests;
mod tile;
mod weights;
mod winograd;

pub use algorithm::{forward, input_gradient};
pub use direct::parameter_gradients;
pub use factors::Factors;
pub use images::{ImageBatch, Order};
pub use shape::ConvShape;
pub use weights::{Layouts, Weights};
