//! Let several processes train one model: who they are, and how numbers go between them.
//!
//! A *rank* is a process, or a thread that stands for one; a *shard* is a virtual worker that a rank runs. Results depend
//! on the number of shards and never on that of the ranks, so that everything that is summed is summed over a fixed
//! tree of shards. Reading order: [`Collective`] (what an engine has to offer) → `solo`, `threads`, `mpi` (the
//! engines) → `tree` (the sum) → `team` (which shards are whose, and what all ranks agree on) →
//! `meeting` (shards in the middle of a step).

mod meeting;
#[cfg(feature = "mpi")]
mod mpi;
mod solo;
mod team;
mod threads;
mod tree;

use core::fmt::Debug;

pub(crate) use meeting::{Meeting, each_shard};
#[cfg(feature = "mpi")]
pub use mpi::{Mpi, MpiError};
pub use solo::Solo;
pub(crate) use team::gather;
pub use team::{Team, TeamError};
pub use threads::Threads;

/// What moves numbers between ranks. All ranks call the same methods in the same order.
///
/// A rank that ends too early must not leave the others waiting: an engine panics in them, or ends them.
pub trait Collective: Debug + Send + Sync {
    /// This rank, from 0, below [`world`](Self::world).
    fn rank(&self) -> u32;

    /// The number of ranks.
    fn world(&self) -> u32;

    /// Send numbers to another rank, and receive as many as `receive` has room for. `peer` calls this at the same
    /// time with this rank as its peer, and sends as many; either may be empty.
    fn exchange(&self, peer: u32, send: &[f32], receive: &mut [f32]);

    /// The bytes of every rank, in the order of ranks; of any number each.
    fn gather(&self, own: &[u8]) -> Vec<Vec<u8>>;
}
