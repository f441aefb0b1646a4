//! Say how good runs are, in numbers that a stranger gets again.

pub(crate) mod features;
mod table;
mod written;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueHint};
use ebm_apply::evaluate::{
    DataToJudge, FrechetError, Kept, QualityReport, Recognition, USUAL_NUMBER, judge, kept_samples,
    recognise,
};
use ebm_apply::{Init, SampleOptions, StepCounter, Trained, Weights, labels_in_shares};
use ebm_core::DeviceKind;
use ebm_data::Dataset;
use serde::Serialize;

use crate::args::positive;
use crate::dataset;
use crate::output::say;
use crate::progress::{Waiting, with_progress};
use crate::sample::{Start, step_count};
use crate::trained::UsageArgs;

/// Measure how good the samples of runs are
///
/// Draws fresh samples and compares them with the run's test images by features of a frozen classifier:
/// Fréchet and kernel distance, precision and recall, classes, nearest training images. The same command
/// gives the same numbers again. Samples are kept in RUN/evaluation, so that what was interrupted goes on.
#[derive(Args, Debug)]
pub(crate) struct EvaluateArgs {
    /// Run directories or checkpoints
    #[arg(value_name = "RUN_OR_CHECKPOINT", required = true, value_hint = ValueHint::DirPath)]
    runs: Vec<PathBuf>,

    #[command(flatten)]
    usage: UsageArgs,

    /// Samples to draw, and the most images of the data to compare them with
    #[arg(long, value_parser = positive, default_value_t = USUAL_NUMBER)]
    num: usize,

    /// Langevin steps [default: the run's output.sample_steps]
    #[arg(long, value_parser = step_count)]
    steps: Option<usize>,

    /// Where chains start; those of the buffer are at most as many as it has
    #[arg(long, value_enum, default_value_t = Start::Noise)]
    from: Start,

