//! Compute the layers of an energy on a CPU: convolutions, averages and activations of many small
//! images, on plain slices and without a tensor library.
//!
//! Read [`lanes`] first: the images of a batch are the lanes of vectors, so that every operation
//! works on whole vectors whatever the size of an image, and no bit of an image's result depends on
//! its batch. Then [`conv`], from `conv/algorithm.rs` on; [`pool`], [`upsample`], [`mean`], [`join`] and
//! [`elementwise`] stand alone.
//!
//! # Unsafe code
//!
//! - `conv/tile/unchecked/` reads and writes through pointers without bounds checks. Its only caller
//!   is `conv/tile/dispatch.rs`, which first checks all that a call can reach.
//! - That file and `per_cpu.rs` call functions compiled for particular instructions, after the CPU
//!   was found to have them. `conv/tile/vectors.rs` keeps that finding in a type that nothing else
//!   can make.
//!
//! Each kind of vector instructions has a portable twin.

pub mod conv;
pub mod elementwise;
pub mod join;
pub mod lanes;
pub mod mean;
mod per_cpu;
pub mod pool;
pub mod upsample;
