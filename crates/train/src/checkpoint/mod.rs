//! Keep the checkpoints of a run: directories of named files that are whole or not there.
//!
//! ```text
//! <run_dir>/LATEST                              the name of the newest directory, for people
//! <run_dir>/checkpoints/step_000120/manifest.json   size and checksum of every other file
//! <run_dir>/checkpoints/step_000120/…           the files the caller gave
//! <run_dir>/checkpoints/step_000120.tmp/        being written or being deleted: never read
//! <run_dir>/checkpoints/step_000120.old/        set aside while a new step_000120 takes its place
//! ```
//!
//! Read `write.rs` for the order of operations that survives `kill -9`, then `rotate.rs`, `layout.rs`,
//! `resume.rs`, `read.rs` and `resolve.rs` (what a user's path means). The store knows nothing of tensors; `arrays.rs`
//! turns named arrays into bytes and back, `take.rs` takes them out by name and shape.
//! One process writes to a run directory at a time, or the ranks of one job, each its own files (`shards.rs`); any
//! number may read.

mod arrays;
pub(crate) mod atomic_file;
mod error;
mod format;
mod layout;
mod manifest;
mod read;
mod resolve;
mod resume;
mod rotate;
mod shards;
mod take;
mod write;

pub use arrays::{Array, ArrayData, decode, encode, encode_with_note, note};
pub use error::{CheckpointError, Damage};
pub(crate) use layout::{CHECKPOINTS, step_name, step_of};
pub use layout::{MANIFEST, beside, is_whole, latest, latest_scheduled, step_at};
pub use manifest::to_json;
pub use read::{Checkpoint, read};
pub(crate) use read::{read_files, read_for_shards, read_outline};
pub use resolve::resolve;
pub use resume::latest_with_warnings;
pub use rotate::{Retention, forget_beyond};
pub(crate) use rotate::{remove_surplus, surplus};
pub(crate) use shards::name_of_shard;
pub use take::{take_f32, take_u8, take_u32};
pub use write::{write, write_and_retain};
