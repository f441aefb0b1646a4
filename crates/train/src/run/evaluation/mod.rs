//! Judge fresh samples while a run goes on, and remember where they were nearest to the data.

#[cfg(test)]
mod tests;

use std::error::Error;
use std::time::Instant;

use ebm_langevin::labels_in_shares;
use ebm_model::EnergyModel;

use super::metrics::Metrics;
use super::training::Run;
use crate::error::TrainError;
use crate::state::Best;

/// Why a judge has no distance.
pub type JudgeError = Box<dyn Error + Send + Sync>;

/// Tells how far samples are from data. A run asks it every `output.evaluate_every` iterations; it has
/// the data at hand.
pub trait SampleJudge {
    /// What its distances are of, in a few words: the best checkpoint is sought among distances of one name,
    /// as others cannot be compared.
    fn name(&self) -> String;

    /// Distance of samples from data; lower is nearer.
    ///
    /// # Shapes
    /// - `samples`: bytes of `[output.evaluate_samples, channels, height, width]`
    ///
    /// # Errors
    /// Where there is none. The run logs why, counts the distance as NaN and goes on.
    fn distance(&self, samples: &[u8]) -> Result<f64, JudgeError>;
}

impl<'a> Run<'a> {
    /// Let `judge` measure fresh samples every `output.evaluate_every` iterations.
    pub fn with_judge(mut self, judge: &'a dyn SampleJudge) -> Self {
        self.judge = Some(judge);
        self
    }

    /// Refuse to train where samples are to be judged and nobody does so.
    pub(super) fn refuse_without_judge(&self) -> Result<(), TrainError> {
        match self.config.output.evaluate_every {
            every if every > 0 && self.judge.is_none() && self.team.is_first() => {
                Err(TrainError::NoJudge { every })
            }
            _ => Ok(()),
        }
    }

    /// Evaluate the model after an iteration, and add what it shows and costs to the iteration's metrics.
    pub(super) fn evaluate(&mut self, metrics: &mut Metrics) {
        let Some(judge) = self.judge else {
            return;
        };
        let start = Instant::now();
        metrics.terms.push(("frechet", self.distance(judge)));
        metrics.frechet_by = Some(judge.name());
        let seconds = start.elapsed().as_secs_f64();
        self.pace.evaluated(seconds);
        metrics.speed.evaluation_s = Some(seconds);
        metrics.speed.eta_s = self.pace.eta_s(metrics.iteration, self.config);
    }

    /// Distance of fresh samples from data; NaN where a pixel of theirs is not finite, or there is none. Their
    /// random numbers are those of samples outside training, the same at every iteration.
    fn distance(&self, judge: &dyn SampleJudge) -> f64 {
        let (data, num) = (&self.state().data, self.config.output.evaluate_samples);
        let model = self.state().ema_model();
        let labels = labels_in_shares(num, &data.class_frequencies, model.num_classes());
        // As many at a time as training has memory for.
        let at_once = self.config.micro_batch.unwrap_or(self.config.batch_size);
        let drawing = self.drawing(num);
        let Some(samples) = drawing.fresh(&model, &labels, data.shape, at_once) else {
            return f64::NAN;
        };
        judge.distance(&samples).unwrap_or_else(|error| {
            tracing::error!("the samples of an evaluation cannot be judged: {error}");
            f64::NAN
        })
    }

    /// [`is_best`](Self::is_best), as the first rank finds it, which alone has samples.
    pub(super) fn is_best_for_all(&mut self, metrics: &Metrics) -> bool {
        let team = self.team.clone();
        let is_best = team.first(|| self.is_best(metrics));
        let best = team.first(|| self.trainer.state.best.clone());
        self.trainer.state.best = best;
        is_best
    }

    /// Whether the samples of this iteration are nearer to the data than all before, which is remembered.
    pub(super) fn is_best(&mut self, metrics: &Metrics) -> bool {
        let Some(new) = self.measured(metrics) else {
            return false;
        };
        let best = &mut self.trainer.state.best;
        let is_better = new.is_better_than(best.as_ref());
        if is_better {
            *best = Some(new);
        }
        is_better
    }

    /// The distance by which checkpoints are compared, where it was measured.
    fn measured(&self, metrics: &Metrics) -> Option<Best> {
        let (iteration, output) = (metrics.iteration, &self.config.output);
        let Some(judge) = self.judge.filter(|_| output.evaluate_every > 0) else {
            let distance = metrics.term("sample_distance")?;
            return Some(Best::by_sample_distance(iteration, distance));
        };
        let (name, num, steps) = (judge.name(), output.evaluate_samples, output.sample_steps);
        Some(Best {
            iteration,
            measure: format!("frechet by {name}, {num} samples of {steps} steps"),
            distance: metrics.term("frechet")?,
        })
    }
}
