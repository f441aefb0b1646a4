//! Choose the features by which a run's samples are judged.

use std::path::Path;

use anyhow::bail;
use ebm_apply::Trained;
use ebm_apply::evaluate::{FeatureError, FeatureNetwork};
use ebm_data::DatasetKind;

use crate::typed::Mistyped;

/// File of features beside a run.
const BESIDE: &str = "features.safetensors";

/// The features that were asked for; else those beside the run; else the program's for the run's data, or for
/// images of their shape.
///
/// # Errors
/// Where there are none for such images.
pub(super) fn choose(
    asked: Option<&str>,
    run: &Path,
    trained: &Trained,
) -> anyhow::Result<FeatureNetwork> {
    if let Some(asked) = asked {
        let path = Path::new(asked);
        return Ok(if path.is_file() || path.extension().is_some() {
            FeatureNetwork::open(path)?
        } else {
            FeatureNetwork::embedded(asked).map_err(as_typed)?
        });
    }
    let beside = run.join(BESIDE);
    if beside.is_file() {
        return Ok(FeatureNetwork::open(&beside)?);
    }
    let shape = trained.shape();
    let name = match (trained.config().data.dataset, shape.dims()) {
        (DatasetKind::Digits, [1, 28, 28]) => "digits",
        (_, [1, 28, 28]) => "mnist",
        _ => bail!(
            "the program has no features of images of {shape}; train some on labelled images with `ebm features train \
             --dataset … --data-dir … --output {}`, or name a file with --features",
            beside.display()
        ),
    };
    Ok(FeatureNetwork::embedded(name)?)
}

fn as_typed(error: FeatureError) -> Mistyped {
    Mistyped(format!("--features: {error}"))
}
