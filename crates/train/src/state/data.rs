//! Summarise the data that a model learns from.

use ebm_core::ImageShape;
use ebm_data::Images;
use serde::{Deserialize, Serialize};

/// What is known of the data: all that a state takes from them.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSummary {
    /// Shape of every image.
    pub shape: ImageShape,
    /// Names of the classes; empty for data without labels.
    pub class_names: Vec<String>,
    /// Share of each class, in [0, 1]; empty for data without labels.
    pub class_frequencies: Vec<f64>,
    /// Which images they are; `None` where nobody knows, as with weights from elsewhere.
    pub identity: Option<Identity>,
}

/// Tells images apart from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// How many they are.
    pub num: u64,
    /// CRC-32 of their bytes and then of their labels, in order.
    pub crc32: u32,
}

impl Identity {
    /// Of these images.
    fn of(images: &Images) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        images.pixels.in_order(|part| hasher.update(part));
        for label in &images.labels {
            hasher.update(&label.to_le_bytes());
        }
        Self {
            num: images.len() as u64,
            crc32: hasher.finalize(),
        }
    }
}

impl DataSummary {
    /// Images of `shape` without labels.
    pub fn unlabelled(shape: ImageShape) -> Self {
        Self {
            shape,
            class_names: Vec::new(),
            class_frequencies: Vec::new(),
            identity: None,
        }
    }

    /// Where data of the same shape and classes are others than those that a run has learned from: what differs;
    /// `None` where nothing does, or nobody knows.
    pub fn difference_from(&self, old: &Self) -> Option<String> {
        let (here, there) = (self.identity?, old.identity?);
        if here.num != there.num {
            return Some(format!(
                "{} training images, and now {}",
                there.num, here.num
            ));
        }
        (here != there).then(|| format!("{} other training images", there.num))
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
            identity: Some(Identity::of(images)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_others_when_an_image_or_a_label_changes() {
        let images = Images {
            pixels: (0..8).collect(),
            shape: ImageShape::new(1, 2, 2),
            labels: vec![0, 1],
            class_names: vec!["a".to_owned(), "b".to_owned()],
        };
        let old = DataSummary::from(&images);
        let difference = |change: &dyn Fn(&mut Images)| {
            let mut images = images.clone();
            change(&mut images);
            DataSummary::from(&images).difference_from(&old)
        };
        assert_eq!(difference(&|_| {}), None);
        let others = Some("2 other training images".to_owned());
        let other_pixel = |images: &mut Images| {
            images.pixels = vec![0, 1, 2, 9, 4, 5, 6, 7].into();
        };
        assert_eq!(difference(&other_pixel), others);
        assert_eq!(difference(&|images| images.labels.swap(0, 1)), others);
        let fewer = |images: &mut Images| {
            images.pixels = images.image(0).to_vec().into();
            images.labels.truncate(1);
        };
        let number = Some("2 training images, and now 1".to_owned());
        assert_eq!(difference(&fewer), number);
        let unknown = DataSummary::unlabelled(images.shape);
        assert_eq!(unknown.difference_from(&old), None);
    }
}
