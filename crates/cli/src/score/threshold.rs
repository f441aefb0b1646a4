//! Say above which score a picture is unusual.

use core::fmt;

use anyhow::bail;
use ebm_apply::Trained;
use ebm_apply::evaluate::{Score as Kind, some_of};

use super::found::Score;
use super::{By, ScoreArgs};
use crate::dataset;

/// Test images from which a threshold is found, and training images for a mean, at most.
const USUAL: usize = 10_000;

/// What the run's own images say, as far as it is asked for.
#[derive(Default)]
pub(super) struct Usual {
    /// Ē; 0 where nothing depends on it.
    pub(super) mean_energy_of_training: f64,
    /// Scores of some of them, where pictures are compared with them.
    pub(super) compared: Option<Compared>,
}

/// Scores of the run's own images.
pub(super) struct Compared {
    /// Which images they are: those that the model has not learned, where there are any.
    pub(super) name: &'static str,
    pub(super) scores: Vec<f64>,
}

/// Scores of the run's own images, where something is to be compared with them.
///
/// # Errors
/// Where they cannot be read, or a threshold is to be found and there are none that the model has not learned.
pub(super) fn usual(
    args: &ScoreArgs,
    trained: &Trained,
    score: &Score<'_>,
    quiet: bool,
) -> anyhow::Result<Usual> {
    let needs_compared = args.false_alarms.is_some() || args.histogram.is_some();
    let needs_mean = args.by == By::FromMean;
    if !needs_compared && !needs_mean {
        return Ok(Usual::default());
    }
    let config = &trained.config().data;
    let data = dataset::of_run(trained, config, args.data_dir.as_deref(), quiet)?;
    let test = data.test.filter(|test| !test.is_empty());
    if args.false_alarms.is_some() && test.is_none() {
        let name = config.dataset;
        bail!(
            "the data set {name} has no test images here, and images that a model has learned say too little of those that it has not; pass --threshold"
        );
    }
    let mut usual = Usual::default();
    if needs_mean {
        let training = score(&some_of(&data.train, USUAL), "the training images")?;
        usual.mean_energy_of_training = training.mean_energy();
    }
    if needs_compared {
        let (name, images) = match &test {
            Some(test) => ("test images", test),
            None => ("training images", &data.train),
        };
        let scores = score(&some_of(images, USUAL), &format!("the {name}"))?;
        let kind = Kind::from(args.by);
        let scores = scores.values(kind, usual.mean_energy_of_training);
        usual.compared = Some(Compared { name, scores });
    }
    Ok(usual)
}

/// A score above which a picture is unusual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Threshold {
    score: f64,
    /// Usual images that are above it, of how many.
    false_alarms: Option<(usize, usize)>,
}

impl Threshold {
    /// A score that a user knows.
    pub(super) fn given(score: f64) -> Self {
        Self {
            score,
            false_alarms: None,
        }
    }

    /// The least score of usual images above which no more than this share of them are.
    ///
    /// # Errors
    /// Where there are too few of them to tell.
    pub(super) fn of(usual: &[f64], share: f64) -> anyhow::Result<Self> {
        let mut usual = usual.to_vec();
        usual.sort_by(|one, other| other.total_cmp(one));
        let allowed = (share * usual.len() as f64) as usize;
        if allowed == 0 {
            bail!(
                "--false-alarms {share}: among {} test images that is less than one; allow more, or pass --threshold",
                usual.len()
            );
        }
        let score = usual[allowed];
        let above = usual.iter().filter(|&&it| it > score).count();
        Ok(Self {
            score,
            false_alarms: Some((above, usual.len())),
        })
    }

    /// Whether a score is above it.
    pub(super) fn is_below(self, score: f64) -> bool {
        score > self.score
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.score)?;
        match self.false_alarms {
            Some((above, of)) => write!(f, ", as {above} of {of} test images are"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_share_of_usual_scores_is_above_a_threshold() {
        let scores: Vec<f64> = (0..100).map(f64::from).collect();
        let threshold = Threshold::of(&scores, 0.05).unwrap();
        assert_eq!(threshold.score, 94.0);
        assert_eq!(threshold.false_alarms, Some((5, 100)));
        assert!(threshold.is_below(94.5) && !threshold.is_below(94.0));
        assert_eq!(
            threshold.to_string(),
            "94.000000, as 5 of 100 test images are"
        );
        // Ties with the threshold are not above it.
        let ties = [1.0, 1.0, 1.0, 0.0];
        let threshold = Threshold::of(&ties, 0.5).unwrap();
        assert_eq!(threshold.false_alarms, Some((0, 4)));
    }

    #[test]
    fn a_share_of_less_than_one_image_is_refused() {
        let error = Threshold::of(&[1.0; 99], 0.01).unwrap_err().to_string();
        assert!(error.contains("among 99 test images"), "{error}");
    }
}
