//! Keep training and test images together.

use std::path::PathBuf;

use crate::images::Images;

/// What a run trains on, and what it is evaluated on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Images to train on; never empty.
    pub train: Images,
    /// Held-out images of the same shape and classes.
    pub test: Option<Images>,
    /// Pictures that could not be decoded and were left out (`data.skip_bad`), in order.
    pub skipped: Vec<PathBuf>,
}
