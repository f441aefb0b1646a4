//! Convolve as a product of matrices, in tiles that the units of a cube share.
//!
//! The rows of the left matrix are the pixels of all outputs, its columns the channels of all taps that
//! an output reads; it is gathered from the images while a tile is loaded ("implicit GEMM"). The right
//! matrix are the weights. A cube computes a tile of pixels by channels, a few columns of both matrices
//! at a time: its units bring them to shared memory, and multiply them there, either one by one
//! (`fma`) or with matrix units (`matrix_units`).
//!
//! Matrix units multiply values of 16 bits. A factor of f32 is the sum of two of bf16, but for 2⁻¹⁷ of
//! it, and a product the sum of three of theirs, with the smallest left out.
//!
//! Reading order: `conv_shape` and `tiling` (what is computed, and how it is cut) → `launch` → `fma`
//! and `matrix_units` (the kernels) → `gather` and `write` (what both have in common) →
//! `weight_gradient`.

mod conv_shape;
mod fma;
mod gather;
mod launch;
mod matrix_units;
mod tiling;
mod weight_gradient;
mod write;

pub(super) use conv_shape::ConvShape;
pub(super) use launch::{
    Algorithm, convolve, has_matrix_units, takes_weight_gradient, weight_gradient,
};
