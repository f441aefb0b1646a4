//! Take each measure of a run: draw, judge, anneal, compare.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::anyhow;
use ebm_apply::evaluate::{
    CompletionOptions, Damage, FeatureNetwork, FrechetError, Kept, Likelihood, LikelihoodOptions,
    MixingError, MixingOptions, SamplerComparison, check_completion, check_likelihood,
    check_mixing_of, compare_samplers_of, complete, completion_gradients, kept_samples, likelihood,
    likelihood_gradients, mixing_gradients_of, robustness,
};
use ebm_apply::{SampleError, SampleOptions, StepCounter, Trained, labels_in_shares};

use super::data::PreparedData;
use super::evaluation::{Evaluation, Sampling};
use super::{EvaluateArgs, Measure, features, pictures};
use crate::progress::with_progress;
use crate::sample::Start;
use crate::trained::home;
use crate::typed::Mistyped;

/// Folder of a run in which an evaluation keeps what it has computed.
pub(super) const EVALUATION: &str = "evaluation";
/// Chains by which samplers are compared.
const COMPARED_CHAINS: usize = 64;

impl EvaluateArgs {
    pub(super) fn features(&self, trained: &Trained) -> anyhow::Result<FeatureNetwork> {
        let run = home(trained);
        let (asked, dataset) = (self.features.as_deref(), trained.config().data.dataset);
        let features = features::choose(asked, &run, dataset, trained.shape())?;
        features.check(trained.shape())?;
        Ok(features)
    }

    /// Which samples are drawn, and the folder that keeps them.
    ///
    /// # Errors
    /// Where chains are to start from a buffer that is not there.
    pub(super) fn samples_to_draw(
        &self,
        trained: &Trained,
        fingerprint: &str,
        processor: &str,
    ) -> Result<(SampleOptions, PathBuf), SampleError> {
        let options = SampleOptions {
            labels: self.labels(trained)?,
            steps: self.steps.unwrap_or(trained.config().output.sample_steps),
            seed: self.seed,
            init: self.start().into(),
            weights: self.usage.weights(),
            ..SampleOptions::new(trained, 1)
        };
        let name = self.samples_name(fingerprint, trained, processor, &options);
        Ok((options, home(trained).join(EVALUATION).join(name)))
    }

    /// How many samples are compared with as many images of the data.
    ///
    /// # Errors
    /// Where they are too few for so many features, or there are none.
    pub(super) fn num_compared(
        &self,
        trained: &Trained,
        features: &FeatureNetwork,
        data: &PreparedData,
    ) -> anyhow::Result<usize> {
        let dims = features.note().network.hidden;
        let images = data.to_judge().len().min(self.labels(trained)?.len());
        if images <= dims {
            return Err(FrechetError::TooFew { images, dims }.into());
        }
        Ok(images)
    }

    /// Draw samples and judge them.
    pub(super) fn judge(
        &self,
        evaluation: &mut Evaluation,
        trained: &Trained,
        features: &FeatureNetwork,
        data: &PreparedData,
        quiet: bool,
    ) -> anyhow::Result<()> {
        let images = self.num_compared(trained, features, data)?;
        let Evaluation {
            fingerprint,
            processor,
            ..
        } = &*evaluation;
        let (options, folder) = self.samples_to_draw(trained, fingerprint, processor)?;
        let samples = self.samples(trained, &options, &folder, quiet)?;
        let (done, total) = (AtomicU64::default(), data.work(features, images));
        let so_far = || done.load(Ordering::Relaxed);
        let compare = || {
            let reference = data.reference(features, images, &done)?;
            reference.judge(features, &samples.pixels, &data.class_names, &done)
        };
        let report = with_progress("comparing with the data", total, so_far, quiet, compare)?;
        let shape = trained.shape().dims();
        evaluation
            .pictures
            .push(pictures::samples(&samples.pixels, shape));
        let training = data.to_judge().training();
        let neighbors = pictures::neighbors(&report, &samples.pixels, training, shape);
        evaluation.pictures.push(neighbors);
        evaluation.quality = Some(report);
        evaluation.samples = Some(Sampling {
            from: self.start().name(),
            steps: options.steps,
            seconds: samples.seconds,
        });
        Ok(())
    }

