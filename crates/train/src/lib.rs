//! Train deep energy-based models on images: data, configuration, training, checkpoints, and the
//! command line of the `ebm` binary.
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//! use ebm_train::config::Config;
//! use ebm_train::device::DeviceChoice;
//! use ebm_train::run::{Outcome, RunOptions, train};
//!
//! let overrides = ["iterations=2", "data.train_images=64", "data.test_images=16"];
//! let config = Config::resolve("digits", None, &overrides.map(String::from))?;
//! let dataset = ebm_train::data::load(&config.data, config.seed)?;
//! let device = DeviceChoice::Cpu.select()?;
//! let run_dir = tempfile::tempdir()?;
//! let options = RunOptions {
//!     run_dir: run_dir.path(),
//!     force: false,
//!     self_test: true,
//!     silent: true,
//!     stop: &AtomicBool::new(false),
//! };
//! let outcome = train(&config, &dataset, &device, &options)?;
//! assert!(matches!(outcome, Outcome::Finished { .. }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Reading order: `trainer` (one step) → `loss`, `optimizer`, `ema` (its parts) → `state` (what is
//! remembered) → `run` (the loop) → `config` and `preset` → `cli`. The convention for energies,
//! images and steps stands in `ebm_langevin`'s documentation.

pub mod animation;
mod atomic_file;
mod batches;
pub mod bench;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod data;
pub mod device;
pub mod device_memory;
mod dropout;
pub mod ema;
mod error;
pub mod estimate;
mod gradient;
pub mod grid;
pub mod kl;
pub mod loss;
pub mod memory;
pub mod metrics;
pub mod npy;
pub mod optimizer;
pub mod parameters;
pub mod precision;
pub mod preset;
mod progress;
pub mod run;
mod run_dir;
pub mod sampling;
pub mod self_test;
pub mod state;
pub mod trainer;
pub mod weights;

pub use batches::{Batches, LabelledBatch, byte_tensor};
pub use error::TrainError;
