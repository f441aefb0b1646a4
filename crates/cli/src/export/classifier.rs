//! Say on a model card what a classifier is, where other models have samples.

use ebm_apply::Trained;
use ebm_train::ObjectiveKind;

/// What of it may mislead.
pub(super) const LIMITATIONS: &str = "## Limitations\n\n\
    It knows the classes above and no others: an image of none of them is read as one of them all the same, often with a \
    high probability. What it says of images that are unlike the training data means little.";

/// What its commands do.
pub(super) const DOES: &str = "says which class a picture is of, and how likely that is";

/// Whether a model has learned p(y | x) and nothing of p(x).
pub(super) fn is_classifier(trained: &Trained) -> bool {
    trained.config().objective.kind == ObjectiveKind::Classification
}

/// What a classifier of `data` is.
pub(super) fn heading(trained: &Trained, data: &str) -> String {
    let sharpness = trained.config().objective.class_sharpness();
    let factor = if sharpness == 1.0 {
        String::new()
    } else {
        format!("{sharpness}·")
    };
    format!(
        "# Classifier of {data}\n\n\
         A classifier p(y | x) ∝ exp(−{factor}E(x, y)) of an image x of {} (channels × height × width), by an energy \
         E(x, y) for each class y: the lower it is, the likelier the class. Nothing of p(x) was learned, so that no images \
         are drawn from it. Trained with `ebm`, and exported by version {} of it.",
        trained.shape(),
        env!("CARGO_PKG_VERSION"),
    )
}

/// Where the other samples of the weights are, if these were sampled from their posterior.
pub(super) fn posterior(trained: &Trained) -> Option<&'static str> {
    trained.config().optimizer.method.is_sampling().then_some(
        "Its weights are one sample of their posterior. Others stay with the run, `RUN`: `ebm bayes RUN --beside DIR` \
         averages what they predict, and compares it with this model.",
    )
}
