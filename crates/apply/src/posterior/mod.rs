//! Average what several networks say: samples of a posterior over weights, or of dropped units.
//!
//! Reading order: `prediction` (what networks say together) → `ensemble` (which networks) → `measures` (how good that is,
//! and how sure).

mod ensemble;
mod measures;
mod prediction;

pub use ensemble::{Ensemble, EnsembleError};
pub use measures::{PredictionMeasures, measure};
pub use prediction::Prediction;
