//! Measure how good a model is, in numbers that a stranger gets again.
//!
//! Reading order: `features` (what a frozen classifier sees in images, as `vectors`) → `frechet`, `kernel`,
//! `precision_recall` (how far samples are from data, all of it in `quality`; samples from `keep`; of a run
//! that is still training in `frechet_judge`) → `recognition` and `calibration` (how well energies tell classes
//! apart), `robustness` (in damaged images) → `completion` (what they put in for missing pixels) → `out_of_distribution` by `detection` (and data from others, such as `anomalies`) → `annealing`
//! (log Z), `likelihood` → `mixing` (how honest the sampler is).

mod annealing;
mod anomalies;
mod calibration;
mod completion;
mod convergence;
mod detection;
mod features;
mod frechet;
mod frechet_judge;
mod keep;
mod kernel;
mod likelihood;
mod mixing;
mod moments;
mod out_of_distribution;
mod precision_recall;
mod quality;
mod recognition;
mod report;
mod robustness;
mod vectors;

pub use annealing::{
    Annealing, AnnealingError, AnnealingOptions, AnnealingPath, Base, Bound, Temperature,
    TemperatureChoice,
};
pub use anomalies::{Anomaly, BLUR, blurred};
pub use calibration::{BINS, expected_calibration_error};
pub use completion::{
    Completed, Completion, CompletionError, CompletionOptions, check_completion, complete,
    completion_gradients,
};
pub use detection::{Detection, detection};
pub use features::{
    Described, FeatureError, FeatureNetwork, FeatureNote, FeatureRecipe, Learned, RECIPES,
    RecipeError, train as train_features,
};
pub use frechet::{FrechetError, Gaussian};
pub use frechet_judge::FrechetJudge;
pub use keep::{KeepError, Kept, keep_samples, kept_samples};
pub use kernel::{Discrepancy, discrepancy};
pub use likelihood::{
    Likelihood, LikelihoodError, LikelihoodOptions, check_likelihood, likelihood,
    likelihood_gradients,
};
pub use mixing::{
    Difference, Mixing, MixingError, MixingOptions, SamplerComparison, check_mixing,
    check_mixing_of, compare_samplers, compare_samplers_of, mixing_gradients_of,
};
pub(crate) use moments::{error_of_mean, mean};
pub use out_of_distribution::{
    NotFinite, OutOfDistribution, OutOfDistributionError, Score, Scores, Separation, Sets,
    out_of_distribution,
};
pub use precision_recall::{NEIGHBORS, PrecisionRecall, precision_recall};
pub use quality::{Closeness, Judged, QualityError, entropy, some_of};
pub use recognition::{Labelled, Mistake, Recognition, recognise};
pub use report::{Copying, DataToJudge, Neighbors, QualityReport, Reference, USUAL_NUMBER};
pub use robustness::{Damage, Damaged, OfDamage, Robustness, robustness};
pub use vectors::Vectors;
