//! Differentiate strided convolutions on a GPU by convolutions of stride one, where that is quicker.
//!
//! Burn's kernels for matrix units decline the input gradient of a strided convolution.
//! With stride s and padding p, y\[o] = Σₜ w\[t]·x\[s·o + t − p]. So pixel i is of phase a = (i + p) mod s,
//! and its gradient Σⱼ g\[q − j]·w\[a + s·j], with q = ⌊(i + p)/s⌋, is a convolution of g with every s-th
//! tap of w, turned: all phases together are one convolution, to as many channels for each of the
//! input's, whose outputs are cells of s×s pixels.

mod autodiff;
mod conv;
mod cube;
mod strided_ops;
#[cfg(test)]
mod tests;

pub(in crate::ops) use conv::conv2d;
