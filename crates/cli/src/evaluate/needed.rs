//! Refuse to draw and judge more samples than the memory holds.

use ebm_core::ImageShape;
use ebm_train::Held;

use super::{EvaluateArgs, Measure, Opened};
use crate::memory::NotEnoughMemory;

/// The flag that decides how many there are.
const NUM: &str = "--num";
/// Bytes of the label of a sample.
const LABEL: u64 = 4;
/// Bytes of an element of a feature vector.
const F64: u64 = 8;

impl EvaluateArgs {
    /// Check that the machine has what a run's samples hold at least, with the images that are drawn beside them.
    ///
    /// # Errors
    /// Where it has less.
    pub(super) fn check_memory(&self, one: &Opened<'_>) -> Result<(), NotEnoughMemory> {
        let is_drawn = one.trained.config().data.dataset.is_drawn();
        let needed = Needed {
            num: self.num as u64,
            shape: one.trained.shape(),
            features: (one.features.as_ref())
                .filter(|_| self.measures(Measure::Quality))
                .map(|features| features.note().network.hidden as u64),
            draws_data: is_drawn && self.needs_data(),
        };
        self.memory
            .check("the evaluation", needed.shape, &needed.held())
    }
}

/// What decides how much memory samples and images to compare them with take.
struct Needed {
    num: u64,
    shape: ImageShape,
    /// Features of a sample, where samples are judged.
    features: Option<u64>,
    /// Whether as many test images are drawn.
    draws_data: bool,
}

impl Needed {
    fn held(&self) -> Vec<Held> {
        let images = Held::of_images(NUM, self.num, self.shape, 1);
        let mut held = Vec::new();
        if let Some(features) = self.features {
            let others = LABEL.saturating_add(features.saturating_mul(F64));
            let bytes = self.num.saturating_mul(others);
            held.extend([images, Held { key: NUM, bytes }]);
        }
        if self.draws_data {
            held.push(images);
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_held_with_their_features_and_with_as_many_images_that_are_drawn() {
        let bytes = |features, draws_data| -> u64 {
            let needed = Needed {
                num: 10,
                shape: ImageShape::new(1, 28, 28),
                features,
                draws_data,
            };
            let bytes = needed.held().into_iter().map(|held| held.bytes);
            bytes.fold(0, u64::saturating_add)
        };
        assert_eq!(bytes(None, false), 0);
        assert_eq!(bytes(None, true), 7840);
        assert_eq!(bytes(Some(64), false), 7840 + 10 * (4 + 64 * 8));
        assert_eq!(bytes(Some(64), true), 2 * 7840 + 10 * (4 + 64 * 8));
        assert!(bytes(Some(u64::MAX / 16), false) > 1 << 60);
    }
}
