//! Convolve by tiles of pixels: transform, multiply at as many points, transform back.
//!
//! F(4×4, 3×3) takes a quarter of the multiplications of a convolution; F(5×5, 2×2), F(4×4, 2×2) and
//! F(2×2, 2×2) take 36, 39 and 56 %, where the tiles fit the image (Lavin & Gray 2016). A 4×4 kernel
//! of stride two is a 2×2 kernel on the four phases of the image, taken as channels. An input
//! gradient is a convolution, too: of the output's gradient, with rotated kernels. So one function
//! of two lattices of pixels computes both directions of both kinds.
//!
//! Eight or sixteen images are the lanes of a vector, so every transform is a vector operation
//! whatever the size of an image, and no bit of a result depends on its position. A batch of very
//! few images is computed image by image, as most lanes would be empty.
//!
//! Read `tiling.rs` first, then `run.rs`; the rest are their steps.

mod band;
mod copy;
mod lattice;
mod panels;
mod run;
mod tiling;
mod transform;
mod weights;

#[cfg(test)]
pub(super) use tiling::MIN_CHANNELS;
pub(super) use tiling::Winograd;
