//! Average what several networks say: samples of a posterior over weights, or of dropped units.
//!
//! Reading order: `ensemble` (which networks, and what they predict together) → `measures` (how good that is, and how
//! sure).

mod ensemble;
mod measures;

pub use ensemble::{Ensemble, EnsembleError, Prediction};
pub use measures::{PredictionMeasures, measure};