    /// Seed of the samples
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Features to compare by: digits, mnist or a file [default: RUN/features.safetensors, else those
    /// of the run's data or of images of its shape]
    #[arg(long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    features: Option<String>,

    /// Folder with the data set's files, where they are not in the run's own data.dir any more
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data_dir: Option<PathBuf>,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,

    /// Write report.json, index.html and pictures into this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    output: Option<PathBuf>,
}

/// What was measured of a run, and how.
#[derive(Debug, Serialize)]
struct Evaluation {
    /// The checkpoint.
    checkpoint: PathBuf,
    /// A checksum of it.
    fingerprint: String,
    iteration: u64,
    /// Which weights: `average` or `last`.
    weights: &'static str,
    /// Where chains started: `noise` or `buffer`.
    from: &'static str,
    seed: u64,
    /// Langevin steps of every chain.
    steps: usize,
    /// Seconds that drawing the samples took, whenever that was.
    seconds: f64,
    device: String,
    version: &'static str,
    quality: QualityReport,
    /// How well it recognises the images that samples are compared with, where it is given classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    recognition: Option<Recognition>,
    #[serde(skip)]
    pictures: Pictures,
}

/// What a report shows.
#[derive(Debug, Default)]
struct Pictures {
    shape: [usize; 3],
    samples: Vec<u8>,
    train: Vec<u8>,
}

impl EvaluateArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        if let Some(folder) = &self.output {
            written::check(folder)?;
        }
        let chosen = self.usage.device(quiet)?;
        let mut evaluations = Vec::new();
        for run in &self.runs {
            let trained = self.usage.open(run, &chosen)?;
            evaluations.push(self.evaluate(&trained, &chosen.description, quiet)?);
        }
        if let Some(folder) = &self.output {
            written::write(folder, &evaluations)?;
        }
        for one in &evaluations {
            for warning in &one.quality.warnings {
                tracing::warn!("{}: {warning}", one.checkpoint.display());
            }
        }
        if self.json {
            say(serde_json::to_string_pretty(&evaluations)?)?;
        } else {
            say(table::render(&evaluations))?;
        }
        if let (Some(folder), false) = (&self.output, quiet) {
            tell!("report: {}", folder.join("index.html").display());
        }
        Ok(ExitCode::SUCCESS)
    }

    fn evaluate(&self, trained: &Trained, device: &str, quiet: bool) -> anyhow::Result<Evaluation> {
        let config = trained.config();
        let run = run_dir(trained.checkpoint());
        let (asked, dataset) = (self.features.as_deref(), config.data.dataset);
        let features = features::choose(asked, &run, dataset, trained.shape())?;
        features.check(trained.shape())?;
        let data = self.data(trained, quiet)?;
        let labels = self.labels(trained);
        let judged = DataToJudge::new(&data, labels.len());
        let (images, dims) = (judged.len(), features.note().network.hidden);
        if images <= dims {
            return Err(FrechetError::TooFew { images, dims }.into());
        }
        let options = SampleOptions {
            labels,
            steps: self.steps.unwrap_or(config.output.sample_steps),
            seed: self.seed,
            init: self.from.into(),
            weights: self.usage.weights(),
            ..SampleOptions::new(trained, 1)
        };
        let fingerprint = trained.fingerprint().context("cannot read the manifest")?;
        let folder =
            run.join("evaluation")
                .join(self.samples_name(&fingerprint, trained, &options));
        let samples = self.samples(trained, &options, &folder, quiet)?;
        let waiting = Waiting::start("comparing with the data", quiet);
        let quality = judge(&features, &samples.pixels, &judged, &data.train.class_names);
        waiting.end();
        Ok(Evaluation {
            checkpoint: trained.checkpoint().to_owned(),
            fingerprint,
            iteration: trained.state().iteration,
            weights: self.weights_name(),
            from: self.from.name(),
            seed: self.seed,
            steps: options.steps,
            seconds: samples.seconds,
            device: device.to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            quality: quality?,
            recognition: self.recognition(trained, &data, quiet),
            pictures: Pictures {
                shape: trained.shape().dims(),
                samples: samples.pixels,
                train: judged.into_training(),
            },
        })
    }

    /// The run's data; of data that are drawn, as many test images as are asked for.
    fn data(&self, trained: &Trained, quiet: bool) -> anyhow::Result<Dataset> {
        let mut config = trained.config().data.clone();
        if config.dataset.is_drawn() {
            config.test_images = config.test_images.max(self.num);
        }
        dataset::of_run(trained, &config, self.data_dir.as_deref(), quiet)
    }

    /// The class of every sample: in the shares that the data have, or those of the buffer's chains.
    fn labels(&self, trained: &Trained) -> Vec<u32> {
        let state = trained.state();
        match self.from {
            Start::Noise => labels_in_shares(
                self.num,
                &state.data.class_frequencies,
                trained.num_classes(),
            ),
            Start::Buffer => {
                let buffer = &state.objective_state.buffer;
                let slots: Vec<u32> = (0..buffer.capacity() as u32).take(self.num).collect();
                buffer.labels(&slots)
            }
        }
    }

    /// How well a model with classes recognises test images, or training images where there are no others.
    fn recognition(&self, trained: &Trained, data: &Dataset, quiet: bool) -> Option<Recognition> {
        let test = data.test.as_ref().filter(|test| !test.is_empty());
        let images = test.unwrap_or(&data.train);
        if trained.num_classes() == 0 || images.class_names != trained.class_names() {
            return None;
        }
        let waiting = Waiting::start("recognising images", quiet);
        let found = recognise(trained, self.usage.weights(), images);
        waiting.end();
        Some(found)
    }

    /// What tells kept samples apart.
    fn samples_name(
        &self,
        fingerprint: &str,
        trained: &Trained,
        options: &SampleOptions,
    ) -> String {
        let device = if DeviceKind::is_cpu(trained.device()) {
            "cpu"
        } else {
            "gpu"
        };
        format!(
            "{fingerprint}-{}-{}-{}steps-seed{}-{device}-{}",
            self.weights_name(),
            self.from.name(),
            options.steps,
            options.seed,
            env!("CARGO_PKG_VERSION")
        )
    }

    fn weights_name(&self) -> &'static str {
        match self.usage.weights() {
            Weights::Average => "average",
            Weights::Last => "last",
        }
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

/// The run of a checkpoint; of one that lies elsewhere, the folder that holds it.
fn run_dir(checkpoint: &Path) -> PathBuf {
    let checkpoint = checkpoint
        .canonicalize()
        .unwrap_or_else(|_| checkpoint.to_owned());
    let folder = checkpoint.parent().unwrap_or(&checkpoint);
    match folder.parent() {
        Some(run) if folder.ends_with("checkpoints") => run.to_owned(),
        _ => folder.to_owned(),
    }
}

impl Start {
    fn name(self) -> &'static str {
        match Init::from(self) {
            Init::Noise => "noise",
            Init::Buffer => "buffer",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_lie_beside_the_checkpoints_of_a_run_and_beside_a_loose_one() {
        assert_eq!(
            run_dir(Path::new("/none/run/checkpoints/step_000002")),
            Path::new("/none/run")
        );
        assert_eq!(run_dir(Path::new("/none/step_000002")), Path::new("/none"));
    }
}
