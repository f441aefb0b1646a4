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
    /// Scores of images that the model has not learned.
    pub(super) held_out: Option<Vec<f64>>,
}

/// Scores of the run's own images, where something is to be compared with them.
///
/// # Errors
/// Where they cannot be read, or there are none that the model has not learned.
pub(super) fn usual(
    args: &ScoreArgs,
    trained: &Trained,
    score: &Score<'_>,
    quiet: bool,
) -> anyhow::Result<Usual> {
    let needs_held_out = args.false_alarms.is_some() || args.histogram.is_some();
    let needs_mean = args.by == By::FromMean;
    if !needs_held_out && !needs_mean {
        return Ok(Usual::default());
    }
    let config = &trained.config().data;
    let data = dataset::of_run(trained, config, args.data_dir.as_deref(), quiet)?;
    let mut usual = Usual::default();
    if needs_mean {
        let training = score(&some_of(&data.train, USUAL), "the training images")?;
        usual.mean_energy_of_training = training.mean_energy();
    }
    if needs_held_out {
        let Some(test) = data.test.filter(|test| !test.is_empty()) else {
            let name = config.dataset;
            bail!(
                "the data set {name} has no test images here, and images that a model has learned say too little of those that it has not; pass --threshold"
            );
        };
        let test = score(&some_of(&test, USUAL), "the test images")?;
        let kind = Kind::from(args.by);
        usual.held_out = Some(test.values(kind, usual.mean_energy_of_training));
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
    let (Some(held_out), Some(share)) = (&usual.held_out, args.false_alarms) else {
        return Ok(None);
    };
    let threshold = Threshold::of_false_alarms(held_out, share);
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