    pub(super) fn likelihood_options(&self) -> LikelihoodOptions {
        let usual = LikelihoodOptions::default();
        LikelihoodOptions {
            chains: self.annealing_chains.unwrap_or(usual.chains),
            temperatures: self.annealing_steps.unwrap_or(usual.temperatures),
            temperature: self.temperature,
            seed: self.seed,
            ..usual
        }
    }

    /// How likely held-out images are; nothing, with a warning, where all was asked for and the model has no density.
    pub(super) fn likelihood(
        &self,
        trained: &Trained,
        data: &PreparedData,
        quiet: bool,
    ) -> anyhow::Result<Option<Likelihood>> {
        if let Err(error) = check_likelihood(trained) {
            if self.measure.contains(&Measure::Likelihood) {
                return Err(error.into());
            }
            let checkpoint = trained.checkpoint().display();
            tracing::warn!("{checkpoint}: the likelihood is left out: {error}");
            return Ok(None);
        }
        let options = self.likelihood_options();
        let (counter, total) = (StepCounter::default(), likelihood_gradients(&options));
        let (taken, judged) = (counter.clone(), data.to_judge());
        let work = || likelihood(trained, self.usage.weights(), judged, &options, counter);
        let found = with_progress("annealing", total, || taken.gradients(), quiet, work)?;
        Ok(Some(found))
    }

    fn mixing_options(&self) -> MixingOptions {
        let usual = MixingOptions::default();
        MixingOptions {
            gradients: self.sampler_gradients.unwrap_or(usual.gradients),
            seed: self.seed,
        }
    }

    /// How samplers compare; nothing, with a warning, where all was asked for and they cannot be.
    pub(super) fn samplers(
        &self,
        trained: &Trained,
        quiet: bool,
    ) -> anyhow::Result<Option<SamplerComparison>> {
        let options = self.mixing_options();
        if let Err(error) = check_mixing_of(trained, options) {
            let has_none = [MixingError::NoDensity, MixingError::OfLatents].contains(&error);
            if self.measure.contains(&Measure::Samplers) || !has_none {
                return Err(error.into());
            }
            tracing::warn!(
                "{}: samplers are left out: {error}",
                trained.checkpoint().display()
            );
            return Ok(None);
        }
        let counter = StepCounter::default();
        let total = mixing_gradients_of(trained, COMPARED_CHAINS, options);
        let work = || {
            let weights = self.usage.weights();
            compare_samplers_of(trained, weights, COMPARED_CHAINS, options, &counter)
        };
        let taken = || counter.gradients();
        let found = with_progress("comparing samplers", total, taken, quiet, work)?;
        Ok(Some(found))
    }

    /// The class of every sample: in the shares that the data have, or those of the buffer's chains.
    ///
    /// # Errors
    /// Where there is no buffer.
    fn labels(&self, trained: &Trained) -> Result<Vec<u32>, SampleError> {
        Ok(match self.start() {
            Start::Noise => labels_in_shares(
                self.num,
                &trained.state().data.class_frequencies,
                trained.num_classes(),
            ),
            Start::Buffer => {
                let buffer = &trained.chains()?.buffer;
                let slots: Vec<u32> = (0..buffer.capacity() as u32).take(self.num).collect();
                buffer.labels(&slots)
            }
        })
    }

