//! List what of a run predicts classes: its kept weights, one network, or one with dropped units.

use ebm_apply::{Ensemble, EnsembleError, Trained, Weights};

/// Networks that predict together, and what they are called.
pub(super) struct Predictor<'a> {
    pub(super) name: String,
    pub(super) ensemble: Ensemble<'a>,
    trained: &'a Trained,
}

impl Predictor<'_> {
    /// Images in some sets of bytes.
    pub(super) fn images_in(&self, sets: &[&[u8]]) -> usize {
        let pixels = self.trained.shape().pixels();
        sets.iter().map(|set| set.len() / pixels).sum()
    }
}

/// All that predicts of a run called `name`: the weights that it has kept, if any, which `must_keep` demands; one network
/// with `samples` times other units dropped, if it has learned so; and the network alone. These have `weights`, or in a run
/// that has kept some, the last ones.
///
/// # Errors
/// Where it knows no classes, has kept no weights and must, or they cannot be listed.
pub(super) fn predictors_of<'a>(
    trained: &'a Trained,
    name: &str,
    (weights, samples): (Weights, u32),
    must_keep: bool,
) -> Result<Vec<Predictor<'a>>, EnsembleError> {
    let predictor = |what: &str, ensemble| Predictor {
        name: format!("{name}, {what}"),
        ensemble,
        trained,
    };
    // An average of weights that sample a posterior is no sample of it.
    let has_kept = !trained.kept_weights()?.is_empty();
    let weights = trained.weights(if has_kept { Weights::Last } else { weights });
    // Refuses a model without classes first.
    let one = predictor("one network", Ensemble::one(trained, weights)?);
    let mut all = Vec::new();
    match Ensemble::kept(trained) {
        Err(EnsembleError::NoneKept { .. } | EnsembleError::Exported { .. }) if !must_keep => {}
        kept => all.push(predictor("posterior", kept?)),
    }
    match Ensemble::dropped(trained, weights, samples) {
        Err(EnsembleError::NoDropout { .. }) => {}
        dropped => all.push(predictor("dropout", dropped?)),
    }
    all.push(one);
    Ok(all)
}
