//! Compute energies and their gradients with a cube of units for each image.
//!
//! The units compute a plane together, each a tile of it that it holds in registers, and write it to
//! shared memory for the next layer. In the backward pass a unit has the same tile of a plane, so that it
//! holds the slopes of activations, too, and only weights are read from outside.
//!
//! Reading order: `kernel` (the passes of an image) → `forward`, `dense`, `backward` → `taps` (the inner
//! loop of a convolution) → `tile` (the elements of a unit).

#![allow(clippy::needless_range_loop)] // unrolled by the index

mod backward;
mod dense;
mod forward;
mod kernel;
mod launch;
mod taps;
mod tile;
