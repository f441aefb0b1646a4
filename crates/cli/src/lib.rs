//! Offer the libraries on the command line, one file per subcommand.
//!
//! Reading order: `args` (arguments that commands share) → `train`, `sample`, `energy`, `denoise` (what
//! a user does) → `device`, `ranks` (where it is computed, and by how many processes) → `output`, `charts`, `tensorboard`
//! (what is written) → `live` (a page that shows a run) → `remedies`, `hints` (what to type after an error), `exit` (its
//! exit code) → `bench`.

/// Write a line to stderr, if anybody reads it: progress that nobody hears of ends no run.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod allocator;
mod args;
mod bayes;
mod bench;
mod charts;
mod choices;
mod classify;
mod completions;
mod compose;
mod config;
mod cost;
mod counted;
mod data;
mod dataset;
mod denoise;
mod device;
mod devices;
mod duration;
mod energy;
mod evaluate;
mod exit;
mod export;
mod features;
mod file_size;
mod filters;
mod hints;
mod import;
mod infer;
#[cfg(feature = "live")]
mod live;
mod memory;
mod names;
mod output;
mod pictures;
mod plot;
mod presets;
mod printable;
mod progress;
mod ranks;
mod remedies;
mod restore;
mod runs;
mod sample;
mod score;
mod signals;
mod stall;
mod tensorboard;
mod train;
mod trained;
mod typed;
mod verdict;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use ranks::{EndsOthersOnPanic, RanksArgs};

pub use allocator::keep_freed;
pub use exit::end;
pub use output::{WriteError, save_npy_f32, save_npy_u8};
pub use remedies::remedy;

/// Heading of the arguments that every command takes.
const GLOBAL: &str = "Global options";

/// Train deep energy-based models on images and use them.
///
/// stdout carries results, stderr progress and log. Exit code 0: done, 1: an error, 2: a wrong
/// command line, 3: `ebm score` found a picture unusual, 130: interrupted after a checkpoint.
#[derive(Debug, Parser)]
#[command(name = "ebm", version, propagate_version = true)]
pub struct Cli {
    /// Log more (-v debug, -vv trace); RUST_LOG has precedence
    #[arg(short, long, action = ArgAction::Count, global = true, help_heading = GLOBAL)]
    verbose: u8,

    /// Show errors only
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = GLOBAL)]
    quiet: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(train::TrainArgs),
    Sample(sample::SampleArgs),
    Compose(compose::ComposeArgs),
    Energy(energy::EnergyArgs),
    Denoise(denoise::DenoiseArgs),
    Restore(restore::RestoreArgs),
    Score(score::ScoreArgs),
    Classify(classify::ClassifyArgs),
    Evaluate(evaluate::EvaluateArgs),
    Bayes(bayes::BayesArgs),
    Features(features::FeaturesArgs),
    Filters(filters::FiltersArgs),
    Export(export::ExportArgs),
    Import(import::ImportArgs),
    Runs(runs::RunsArgs),
    Plot(plot::PlotArgs),
    #[cfg(feature = "live")]
    Live(live::LiveArgs),
    Data(data::DataArgs),
    Bench(bench::BenchArgs),
    Devices(devices::DevicesArgs),
    Presets(presets::PresetsArgs),
    Config(config::ConfigCommandArgs),
    Completions(completions::CompletionsArgs),
    Infer(infer::InferArgs),
}

/// What is logged without `-v`. A GPU's libraries warn about every shader that they try, hundreds of
/// lines before a run that succeeds; their errors are shown.
const USUAL_LOG: &str = "warn,ebm=info,wgpu_core=error,wgpu_hal=error,naga=error,cubecl=error";

impl Cli {
    /// Read the command line of this process. Where that is wrong, or asks for help, say so and end.
    pub fn of_command_line() -> Self {
        let command = hints::typed_command();
        Self::try_parse().unwrap_or_else(|error| hints::with_tip(error, &command).exit())
    }

    /// Begin to work with other ranks, where there are any and the command shares its work, and begin the log.
    ///
    /// # Errors
    /// Where they cannot work together.
    pub fn start(&self) -> anyhow::Result<()> {
        let warning = self.ranks().map_or(Ok(None), ranks::begin);
        self.start_logging();
        if let Some(warning) = warning? {
            tracing::warn!("{warning}");
        }
        Ok(())
    }

    /// How processes share the work of the subcommand; `None` where they do not.
    fn ranks(&self) -> Option<&RanksArgs> {
        match &self.command {
            Command::Train(args) => Some(&args.ranks),
            Command::Sample(args) => Some(&args.ranks),
            Command::Evaluate(args) => Some(&args.ranks),
            _ => None,
        }
    }

    /// Send the log to stderr, as verbose as asked for; of all ranks but the first, errors.
    fn start_logging(&self) {
        // A target is a prefix: `ebm` stands for the crates of this program.
        let level = match self.verbose {
            _ if ranks::quiet(self.quiet) => "error",
            0 => USUAL_LOG,
            1 => "info,ebm=debug",
            _ => "debug,ebm=trace",
        };
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .log_internal_errors(false) // nobody may read it, as under `head`
            .without_time()
            .init();
    }

    /// Run the subcommand.
    ///
    /// # Errors
    /// What stopped it; [`end`] says it, with what to type then.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let _until_return = EndsOthersOnPanic;
        let quiet = ranks::quiet(self.quiet);
        match &self.command {
            Command::Train(args) => args.run(quiet),
            Command::Sample(args) => args.run(quiet),
            Command::Compose(args) => args.run(quiet),
            Command::Energy(args) => args.run(quiet),
            Command::Denoise(args) => args.run(quiet),
            Command::Restore(args) => args.run(quiet),
            Command::Score(args) => args.run(quiet),
            Command::Classify(args) => args.run(quiet),
            Command::Evaluate(args) => args.run(quiet),
            Command::Bayes(args) => args.run(quiet),
            Command::Features(args) => args.run(quiet),
            Command::Filters(args) => args.run(quiet),
            Command::Export(args) => args.run(quiet),
            Command::Import(args) => args.run(quiet),
            Command::Runs(args) => args.run(),
            Command::Plot(args) => args.run(),
            #[cfg(feature = "live")]
            Command::Live(args) => args.run(quiet),
            Command::Data(args) => args.run(quiet),
            Command::Bench(args) => args.run(),
            Command::Devices(args) => args.run(),
            Command::Presets(args) => args.run(),
            Command::Config(args) => args.run(),
            Command::Completions(args) => args.run(),
            Command::Infer(args) => args.run(quiet),
        }
    }
}
