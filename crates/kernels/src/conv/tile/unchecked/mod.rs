//! Read and write without bounds checks, for callers that have checked what the tiles reach.
//!
//! All unchecked indexing of the crate is in this folder. The macros write out the tiles of each
//! kind of vectors; `dispatch.rs` checks, then calls them.

pub(super) mod array;
mod gradient_tiles;
mod output_tiles;
#[cfg(target_arch = "x86_64")]
pub(super) mod x86;
