//! Let models with classes recognise images.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{anyhow, bail};
use ebm_apply::evaluate::{Labelled, recognise};
use ebm_apply::{Trained, UnknownClass, Weights};

use super::data::PreparedData;
use super::evaluation::{Evaluation, Recognised};
use super::kept::{kept_seconds, recognition_name};
use super::measuring::EVALUATION;
use super::{EvaluateArgs, Measure, table};
use crate::device::ChosenDevice;
use crate::progress::with_progress;
use crate::trained::home;

/// Why labelled images are not those that a model can be asked about.
const OTHER_CLASSES: &str = "the classes of the data are not those of the model";

/// Let a model recognise images, and print that as the whole evaluation of its run is printed.
///
/// # Errors
/// Where it has other classes than the images, or an energy is not finite.
pub(crate) fn say_recognition(
    trained: &Trained,
    (weights, device): (Weights, &ChosenDevice),
    labelled: Labelled<'_>,
    (as_json, quiet): (bool, bool),
) -> anyhow::Result<()> {
    if labelled.images.class_names != trained.class_names() {
        bail!(OTHER_CLASSES);
    }
    let mut evaluation = Evaluation::of(trained, weights, 0, device)?;
    evaluation.recognition = Some(recognised(&evaluation, trained, weights, labelled, quiet)?);
    table::say_all(&[evaluation], as_json)
}

/// How well and how fast a model recognises images of its classes.
fn recognised(
    evaluation: &Evaluation,
    trained: &Trained,
    weights: Weights,
    labelled: Labelled<'_>,
    quiet: bool,
) -> anyhow::Result<Recognised> {
    let (start, images) = (Instant::now(), labelled.images.len());
    let done = AtomicU64::default();
    let so_far = || done.load(Ordering::Relaxed);
    let work = || recognise(trained, weights, labelled, &done);
    let found = with_progress("recognising", images as u64, so_far, quiet, work)?;
    let seconds = start.elapsed().as_secs_f64() / images as f64;
    let name = recognition_name(evaluation, trained, images);
    Ok(Recognised {
        found,
        seconds_per_image: kept_seconds(&home(trained).join(EVALUATION).join(name), seconds),
    })
}

impl EvaluateArgs {
    /// Whether a model has the classes of the data and can be asked for them; a warning where it has others.
    ///
    /// # Errors
    /// Where it does not, and `what` was named.
    pub(super) fn can_recognise(
        &self,
        (what, name): (Measure, &str),
        trained: &Trained,
        data: &PreparedData,
    ) -> anyhow::Result<bool> {
        let has_classes = trained.num_classes() > 0;
        if !has_classes && !self.measure.contains(&what) {
            return Ok(false); // as nobody expects it
        }
        let can = if !has_classes {
            Err(UnknownClass::NoClasses.into())
        } else if data.class_names != trained.class_names() {
            Err(anyhow!(OTHER_CLASSES))
        } else {
            Ok(())
        };
        self.can_measure((what, name), trained, can)
    }

    /// How well a model with classes recognises images.
    ///
    /// # Errors
    /// Where it was named, and the model has no classes, or others than the data.
    pub(super) fn recognition(
        &self,
        evaluation: &mut Evaluation,
        trained: &Trained,
        data: &PreparedData,
        quiet: bool,
    ) -> anyhow::Result<()> {
        if !self.can_recognise((Measure::Recognition, "recognition"), trained, data)? {
            return Ok(());
        }
        let (weights, labelled) = (self.usage.weights(), data.to_recognise());
        evaluation.recognition = Some(recognised(evaluation, trained, weights, labelled, quiet)?);
        Ok(())
    }
}
