//! Train a model, or say what training it would cost.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::Args;

use super::{ConfigArgs, DeviceArgs, report_skipped, say};
use crate::config::Config;
use crate::data::{self, Dataset};
use crate::device::Selected;
use crate::estimate;
use crate::precision::Precision;
use crate::run::{self, Outcome, RunOptions};

/// Train a model; the same command again goes on where it stopped
#[derive(Args, Debug)]
pub(super) struct TrainArgs {
    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// Updates of the weights
    #[arg(long, value_name = "N")]
    iterations: Option<usize>,

    /// Seed of every random number
    #[arg(long, value_name = "S")]
    seed: Option<u64>,

    /// Directory of the run [default: runs/<preset>, or runs/<preset>-<dataset> with another data set]
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,

    /// Go on with a run although its configuration changed
    #[arg(long)]
    force: bool,

    /// The most images a device works on at a time, where a batch does not fit its memory
    #[arg(long, value_name = "N")]
    micro_batch: Option<usize>,

    /// Numbers in which chains see the energy; weights, chains and the loss stay in f32
    #[arg(long, value_enum)]
    precision: Option<Precision>,

    /// Do not compare a GPU with the CPU, nor its memory with what the run needs, before training on it
    #[arg(long)]
    no_self_test: bool,

    /// Print the configuration and what the run would cost, from a few measured iterations
    #[arg(long)]
    dry_run: bool,
}

impl TrainArgs {
    pub(super) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        let flags = [
            self.iterations.map(|n| format!("iterations={n}")),
            self.seed.map(|seed| format!("seed={seed}")),
            self.micro_batch.map(|n| format!("micro_batch={n}")),
            self.precision
                .map(|precision| format!("precision={precision}")),
        ];
        let config = self.config.resolve(flags.into_iter().flatten().collect())?;
        let selected = self.device.device.select()?;
        if !quiet {
            eprintln!("device: {}", selected.description);
        }
        let dataset = data::load(&config.data, config.seed)?;
        report_skipped(&dataset);
        if self.dry_run {
            return dry_run(&config, &dataset, &selected);
        }
        if !quiet {
            let images = &dataset.train;
            eprintln!("data: {} images of {}", images.len(), images.shape);
        }
        let run_dir = match &self.run_dir {
            Some(dir) => dir.clone(),
            None => self.default_run_dir(&config)?,
        };
        let options = RunOptions {
            run_dir: &run_dir,
            force: self.force,
            self_test: !self.no_self_test,
            silent: quiet,
            stop: stop_on_interrupt()?,
        };
        match run::train(&config, &dataset, &selected, &options)? {
            Outcome::Finished { checkpoint } => {
                say(checkpoint.display())?;
                if !quiet {
                    let run = run_dir.display();
                    eprintln!("done; sample with: ebm sample {run} --output samples.png");
                }
                Ok(ExitCode::SUCCESS)
            }
            Outcome::Interrupted { step, checkpoint } => {
                say(checkpoint.display())?;
                eprintln!("stopped after iteration {step}; the same command goes on from there");
                Ok(ExitCode::from(130))
            }
        }
    }

    fn default_run_dir(&self, config: &Config) -> anyhow::Result<PathBuf> {
        let preset = &self.config.preset;
        let usual = Config::resolve(preset, None, &[])?.data.dataset;
        let name = match config.data.dataset {
            dataset if dataset == usual => preset.clone(),
            dataset => format!("{preset}-{dataset}"),
        };
        Ok(PathBuf::from("runs").join(name))
    }
}

fn dry_run(config: &Config, dataset: &Dataset, selected: &Selected) -> anyhow::Result<ExitCode> {
    say(config.to_toml())?;
    let estimate = estimate::measure(config, dataset, selected)?;
    say(estimate.for_people(config))?;
    Ok(ExitCode::SUCCESS)
}

/// A flag that Ctrl-C or a termination sets; the second one ends the process at once.
fn stop_on_interrupt() -> anyhow::Result<&'static AtomicBool> {
    static STOP: AtomicBool = AtomicBool::new(false);
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\nfinishing the iteration and writing a checkpoint; again to end at once");
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(&STOP)
}
