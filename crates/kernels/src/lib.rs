//! Compute the layers of an energy on a CPU: convolutions, averages and activations of many small
//! images, on plain slices and without a tensor library.
//!
//! Images lie beside each other, a lane each ([`lanes`]), so that everything runs in whole vectors
//! whatever the size of an image, and no bit of an image's result depends on its batch. What indexes
//! without bounds is in one file, `conv/tile.rs`, behind checks of all that it reaches; each kind of
//! vectors has a portable twin.

pub mod conv;
pub mod elementwise;
pub mod lanes;
mod per_cpu;
pub mod pool;
