//! Hold everything that determines a run, and check that it can run.

mod changes;
mod error;
mod model;
mod output;
pub mod preset;
mod resolve;
mod settings;

pub use error::ConfigError;
pub use model::{ModelConfig, NetworkName};
pub use output::OutputConfig;
pub use settings::{Config, initial_model};
