//! Summarise the data that a model learns from.

use ebm_core::ImageShape;
use ebm_data::Images;

/// What is known of the data: all that a state takes from them.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSummary {
    /// Shape of every image.
    pub shape: ImageShape,
    /// Names of the classes; empty for data without labels.
    pub class_names: Vec<String>,
    /// Share of each class, in [0, 1]; empty for data without labels.
    pub class_frequencies: Vec<f64>,
}

impl DataSummary {
    /// Images of `shape` without labels.
    pub fn unlabelled(shape: ImageShape) -> Self {
        Self {
            shape,
            class_names: Vec::new(),
            class_frequencies: Vec::new(),
        }
    }

    /// Classes of the data; 0 without labels.
    pub fn num_classes(&self) -> usize {
        self.class_frequencies.len()
    }
}

impl From<&Images> for DataSummary {
    fn from(images: &Images) -> Self {
        Self {
            shape: images.shape,
            class_names: images.class_names.clone(),
            class_frequencies: images.class_frequencies(),
        }
    }
}
