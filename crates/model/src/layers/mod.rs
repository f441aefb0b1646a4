//! The layers that every network is made of: weights with or without spectral norm, class
//! and noise-level conditioning, attention.

mod attention;
mod conditioning;
mod conv;
mod dense;
mod embedding;
mod initialization;
mod spectral_norm;

pub(crate) use attention::Attention;
pub(crate) use conditioning::{ClassGain, InputBias};
pub(crate) use conv::{Conv, ConvSpec};
pub(crate) use dense::Dense;
pub(crate) use embedding::Embedding;
pub use initialization::Initialization;
pub(crate) use initialization::standard_normal;
pub(crate) use spectral_norm::Bound;
pub use spectral_norm::NormedWeight;
