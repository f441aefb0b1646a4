//! Score the run's own images, with which pictures are compared.

use anyhow::{Context, bail};
use ebm_apply::Trained;
use ebm_apply::evaluate::{Score as Kind, some_of};
use ebm_apply::score::Threshold;

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
    if args.false_alarms.is_some() && data.tests().is_none() {
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
        let (images, name) = data.tests_or_training();
        let scores = score(&some_of(images, USUAL), &format!("the {name}"))?;
        let kind = Kind::from(args.by);
        let scores = scores.values(kind, usual.mean_energy_of_training);
        usual.compared = Some(Compared { name, scores });
    }
    Ok(usual)
}

/// The threshold that is given, or found from held-out images, where one is asked for.
///
/// # Errors
/// Where there are too few of them.
pub(super) fn threshold(args: &ScoreArgs, usual: &Usual) -> anyhow::Result<Option<Threshold>> {
    if let Some(score) = args.threshold {
        return Ok(Some(Threshold::given(score)));
    }
    let (Some(compared), Some(share)) = (&usual.compared, args.false_alarms) else {
        return Ok(None);
    };
    let threshold = Threshold::of_false_alarms(&compared.scores, share);
    Ok(Some(threshold.context("--false-alarms")?))
}

/// A threshold in words.
pub(super) fn in_words(threshold: Threshold) -> String {
    let score = threshold.score();
    match threshold.false_alarms() {
        Some(found) => format!(
            "{score:.6}, as {} of {} test images are",
            found.above, found.of
        ),
        None => format!("{score:.6}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_told_with_the_test_images_above_it_where_they_gave_it() {
        let scores: Vec<f64> = (0..100).map(f64::from).collect();
        let found = Threshold::of_false_alarms(&scores, 0.05).unwrap();
        assert_eq!(in_words(found), "94.000000, as 5 of 100 test images are");
        assert_eq!(in_words(Threshold::given(0.5)), "0.500000");
    }
}
