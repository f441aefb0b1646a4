//! Collect the files of a folder for the Hugging Face Hub: the model, its card, and a picture of samples.

use std::fs;

use anyhow::Context;
use ebm_apply::exchange::hub;
use ebm_apply::{Trained, Weights};

use super::card::Card;
use super::classifier::is_classifier;
use super::history::{last_metrics, newest_grid};
use super::results::findings;
use crate::trained::home;

/// The file that the Hub shows as the page of a model.
const CARD: &str = "README.md";
/// The picture on it.
pub(super) const PICTURE: &str = "samples.png";

/// The files of a trained model with these weights, by name, all of them read before any is written.
///
/// # Errors
/// Where what the run keeps cannot be read.
pub(super) fn files(
    trained: &Trained,
    weights: Weights,
) -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    let (run, done) = (home(trained), trained.state().iteration);
    let held = trained.weights(weights);
    let fingerprint = trained
        .fingerprint()
        .context("cannot read the checkpoint")?;
    // A classifier has learned nothing of what a picture of samples would show.
    let grid = newest_grid(&run, done).filter(|_| !is_classifier(trained));
    let card = Card {
        trained,
        weights: held,
        picture: grid.as_ref().map(|(iteration, _)| *iteration),
        metrics: last_metrics(&run, done)?,
        findings: findings(&run, &fingerprint, held),
    };
    let mut files = Vec::from(hub::files(trained, weights));
    files.push((CARD, card.to_markdown().into_bytes()));
    if let Some((_, path)) = grid {
        let picture = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        files.push((PICTURE, picture));
    }
    Ok(files)
}
