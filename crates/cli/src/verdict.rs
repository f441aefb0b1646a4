//! Say at the end of a run whether its samples came near the data.

/// Share of the distance of noise from the data beyond which samples do not look like the data.
const FAR: f64 = 0.3;

/// Warn of samples whose distance from the data is large, or is that of samples that are not finite.
pub(crate) fn warn_if_far(distance: Option<f64>) {
    let is_far = |distance: &f64| distance.is_nan() || *distance > FAR;
    if let Some(distance) = distance.filter(is_far) {
        tracing::warn!(
            "the samples do not look like the data yet (sample-distance {distance:.2}, where 0 is as close as \
             other data and 1 as far as noise): look at the pictures; the documentation's page \
             troubleshooting.md says which key mends what"
        );
    }
}
