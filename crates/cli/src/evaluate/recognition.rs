//! Let models with classes recognise held-out images.

use std::time::Instant;

use anyhow::{Context, bail};
use ebm_apply::evaluate::{Recognition, recognise};
use ebm_apply::{ClassifyError, Trained, UnknownClass, Weights};
use ebm_data::Images;

use super::data::PreparedData;
use super::evaluation::Evaluation;
use super::{EvaluateArgs, Measure, table};

/// Why labelled images are not those that a model can be asked about.
const OTHER_CLASSES: &str = "the classes of the data are not those of the model";

/// Let a model recognise images, and print that as the whole evaluation of its run is printed.
///
/// # Errors
/// Where it has other classes than the images, or an energy is not finite.
pub(crate) fn say_recognition(
    trained: &Trained,
    (weights, device): (Weights, &str),
    images: &Images,
    (as_json, quiet): (bool, bool),
) -> anyhow::Result<()> {
    if images.class_names != trained.class_names() {
        bail!(OTHER_CLASSES);
    }
    let mut evaluation = Evaluation::of(trained, weights, 0, device)?;
    evaluation.recognition = Some(recognised(trained, weights, images, quiet)?);
    table::say_all(&[evaluation], as_json)
}

/// How well a model recognises images of its classes. How long that took is told unless `quiet`.
fn recognised(
    trained: &Trained,
    weights: Weights,
    images: &Images,
    quiet: bool,
) -> Result<Recognition, ClassifyError> {
    let start = Instant::now();
    let found = recognise(trained, weights, images)?;
    if !quiet {
        let (images, seconds) = (found.images, start.elapsed().as_secs_f64());
        let each = 1e3 * seconds / images as f64;
        tell!("recognised {images} images in {seconds:.1} s, {each:.2} ms an image");
    }
    Ok(found)
}

impl EvaluateArgs {
    /// Whether a model has the classes of the data and can be asked for them.
    ///
    /// # Errors
    /// Where it does not, and `what` was named.
    pub(super) fn can_recognise(
        &self,
        (what, name): (Measure, &str),
        trained: &Trained,
        data: &PreparedData,
    ) -> anyhow::Result<bool> {
        let is_named = self.measure.contains(&what);
        if trained.num_classes() == 0 {
            return match is_named {
                true => Err(UnknownClass::NoClasses).context(format!("--measure {name}")),
                false => Ok(false),
            };
        }
        let has_them = data.class_names == trained.class_names();
        if is_named && !has_them {
            bail!("--measure {name}: {OTHER_CLASSES}");
        }
        Ok(has_them)
    }

    /// How well a model with classes recognises held-out images.
    ///
    /// # Errors
    /// Where it was named, and the model has no classes, or others than the data.
    pub(super) fn recognition(
        &self,
        trained: &Trained,
        data: &PreparedData,
        quiet: bool,
    ) -> anyhow::Result<Option<Recognition>> {
        if !self.can_recognise((Measure::Recognition, "recognition"), trained, data)? {
            return Ok(None);
        }
        let found = recognised(trained, self.usage.weights(), data.labelled(), quiet)?;
        Ok(Some(found))
    }
}
