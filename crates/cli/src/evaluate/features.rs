//! Choose the features by which a run's samples are judged.

use std::path::Path;

use anyhow::Context;
use ebm_apply::evaluate::{FeatureError, FeatureNetwork};
use ebm_core::ImageShape;
use ebm_data::DatasetKind;

use crate::typed::Mistyped;

/// File of features beside a run.
const BESIDE: &str = "features.safetensors";

/// The features that were asked for, else those [`of_run`].
///
/// # Errors
/// Where there are none for such images.
pub(super) fn choose(
    asked: Option<&str>,
    run: &Path,
    dataset: DatasetKind,
    shape: ImageShape,
) -> anyhow::Result<FeatureNetwork> {
    let Some(asked) = asked else {
        let found = of_run(run, dataset, shape)?;
        return found
            .with_context(|| format!("{}, or name a file with --features", missing(run, shape)));
    };
    let path = Path::new(asked);
    Ok(if path.is_file() || path.extension().is_some() {
        FeatureNetwork::open(path)?
    } else {
        FeatureNetwork::embedded(asked).map_err(as_typed)?
    })
}

/// The features beside a run; else the program's for its data, or for images of their shape, where it has some.
///
/// # Errors
/// Where those beside the run cannot be used.
pub(crate) fn of_run(
    run: &Path,
    dataset: DatasetKind,
    shape: ImageShape,
) -> Result<Option<FeatureNetwork>, FeatureError> {
    let beside = run.join(BESIDE);
    if beside.is_file() {
        return FeatureNetwork::open(&beside).map(Some);
    }
    let name = match (dataset, shape.dims()) {
        (DatasetKind::Digits, [1, 28, 28]) => "digits",
        (_, [1, 28, 28]) => "mnist",
        (_, [3, 32, 32]) => "cifar10",
        _ => return Ok(None),
    };
    FeatureNetwork::embedded(name).map(Some)
}

/// What to say where there are none.
pub(crate) fn missing(run: &Path, shape: ImageShape) -> String {
    format!(
        "the program has no features of images of {shape}; train some on labelled images with `ebm features train \
         --dataset … --data-dir … --output {}`",
        run.join(BESIDE).display()
    )
}

fn as_typed(error: FeatureError) -> Mistyped {
    Mistyped(format!("--features: {error}"))
}
