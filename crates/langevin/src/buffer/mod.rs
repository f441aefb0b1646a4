//! Keep persistent chains between iterations: 8-bit images on the device, labels and ages beside them.
//!
//! The replay buffer of Du & Mordatch (2019), alg. 1, with two differences: a drawn chain goes back
//! to its own slot, and every chain keeps its label. On its way out a chain may be augmented
//! (Du et al. 2021).
//!
//! Reading order: `chains` (what is drawn) → `replay_buffer` (what is kept) → `draw` → `look` (images
//! outside the loop of drawing and putting back) → `bytes` (four pixels a word) → `augment`.

mod augment;
mod byte_images;
mod bytes;
mod chains;
mod config;
mod draw;
mod look;
mod replay_buffer;

pub use byte_images::ByteImages;
pub use bytes::{ByteRange, dequantise};
pub use chains::{Chains, RestartData};
pub use config::{Augmentation, BufferConfig, FirstChains, Restart};
pub use replay_buffer::{BufferState, ReplayBuffer};
