//! Energies of overcomplete experts on whitened patches (Teh, Welling, Osindero & Hinton 2003).
//!
//! E(x) = Σᵢ γᵢ log(1 + (wᵢᵀz)²/2), z = Vᵀ(t(x) − mean). Reading order: `steps` (from pixels to t(x), each step a pure
//! function) → `whitening` (V and the mean, measured on data) → `law` (the energy in z, its slope and its curvature)
//! → `net` → `filters` (the experts as images), `pictures` (the energy of whole pictures, on their
//! `windows`).

mod config;
mod filters;
mod law;
mod net;
mod pictures;
mod steps;
#[cfg(test)]
mod tests;
mod whitened;
mod whitening;
mod windows;

pub use config::ExpertsConfig;
pub use filters::Filters;
pub use net::Experts;
pub use pictures::OverPatches;
pub use steps::Intensity;
pub use whitened::{Constant, InCoordinates, Whitened};
