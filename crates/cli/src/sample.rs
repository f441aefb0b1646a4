//! Draw images from a trained model.

mod folder;
mod images;
mod message;
mod plan;
mod results;
mod totals;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum, ValueHint};
use ebm_apply::{BurnIn, Init, SampleOptions, StepCounter, Trained, sample_counted};
use ebm_langevin::Ladder;
use ebm_model::Precision;
use ebm_train::Config;

use crate::args::{as_typed, image_count, positive, precision_parser, warn_if_slow};
use crate::output::{check_output, check_output_or_folder, has_extension};
use crate::progress::with_progress;
use crate::trained::TrainedArgs;
use plan::Plan;
use results::Results;

/// Draw images from a trained model
#[derive(Args, Debug)]
pub(crate) struct SampleArgs {
    #[command(flatten)]
    trained: TrainedArgs,

    /// Images to draw, of each class with --class all [default: 64, or 8 of each class]
    #[arg(long, value_parser = image_count)]
    num: Option<usize>,

    /// Langevin steps, of recovery at each noise level [default: the run's output.sample_steps]
    #[arg(long, value_parser = step_count)]
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

    /// Replace a key of the run's sampler, for example langevin.temperature=0.5 or langevin.method=hmc
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    /// The samples as one picture, as an array of u8 [n, h, w, c] (.npz: with their classes), or as a folder with
    /// a picture of each
    #[arg(
        long,
        value_name = "FILE.png|FILE.npy|FILE.npz|DIR/",
        value_hint = ValueHint::AnyPath,
        default_value = "samples.png"
    )]
    output: PathBuf,

    /// Sampling steps, one row per image, of the first 10 images
    #[arg(long, value_name = "FILE.png", value_hint = ValueHint::FilePath)]
    trajectory: Option<PathBuf>,

    /// Animate sampling
    #[arg(long, value_name = "FILE.gif|FILE.apng", value_hint = ValueHint::FilePath)]
    animation: Option<PathBuf>,

    /// Floating-point precision used while sampling
    #[arg(long, value_name = "PRECISION", value_parser = precision_parser(), default_value_t)]
    precision: Precision,
}

/// Where chains start.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Start {
    /// Noise: N(½, ¼I) where a flow comes first, else uniform
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
/// A sampler counts its steps in 24 bits.
const STEPS_END: usize = 1 << 24;

/// Read a number of Langevin steps, which has to fit in 24 bits.
pub(crate) fn step_count(text: &str) -> Result<usize, String> {
    let steps = positive(text)?;
    if steps >= STEPS_END {
        return Err("must be below 2²⁴".to_owned());
    }
    Ok(steps)
}

impl SampleArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        self.check()?;
        let (trained, chosen) = self.trained.open(quiet)?;
        self.precision.check(&chosen.device)?;
        warn_if_slow(self.precision, &chosen.device);
        let config = self.config(trained.config())?;
        let burn_in = self.burn_in(trained.config(), &config);
        let is_other = config.langevin.method != trained.config().langevin.method;
        let plan = Plan::of(self, &trained)?;
        let options = self.options(&plan, config, burn_in);
        if is_other && !quiet {
            tell!("{}", message::of_method(&options));
        }
        self.draw(&trained, &plan, &options, quiet)?;
        let is_sheet = has_extension(&self.output, "png");
        if let Some(order) = plan.order(&trained).filter(|_| is_sheet && !quiet) {
            tell!("{order}");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Draw the samples, and write what was asked for.
    fn draw(
        &self,
        trained: &Trained,
        plan: &Plan,
        options: &SampleOptions,
        quiet: bool,
    ) -> anyhow::Result<()> {
        let counter = StepCounter::default();
        let (gradients, taken) = (options.num_gradients(), counter.clone());
        let mut results = Results::new(self, plan, trained)?;
        let draw = || -> anyhow::Result<()> {
            if results.needs_all_at_once() {
                return results.add(sample_counted(trained, options, counter)?);
            }
            for part in options.parts() {
                results.add(sample_counted(trained, &part, counter.clone())?)?;
            }
            Ok(())
        };
        with_progress("sampling", gradients, || taken.gradients(), quiet, draw)?;
        results.finish()
    }

    fn options(&self, plan: &Plan, config: Config, burn_in: Option<BurnIn>) -> SampleOptions {
        let steps = self.steps.unwrap_or(config.output.sample_steps);
        let ladder = config.objective.ladder();
        let all_steps = steps * ladder.as_ref().map_or(1, Ladder::num_levels);
        SampleOptions {
            labels: plan.labels.clone(),
            first_chain: 0,
            steps,
            seed: self.seed,
            init: self.init.into(),
            burn_in,
            langevin: config.langevin,
            ladder,
            precision: self.precision,
            weights: self.trained.weights(),
            trajectory_every: self.shows_trajectory().then(|| self.frame_every(all_steps)),
            then: plan.then.clone(),
        }
    }

    /// Refuse what cannot be written before a model is opened.
    fn check(&self) -> anyhow::Result<()> {
        check_output_or_folder("--output", &self.output, &["png", "npy", "npz"])?;
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

    /// The run's own steps, where chains start from noise and another method than the run's goes on: it
    /// finds the way from there slowly, if at all. A flow is a way from noise itself.
    fn burn_in(&self, of_run: &Config, config: &Config) -> Option<BurnIn> {
        let (own, asked) = (&of_run.langevin, &config.langevin);
        let goes_on = asked.method != own.method && !asked.method.is_flow();
        let is_needed = goes_on && self.init == Start::Noise;
        is_needed.then(|| BurnIn {
            langevin: own.with_flow_of(asked),
            steps: of_run.output.sample_steps,
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_fit_in_24_bits() {
        assert_eq!(step_count("16777215"), Ok(16_777_215));
        for text in ["0", "16777216"] {
            assert!(step_count(text).is_err(), "{text}");
        }
    }
}
