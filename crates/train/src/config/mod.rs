//! Hold everything that determines a run, and check that it can run.

mod annotated;
mod changes;
mod data_dir;
mod error;
mod keys;
mod latent;
mod levels;
mod memory;
mod model;
mod network;
mod network_name;
mod objective;
mod of_run;
mod output;
mod phases;
mod posterior;
pub mod preset;
mod resolve;
mod rollback;
mod sampler;
mod seed;
mod settings;
mod spelled_out;

pub use data_dir::absolute_dir;
pub use error::ConfigError;
pub use keys::Key;
pub use memory::{Held, least_memory};
pub use model::ModelConfig;
pub use network::Conditions;
pub use network_name::NetworkName;
pub use objective::{Generative, ObjectiveConfig, ObjectiveKind};
pub(crate) use of_run::{Copied, RunConfig};
pub use output::OutputConfig;
pub use phases::{Phase, Settings};
pub use rollback::{OnDivergence, RollbackConfig};
pub use settings::{Config, initial_model};
