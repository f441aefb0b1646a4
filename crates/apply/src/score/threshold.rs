//! Say above which score an image is unusual.

use thiserror::Error;

/// A score above which an image is unusual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    score: f64,
    false_alarms: Option<FalseAlarms>,
}

/// Usual images that a threshold calls unusual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FalseAlarms {
    /// Those above it.
    pub above: usize,
    /// Of how many.
    pub of: usize,
}

/// Too few usual images for a threshold.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
#[error("among {images} usual images a share of {share} is less than one")]
pub struct FewUsual {
    /// The share of them that may be called unusual.
    pub share: f64,
    /// How many there are.
    pub images: usize,
}

impl Threshold {
    /// A score that somebody knows.
    pub fn given(score: f64) -> Self {
        Self {
            score,
            false_alarms: None,
        }
    }

    /// The least score of usual images above which no more than a share of them are, in (0, 1). These have to be images
    /// that the model has not learned, as test images are.
    ///
    /// # Errors
    /// Where the share of so few images is less than one.
    ///
    /// # Panics
    /// If the share does not lie between 0 and 1.
    pub fn of_false_alarms(usual: &[f64], share: f64) -> Result<Self, FewUsual> {
        assert!(
            share > 0.0 && share < 1.0,
            "expected a share between 0 and 1, got {share}"
        );
        let mut usual = usual.to_vec();
        usual.sort_by(|one, other| other.total_cmp(one));
        let images = usual.len();
        let allowed = (share * images as f64) as usize;
        if allowed == 0 {
            return Err(FewUsual { share, images });
        }
        let score = usual[allowed];
        let above = usual.iter().filter(|&&it| it > score).count();
        Ok(Self {
            score,
            false_alarms: Some(FalseAlarms { above, of: images }),
        })
    }

    /// The score itself, which is not unusual.
    pub fn score(self) -> f64 {
        self.score
    }

    /// How many usual images are above it, where it was found from them.
    pub fn false_alarms(self) -> Option<FalseAlarms> {
        self.false_alarms
    }

    /// Whether an image of this score is unusual.
    pub fn is_unusual(self, score: f64) -> bool {
        score > self.score
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_share_of_usual_scores_is_above_a_threshold() {
        let scores: Vec<f64> = (0..100).map(f64::from).collect();
        let threshold = Threshold::of_false_alarms(&scores, 0.05).unwrap();
        assert_eq!(threshold.score(), 94.0);
        let expected = FalseAlarms { above: 5, of: 100 };
        assert_eq!(threshold.false_alarms(), Some(expected));
        assert!(threshold.is_unusual(94.5) && !threshold.is_unusual(94.0));
        // Ties with the threshold are not above it.
        let threshold = Threshold::of_false_alarms(&[1.0, 1.0, 1.0, 0.0], 0.5).unwrap();
        let expected = FalseAlarms { above: 0, of: 4 };
        assert_eq!(threshold.false_alarms(), Some(expected));
    }

    #[test]
    fn a_share_of_less_than_one_image_is_refused() {
        let refused = Threshold::of_false_alarms(&[1.0; 99], 0.01);
        let (share, images) = (0.01, 99);
        assert_eq!(refused, Err(FewUsual { share, images }));
        assert!(Threshold::of_false_alarms(&[1.0; 100], 0.01).is_ok());
    }

    #[test]
    fn a_score_that_is_known_says_nothing_of_false_alarms() {
        let threshold = Threshold::given(-2.5);
        assert_eq!(threshold.false_alarms(), None);
        assert!(threshold.is_unusual(-2.0) && !threshold.is_unusual(-2.5));
    }
}
