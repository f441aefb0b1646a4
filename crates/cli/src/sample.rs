//! Draw images from a trained model.

mod plan;
mod results;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, ValueEnum};
use ebm_apply::{Init, SampleOptions};
use ebm_model::Precision;
use ebm_train::Config;

use crate::args::{as_typed, precision_parser};
use crate::output::check_output;
use crate::trained::TrainedArgs;
use plan::Plan;

/// Draw images from a trained model
#[derive(Args, Debug)]
pub(crate) struct SampleArgs {
    #[command(flatten)]
    trained: TrainedArgs,

    /// Images to draw, of each class with --class all [default: 64, or 8 of each class]
    #[arg(long)]
    num: Option<usize>,

    /// Langevin steps [default: the run's output.sample_steps]
    #[arg(long)]
    steps: Option<usize>,

    /// Draw one class, by name or number, or `all`: a row for each [default: the classes in turn]
    #[arg(long, value_name = "CLASS|all")]
    class: Option<String>,

    /// Draw class A, go on under class B, and draw the trajectory: a row per chain
    #[arg(long, value_name = "A:B", conflicts_with = "class")]
    cross_class: Option<String>,

    /// Where chains start
    #[arg(long, value_enum, default_value_t = Start::Noise)]
    init: Start,

    /// Seed of the samples
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Replace a key of the run's sampler, for example langevin.method=hmc
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    /// The samples as a picture, or as an array of u8 [n, h, w, c]
    #[arg(long, value_name = "FILE.png|FILE.npy", default_value = "samples.png")]
    output: PathBuf,

    /// Save the trajectory as a picture: a row per chain, from start to end
    #[arg(long, value_name = "FILE.png")]
    trajectory: Option<PathBuf>,

    /// Save the trajectory as an animation
    #[arg(long, value_name = "FILE.gif|FILE.apng")]
    animation: Option<PathBuf>,

    /// Floating-point precision of the chains' copy of the weights
    #[arg(long, value_name = "PRECISION", value_parser = precision_parser(), default_value_t)]
    precision: Precision,
}

/// Where chains start.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Start {
    /// Uniform noise
    Noise,
    /// Chains of the replay buffer
    Buffer,
}

impl From<Start> for Init {
    fn from(start: Start) -> Self {
        match start {
            Start::Noise => Self::Noise,
            Start::Buffer => Self::Buffer,
        }
    }
}

/// Columns of a trajectory picture.
const TRAJECTORY_FRAMES: usize = 12;
/// Frames of an animation.
const ANIMATION_FRAMES: usize = 60;

impl SampleArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        self.check()?;
        let (trained, chosen) = self.trained.open(quiet)?;
        self.precision.check(&chosen.device)?;
        let config = self.config(trained.config())?;
        let plan = Plan::of(self, &trained)?;
        let steps = self.steps.unwrap_or(config.output.sample_steps);
        let options = SampleOptions {
            labels: plan.labels.clone(),
            steps,
            seed: self.seed,
            init: self.init.into(),
            langevin: config.langevin,
            precision: self.precision,
            weights: self.trained.weights(),
            trajectory_every: self.shows_trajectory().then(|| self.frame_every(steps)),
            then: plan.then.clone(),
        };
        let samples = ebm_apply::sample(&trained, &options)?;
        results::write(self, samples, &plan, trained.shape())?;
        Ok(ExitCode::SUCCESS)
    }

    /// Refuse what cannot be drawn or written before a model is opened.
    fn check(&self) -> anyhow::Result<()> {
        if self.num == Some(0) {
            bail!("--num must be at least 1");
        }
        if self.steps == Some(0) {
            bail!("--steps must be at least 1");
        }
        if self.steps.is_some_and(|steps| steps >= 1 << 24) {
            bail!("--steps must be below 2²⁴");
        }
        check_output("--output", &self.output, &["png", "npy"])?;
        if let Some(path) = &self.trajectory {
            check_output("--trajectory", path, &["png"])?;
        }
        if let Some(path) = &self.animation {
            check_output("--animation", path, &["gif", "apng", "png"])?;
        }
        Ok(())
    }

    /// The run's configuration, with the sampler that was asked for.
    fn config(&self, of_run: &Config) -> anyhow::Result<Config> {
        let config = of_run.with_sampler_overrides(&self.overrides);
        Ok(config.map_err(|error| as_typed(error, &self.overrides))?)
    }

    fn shows_trajectory(&self) -> bool {
        self.trajectory.is_some() || self.animation.is_some() || self.cross_class.is_some()
    }

    /// Steps between frames.
    fn frame_every(&self, steps: usize) -> usize {
        let frames = if self.animation.is_some() {
            ANIMATION_FRAMES
        } else {
            TRAJECTORY_FRAMES - 1
        };
        steps.div_ceil(frames)
    }
}
