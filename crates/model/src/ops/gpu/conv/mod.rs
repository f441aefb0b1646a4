//! Convolve on a GPU, and differentiate by convolutions of stride one.
//!
//! With stride s and padding p, y\[o] = Σₜ w\[t]·x\[s·o + t − p]. So pixel i is of phase a = (i + p) mod s,
//! and its gradient Σⱼ g\[q − j]·w\[a + s·j], with q = ⌊(i + p)/s⌋, is a convolution of g with every s-th
//! tap of w, turned: all phases together are one convolution, to as many channels for each of the
//! input's, whose outputs are cells of s×s pixels.
//!
//! Reading order: `functions` (what layers call) → `conv_ops` and `autodiff` (the operations and their
//! tape) → `cube` (which kernel computes them) → `tiled` (ours).

mod autodiff;
mod conv_ops;
mod cube;
mod functions;
#[cfg(test)]
mod tests;
mod tiled;

pub(crate) use functions::has_bf16_units;
pub(in crate::ops) use functions::{conv2d, dense};
