//! Use trained energies: open what training left behind, sample, score, exchange weights.
//!
//! ```no_run
//! use burn::tensor::Device;
//! use ebm_apply::{Trained, Weights, score};
//! use ebm_data::decode_picture;
//!
//! let device = Device::flex();
//! let trained = Trained::open("runs/digits", &device)?;
//! let bytes = decode_picture("digit.png".as_ref(), trained.shape())?;
//! let images = score::images(&bytes, trained.shape(), &device);
//! let energies = score::energies(&trained.energy(Weights::Average), images);
//! println!("{energies:?}, the lower the likelier");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Reading order: `trained` (open a run) → `sample`, `compose`, `score`, `classify`, `denoise`, `restore`, `infer`,
//! `playground` (use it) → `posterior` (average several of them) →
//! `evaluate` (how good is it?) → `exchange` (weights, to PyTorch and back; `exchange::hub`: models, to the Hugging Face Hub and back).

mod checksum;
mod classify;
pub mod compose;
pub mod denoise;
pub mod evaluate;
pub mod exchange;
pub mod infer;
mod playground;
mod posterior;
pub mod restore;
mod sample;
pub mod score;
#[cfg(test)]
mod testing;
mod trained;

pub use classify::{Classified, Classifier, ClassifyError};
pub use ebm_langevin::{StepCounter, labels_in_shares, labels_in_turn, to_bytes};
pub use exchange::ImportError;
pub use playground::{PlayError, PlaySettings, PlaySteps, Played, Playground, SliceGrid};
pub use posterior::{Ensemble, EnsembleError, Prediction, PredictionMeasures, measure};
pub use sample::{
    BurnIn, Init, PartSampler, SampleError, SampleOptions, SamplePart, Samples, sample,
    sample_counted,
};
pub use trained::{OpenError, Trained, UnknownClass, Weights};
