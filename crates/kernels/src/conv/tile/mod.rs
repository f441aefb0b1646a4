//! Sum products in registers, tile by tile.
//!
//! A tile of outputs is some channels at some vectors of a row. For every element under the kernel
//! it loads each vector once, and multiplies it by the weight of each channel. A tile of a weight
//! gradient is some pairs of channels; it sums products over rows, columns and lanes.
//!
//! `outputs.rs` and `tap_gradient.rs` say what a tile computes and check what it reaches, `dispatch.rs`
//! runs the tiles of the CPU's vectors, `unchecked/` has their code.

mod dispatch;
mod outputs;
mod product;
mod tap_gradient;
mod unchecked;
mod vectors;

pub(super) use outputs::{Offsets, Outputs};
pub(super) use product::{multiply, offsets_of};
pub(super) use tap_gradient::{MAX_SUMS, TapGradient};
pub(super) use vectors::Vectors;