    /// How well a model with classes recognises damaged images.
    ///
    /// # Errors
    /// As [`Self::recognition`].
    pub(super) fn robustness(
        &self,
        evaluation: &mut Evaluation,
        trained: &Trained,
        data: &PreparedData,
        quiet: bool,
    ) -> anyhow::Result<()> {
        if !self.can_recognise((Measure::Robustness, "robustness"), trained, data)? {
            return Ok(());
        }
        let (weights, images) = (self.usage.weights(), data.to_recognise());
        let total = Damage::ALL.len() * images.images.len();
        let done = AtomicU64::default();
        let so_far = || done.load(Ordering::Relaxed);
        let work = || robustness(trained, weights, images, &done);
        let message = "recognising damaged images";
        let found = with_progress(message, total as u64, so_far, quiet, work)?;
        evaluation
            .pictures
            .push(pictures::damaged(&found, data.labelled()));
        evaluation.robustness = Some(found.report);
        Ok(())
    }

    /// Whether a model can complete held-out images and features read them; a warning where not.
    ///
    /// # Errors
    /// Where they cannot, and completion was named.
    pub(super) fn can_complete(
        &self,
        trained: &Trained,
        features: &FeatureNetwork,
        data: &PreparedData,
    ) -> anyhow::Result<bool> {
        let is_named = self.measure.contains(&Measure::Completion);
        if is_named
            && trained.is_denoiser()
            && self.steps.is_some()
            && !self.measures(Measure::Quality)
        {
            let problem = "--steps: a model that has learned to denoise completes by draws, of as many steps as they need";
            return Err(Mistyped(problem.to_owned()).into());
        }
        let can = match data.tests() {
            Some(_) => {
                check_completion(trained, features, &data.class_names).map_err(anyhow::Error::from)
            }
            None => Err(anyhow!("there are no test images")),
        };
        self.can_measure((Measure::Completion, "completion"), trained, can)
    }

    /// Whether a run can be measured so; a warning where not.
    ///
    /// # Errors
    /// Where it cannot, and `what` was named.
    pub(super) fn can_measure(
        &self,
        (what, name): (Measure, &str),
        trained: &Trained,
        can: anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        match can {
            Ok(()) => Ok(true),
            Err(error) if self.measure.contains(&what) => {
                Err(error.context(format!("--measure {name}")))
            }
            Err(error) => {
                let checkpoint = trained.checkpoint().display();
                tracing::warn!("{checkpoint}: {name} is left out: {error}");
                Ok(false)
            }
        }
    }

    /// How a model completes held-out images, where it can.
    pub(super) fn completion(
        &self,
        evaluation: &mut Evaluation,
        trained: &Trained,
        features: &FeatureNetwork,
        data: &PreparedData,
        quiet: bool,
    ) -> anyhow::Result<()> {
        if !self.can_complete(trained, features, data)? {
            return Ok(());
        }
        let images = data.labelled().some(self.num);
        let options = CompletionOptions {
            steps: self.steps.unwrap_or(trained.config().output.sample_steps),
            seed: self.seed,
        };
        let (counter, model) = (StepCounter::default(), (trained, self.usage.weights()));
        let total = completion_gradients(trained, images.len(), options);
        let work = || {
            let training = data.to_judge().training();
            complete(model, features, &images, training, options, &counter)
        };
        let found = with_progress("completing", total, || counter.gradients(), quiet, work)?;
        evaluation
            .pictures
            .push(pictures::completed(&found, &images));
        evaluation.completion = Some(found.report);
        Ok(())
    }

    pub(super) fn weights_name(&self, trained: &Trained) -> &'static str {
        trained.weights(self.usage.weights()).name()
    }

    fn samples(
        &self,
        trained: &Trained,
        options: &SampleOptions,
        folder: &Path,
        quiet: bool,
    ) -> anyhow::Result<Kept> {
        let counter = StepCounter::default();
        let (total, taken) = (options.num_gradients(), counter.clone());
        let draw = || kept_samples(trained, options, folder, &counter);
        Ok(with_progress(
            "sampling",
            total,
            || taken.gradients(),
            quiet,
            draw,
        )?)
    }
}
