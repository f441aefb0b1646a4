//! Hold everything that determines a run, and check that it can run.

mod annotated;
mod changes;
mod error;
mod keys;
mod model;
mod of_run;
mod output;
pub mod preset;
mod resolve;
mod rollback;
mod settings;

pub use error::ConfigError;
pub use keys::Key;
pub use model::{ModelConfig, NetworkName};
pub use output::OutputConfig;
pub use rollback::{OnDivergence, RollbackConfig};
pub use settings::{Config, initial_model};
