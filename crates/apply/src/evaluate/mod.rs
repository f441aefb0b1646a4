//! Measure how good a model is, in numbers that a stranger gets again.
//!
//! Reading order: `features` (what a frozen classifier sees in images, as `vectors`) → `frechet`, `kernel`,
//! `precision_recall` (how far samples are from data, all of it in `quality`; samples from `keep`; of a run
//! that is still training in `frechet_judge`) → `recognition`, `calibration`, `detection` (how well energies tell
//! data from others, and classes apart).

mod calibration;
mod detection;
mod features;
mod frechet;
mod frechet_judge;
mod keep;
mod kernel;
mod precision_recall;
mod quality;
mod recognition;
mod report;
mod symmetric;
mod vectors;

pub use calibration::{BINS, expected_calibration_error};
pub use detection::{Detection, detection};
pub use features::{
    Described, FeatureError, FeatureNetwork, FeatureNote, FeatureRecipe, Learned, RECIPES,
    RecipeError, train as train_features,
};
pub use frechet::{FrechetError, Gaussian};
pub use frechet_judge::FrechetJudge;
pub use keep::{KeepError, Kept, kept_samples};
pub use kernel::{Discrepancy, discrepancy};
pub use precision_recall::{NEIGHBORS, PrecisionRecall, precision_recall};
pub use quality::{BLUR, Closeness, Judged, QualityError, blurred, entropy, some_of};
pub use recognition::{Recognition, recognise};
pub use report::{DataToJudge, Neighbors, QualityReport, USUAL_NUMBER, judge};
pub use vectors::Vectors;
