//! Train deep energy-based models on images: objectives, optimizer, checkpoints, the loop.
//!
//! A run from a preset, with its checkpoints; observers write the rest:
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//! use burn::tensor::Device;
//! use ebm_train::{Config, Outcome, Run, RunOptions};
//!
//! let overrides = ["iterations=2", "data.train_images=64", "data.test_images=16"];
//! let config = Config::resolve("digits", None, &overrides.map(String::from))?;
//! let dataset = ebm_data::load(&config.data, config.seed)?;
//! let run_dir = tempfile::tempdir()?;
//! let options = RunOptions::new(run_dir.path());
//! let run = Run::open(&config, &dataset, &Device::flex(), &options)?;
//! let outcome = run.train(&mut [], &AtomicBool::new(false))?;
//! assert!(matches!(outcome, Outcome::Finished { .. }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A network or an objective of one's own needs no preset: see [`Trainer`] and [`Objective`].
//!
//! Reading order: `step` (one training step) → `objective` (what gives its gradient; `contrastive` is
//! the first) → `gradient`, `directional`, `optimizer`, `ema`, `parameters` (its parts), `posterior` (weights that are sampled) → `state`
//! (what is remembered) → `run` (the loop) → `checkpoint` → `config` and its presets. The convention
//! for energies, images and steps stands in `ebm_langevin`'s documentation.

pub mod checkpoint;
mod collective;
mod config;
mod directional;
mod dropout;
pub mod ema;
mod error;
mod gradient;
mod objective;
mod optimizer;
pub mod parameters;
mod posterior;
mod run;
mod state;
mod step;
mod trainer;
mod watch;

pub use collective::{Collective, Solo, Team, TeamError, Threads};
#[cfg(feature = "mpi")]
pub use collective::{Mpi, MpiError};
pub use config::{
    Conditions, Config, ConfigError, Generative, Held, Key, ModelConfig, NetworkName,
    ObjectiveConfig, ObjectiveKind, OnDivergence, OutputConfig, Phase, RollbackConfig, Settings,
    absolute_dir, initial_model, least_memory, preset,
};
pub use directional::directional_derivative;
pub use dropout::Dropout;
pub use error::TrainError;
pub use objective::contrastive::{
    ChainState, Contrastive, EnergyL2, KlConfig, LastStepTerm, Loss, LossConfig, LossKind, loss,
};
pub use objective::{
    AnyObjective, AnyState, Classification, Contrasted, Coupling, Denoising, DenoisingError, Flow,
    FlowContrast, Gradient, Jem, Latent, NoiseSpacing, Objective, Recovery, ScoreMatching,
    Stateless, StepContext, TrajectoryState, WhitenedContrast,
};
pub use optimizer::{Adam, OptimizerConfig, OptimizerMethod, Update};
pub use posterior::{KeptWeights, PosteriorConfig, WeightStep, kept_weights};
pub use run::{
    Estimate, FirstChainsCost, FoundRuns, JudgeError, LastMetrics, LoggedMetrics, Metrics,
    MetricsFile, MetricsLine, Observer, ObserverError, Outcome, Pruned, Run, RunDir, RunOptions,
    RunState, RunSummary, SampleJudge, Samples, Speed, StepReport, calibrate, estimate, load_state,
    new_state, process_memory, prunable, prune,
};
pub use state::{
    Best, DataSummary, Identity, OfShard, Persist, Rollback, TrainState, constant_arrays,
    load_constants, named_arrays,
};
pub use step::{StepConfig, StepInfo, step};
pub use trainer::Trainer;
pub use watch::{Energies, Shares, Sign, Symptom, Watch};
