//! Say at the end of a run whether its samples came near the data.

use ebm_train::{Observer, ObserverError, StepReport};

/// Share of the distance of noise from the data beyond which samples do not look like the data.
const FAR: f64 = 0.3;

/// Remembers the last measured distance of samples.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    distance: Option<f64>,
}

impl Verdict {
    /// Warn of samples that are far from the data.
    pub(crate) fn say(&self) {
        // Samples that are not finite are far, too.
        if let Some(distance) = self
            .distance
            .filter(|distance| distance.is_nan() || *distance > FAR)
        {
            tracing::warn!(
                "the samples do not look like the data yet (sample-distance {distance:.2}, where 0 is as close as \
                 other data and 1 as far as noise): look at the pictures; the documentation's page \
                 troubleshooting.md says which key mends what"
            );
        }
    }
}

impl Observer for Verdict {
    fn on_step(&mut self, report: &StepReport<'_>) -> Result<(), ObserverError> {
        let measured = report
            .metrics
            .and_then(|metrics| metrics.term("sample_distance"));
        self.distance = measured.or(self.distance);
        Ok(())
    }
}
