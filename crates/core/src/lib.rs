//! Speak one language in every crate: what an energy is, where randomness comes from, how a quantity
//! changes over a run, what an image's shape is, how a batch is spread over threads.
//!
//! Reading order: `energy` (the trait that networks implement and samplers use) → `random` (every
//! random number is a function of what it is for) → `schedule`, `shape`, `rows`, `pixels`, `device_kind`,
//! `pieces`, `invalid`, `symmetric` (eigenvalues), `file_system`.
//!
//! The convention for energies, images and Langevin steps stands in `ebm_langevin`'s documentation.

mod adapters;
mod device_kind;
mod energy;
pub mod file_system;
mod index;
mod invalid;
mod pieces;
pub mod pixels;
pub mod random;
pub mod rows;
mod schedule;
mod shape;
pub mod symmetric;

pub use adapters::{Adapter, adapters_under_test, opengl_adapters, vulkan_adapters, wgpu_adapters};
pub use device_kind::DeviceKind;
pub use energy::{Energy, energy_and_gradient};
pub use index::index_tensor;
pub use invalid::Invalid;
pub use pieces::{MAX_CHAINS_OF_PIECE, chain_pieces, each_piece, pieces_for, pieces_of};
pub use random::{Distribution, NoiseKey, PhiloxRng, Shard, StepKey, Stream};
pub use schedule::{Schedule, Varying};
pub use shape::ImageShape;
