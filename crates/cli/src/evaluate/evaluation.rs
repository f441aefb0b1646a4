//! Hold what was measured of a run, as a report has it.

use std::path::PathBuf;

use anyhow::Context;
use ebm_apply::evaluate::{
    Completion, Likelihood, OutOfDistribution, QualityReport, Recognition, Robustness,
    SamplerComparison,
};
use ebm_apply::{Trained, Weights};
use serde::Serialize;

use super::pictures::Picture;
use crate::device::ChosenDevice;

/// What was measured of a run, and how.
#[derive(Debug, Serialize)]
pub(super) struct Evaluation {
    /// The checkpoint.
    pub(super) checkpoint: PathBuf,
    /// A checksum of it.
    pub(super) fingerprint: String,
    pub(super) iteration: u64,
    /// Which weights: `average` or `last`.
    pub(super) weights: &'static str,
    pub(super) seed: u64,
    pub(super) device: String,
    /// What decides the bits of these numbers, beside the program: the processor behind the device.
    pub(super) processor: String,
    pub(super) version: &'static str,
    /// How its samples were drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) samples: Option<Sampling>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quality: Option<QualityReport>,
    /// How well it recognises images, where it is given classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recognition: Option<Recognised>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) robustness: Option<Robustness>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) completion: Option<Completion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) out_of_distribution: Option<OutOfDistribution>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) likelihood: Option<Likelihood>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) samplers: Option<SamplerComparison>,
    /// What its page shows.
    #[serde(skip)]
    pub(super) pictures: Vec<Picture>,
}

/// How samples were drawn.
#[derive(Debug, Serialize)]
pub(super) struct Sampling {
    /// Where chains started: `noise` or `buffer`.
    pub(super) from: &'static str,
    /// Langevin steps of every chain.
    pub(super) steps: usize,
    /// Seconds that drawing them took, whenever that was.
    pub(super) seconds: f64,
}

/// How well a run recognises images, and how fast.
#[derive(Debug, Serialize)]
pub(super) struct Recognised {
    #[serde(flatten)]
    pub(super) found: Recognition,
    /// Seconds an image, when they were first measured.
    pub(super) seconds_per_image: f64,
}

impl Evaluation {
    /// Of a run with these of its weights, with nothing measured yet.
    ///
    /// # Errors
    /// Where its checkpoint cannot be read.
    pub(super) fn of(
        trained: &Trained,
        weights: Weights,
        seed: u64,
        device: &ChosenDevice,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            checkpoint: trained.checkpoint().to_owned(),
            fingerprint: trained
                .fingerprint()
                .context("cannot read the checkpoint")?,
            iteration: trained.state().iteration,
            weights: trained.weights(weights).name(),
            seed,
            device: device.description.clone(),
            processor: device.processor(),
            version: env!("CARGO_PKG_VERSION"),
            samples: None,
            quality: None,
            recognition: None,
            robustness: None,
            completion: None,
            out_of_distribution: None,
            likelihood: None,
            samplers: None,
            pictures: Vec::new(),
        })
    }

    /// What to know before its numbers are believed.
    pub(super) fn warnings(&self) -> impl Iterator<Item = &String> {
        let of_quality = self.quality.iter().flat_map(|quality| &quality.warnings);
        let of_likelihood = self.likelihood.iter().flat_map(|found| &found.warnings);
        let of_samplers = self.samplers.iter().flat_map(|found| &found.warnings);
        let of_anomalies = self
            .out_of_distribution
            .iter()
            .flat_map(|found| &found.warnings);
        of_quality
            .chain(of_anomalies)
            .chain(of_likelihood)
            .chain(of_samplers)
    }
}
