//! Draw images from a trained model.

mod folder;
mod images;
mod message;
mod needed;
mod outputs;
mod plan;
mod results;
mod shared;
mod totals;

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use ebm_apply::{BurnIn, Init, SampleOptions, Trained};
use ebm_core::DeviceKind;
use ebm_model::Precision;
use ebm_train::Config;

use crate::args::{as_typed, image_count, positive, precision_parser, warn_if_slow};
use crate::memory::{MemoryArgs, NotEnoughMemory};
use crate::ranks::{self, RanksArgs};
use crate::trained::TrainedArgs;

pub(crate) use message::of_method;
pub(crate) use needed::Needed;
pub(crate) use outputs::Outputs;
pub(crate) use plan::Plan;
pub(crate) use results::Results;

/// Draw images from a trained model
///
/// The ranks of an MPI job draw an array or a folder of images together, 500 at a time each; the first rank alone
/// draws a single picture, a trajectory or an animation, and chains of the buffer.
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

    #[command(flatten)]
    outputs: Outputs,

    /// Floating-point precision used while sampling
    #[arg(long, value_name = "PRECISION", value_parser = precision_parser(), default_value_t)]
    precision: Precision,

    #[command(flatten)]
    memory: MemoryArgs,

    #[command(flatten)]
    pub(crate) ranks: RanksArgs,
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
        // Others would look at what the first rank has begun to write.
        if ranks::is_first() {
            self.outputs.check()?;
        }
        let (trained, chosen) = self.trained.open(quiet)?;
        self.precision.check(&chosen.device)?;
        warn_if_slow(self.precision, &chosen.device);
        let config = sampler_config(trained.config(), &self.overrides)?;
        let burn_in = burn_in(trained.config(), &config);
        let burn_in = burn_in.filter(|_| self.init == Start::Noise);
        let is_other = config.langevin.method != trained.config().langevin.method;
        if ranks::is_first() {
            self.check_memory(&trained, &config)?;
        }
        let plan = Plan::of(self, &trained)?;
        let options = self.options(&plan, config, burn_in);
        if is_other && !quiet {
            let SampleOptions {
                langevin, steps, ..
            } = &options;
            let first = options.burn_in.as_ref();
            tell!("{}", of_method(first, langevin, *steps, options.init));
        }
        shared::draw(&trained, &options, &plan, &self.outputs, quiet)?;
        let is_sheet = self.outputs.is_sheet();
        if let Some(order) = plan.order().filter(|_| is_sheet && !quiet) {
            tell!("{order}");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Refuse more samples at a time than the memory holds.
    fn check_memory(&self, trained: &Trained, config: &Config) -> Result<(), NotEnoughMemory> {
        let is_crossing = self.cross_class.is_some();
        let frames = self.outputs.num_frames(self.all_steps(config));
        let needed = Needed {
            num: Plan::num_asked(self, trained.num_classes()),
            best_of: 1,
            shape: trained.shape(),
            frames: if self.shows_trajectory() { frames } else { 0 },
            is_sheet: self.outputs.is_sheet() && !is_crossing,
            is_one_part: self.init == Start::Buffer || config.langevin.target_acceptance.is_some(),
            is_on_cpu: DeviceKind::is_cpu(trained.device()),
        };
        self.memory.check("sampling", needed.shape, &needed.held())
    }

    /// Whether states between the start and the end are kept.
    fn shows_trajectory(&self) -> bool {
        self.outputs.shows_trajectory() || self.cross_class.is_some()
    }

    fn steps(&self, config: &Config) -> usize {
        self.steps.unwrap_or(config.output.sample_steps)
    }

    /// Steps of a chain, of a ladder at all of its levels.
    fn all_steps(&self, config: &Config) -> usize {
        let levels = config.objective.ladder().map_or(1, |it| it.num_levels());
        self.steps(config) * levels
    }

    fn options(&self, plan: &Plan, config: Config, burn_in: Option<BurnIn>) -> SampleOptions {
        let (steps, all_steps) = (self.steps(&config), self.all_steps(&config));
        SampleOptions {
            labels: plan.labels.clone(),
            first_chain: 0,
            steps,
            seed: self.seed,
            init: self.init.into(),
            burn_in,
            langevin: config.langevin,
            ladder: config.objective.ladder(),
            precision: self.precision,
            weights: self.trained.weights(),
            trajectory_every: (self.shows_trajectory())
                .then(|| self.outputs.frame_every(all_steps)),
            then: plan.then.clone(),
        }
    }
}

/// The run's configuration, with the sampler that was asked for by `--set`.
pub(crate) fn sampler_config(of_run: &Config, overrides: &[String]) -> anyhow::Result<Config> {
    let config = of_run.with_sampler_overrides(overrides);
    Ok(config.map_err(|error| as_typed(error, overrides))?)
}

/// The run's own steps, where another method than the run's goes on from noise: it finds the way from there slowly,
/// if at all. A flow is a way from noise itself, and latent vectors start near where they end.
pub(crate) fn burn_in(of_run: &Config, config: &Config) -> Option<BurnIn> {
    let (own, asked) = (&of_run.langevin, &config.langevin);
    let is_other = asked.method != own.method && !asked.method.is_flow();
    let is_needed = is_other && !of_run.has_latents();
    is_needed.then(|| BurnIn {
        langevin: own.with_flow_of(asked),
        steps: of_run.output.sample_steps,
    })
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
