//! Say what cannot be played.

use ebm_core::ImageShape;
use thiserror::Error;

/// What cannot be played.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum PlayError {
    /// No step goes on from a picture under such an energy.
    #[error("{0}")]
    NoChains(String),
    /// Pixels of no images, or of a part of one.
    #[error("expected a whole number of {shape} images, at least one, got {got} pixels")]
    NotImages {
        /// Shape of an image.
        shape: ImageShape,
        /// How many pixels came.
        got: usize,
    },
    /// A mask of other images.
    #[error("expected {expected} marks of known pixels, got {got}")]
    OtherMask {
        /// Pixels of a channel of all images.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// A slice without its three corners.
    #[error("a slice goes through three images, got {got}")]
    NotThree {
        /// How many images came.
        got: usize,
    },
    /// A class that the model does not have.
    #[error("there is no class {class}: the model has {num_classes}")]
    NoClass {
        /// The class.
        class: u32,
        /// Classes of the model.
        num_classes: usize,
    },
    /// A multiplier that is impossible.
    #[error("`{key}` must be {range}, got {value}")]
    Setting {
        /// Which one.
        key: &'static str,
        /// What it may be.
        range: &'static str,
        /// What it is.
        value: f64,
    },
    /// More steps than are numbered.
    #[error("a chain takes fewer than 2²⁴ steps, and these would be {steps}")]
    TooManySteps {
        /// Steps so far and now.
        steps: usize,
    },
}
