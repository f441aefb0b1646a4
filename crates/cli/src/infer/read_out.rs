//! Say how much of the factors of `shapes` is linear in their latent vectors.

use anyhow::{Context, bail};
use ebm_apply::infer::{Explainer, linear_read_out};
use ebm_apply::{Trained, score};
use ebm_data::{DataConfig, DatasetKind, Factor, Images};
use serde_json::json;

use crate::dataset;
use crate::output::say;

/// Factors whose classes are in the order of a quantity that a latent vector could tell.
const FACTORS: [Factor; 3] = [Factor::X, Factor::Y, Factor::Size];

/// R² of each factor on test images, a line each.
pub(super) fn say_all(
    trained: &Trained,
    explainer: &Explainer,
    num: usize,
    json: bool,
    quiet: bool,
) -> anyhow::Result<()> {
    let data = &trained.config().data;
    if data.dataset != DatasetKind::Shapes {
        bail!(
            "--read-out: the factors of {} are not known; it is for runs on data.dataset=shapes",
            data.dataset
        );
    }
    let mut latents = None;
    for factor in FACTORS {
        // Images are the same under any factor, and only their labels differ.
        let config = DataConfig {
            factor,
            ..data.clone()
        };
        let set = dataset::of_run(trained, &config, None, quiet)?;
        let test = set.test.filter(|test| !test.is_empty());
        let test = test.context("--read-out needs test images: data.test_images is 0")?;
        let (train, test) = (set.train.some(num), test.some(num));
        if latents.is_none() {
            let of = |images: &Images| latents_of(trained, explainer, images);
            latents = Some((of(&train)?, of(&test)?));
        }
        let (of_train, of_test) = latents.as_ref().expect("those of the first factor");
        let told = linear_read_out(
            (of_train, &quantities(&train)),
            (of_test, &quantities(&test)),
        );
        let told = told.with_context(|| format!("--read-out, {factor}"))?;
        if json {
            say(json!({ "factor": factor.to_string(), "r_squared": told }))?;
        } else {
            say(format_args!("{told:.4}\t{factor}"))?;
        }
    }
    Ok(())
}

fn quantities(images: &Images) -> Vec<f64> {
    images
        .labels
        .iter()
        .map(|&label| f64::from(label))
        .collect()
}

/// z of every image, row by row: where a descent from z = 0 ends, as there are thousands of images.
fn latents_of(
    trained: &Trained,
    explainer: &Explainer,
    images: &Images,
) -> anyhow::Result<Vec<f32>> {
    let mut latents = Vec::new();
    for x in score::chunks(&images.pixels, images.shape, trained.device()) {
        let found = explainer.explain(&x, None)?;
        latents.extend(found.latents.into_data().iter::<f32>());
    }
    Ok(latents)
}
