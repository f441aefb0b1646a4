//! Keep training and test images together.

use std::path::PathBuf;

use crate::error::DataError;
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

impl Dataset {
    /// The data set without the images of some classes; without test images where none are left.
    pub(crate) fn without(self, left_out: &[String]) -> Result<Self, DataError> {
        let names = &self.train.class_names;
        if let Some(unknown) = left_out.iter().find(|name| !names.contains(name)) {
            return Err(DataError::NoSuchClass {
                name: unknown.clone(),
                names: names.clone(),
            });
        }
        let kept = names.iter().filter(|name| !left_out.contains(name));
        let kept: Vec<String> = kept.cloned().collect();
        let train = self.train.of_names(&kept);
        if train.is_empty() {
            return Err(DataError::AllLeftOut);
        }
        Ok(Self {
            train,
            test: self
                .test
                .map(|test| test.of_names(&kept))
                .filter(|test| !test.is_empty()),
            skipped: self.skipped,
        })
    }
}
