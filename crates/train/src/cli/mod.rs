//! Offer the library on the command line, one file per subcommand.

mod bench;
mod completions;
mod data;
mod devices;
mod energy;
mod export;
mod import;
mod presets;
mod sample;
mod train;
mod trained;

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::{ArgAction, Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::Config;
use crate::data::Dataset;
use crate::device::DeviceChoice;
use crate::preset;

/// Train deep energy-based models on images and sample from them.
///
/// stdout carries results, stderr progress and log. Exit code 0: done, 1: an error, 2: a wrong
/// command line, 130: interrupted after a checkpoint.
#[derive(Debug, Parser)]
#[command(name = "ebm", version, propagate_version = true)]
pub struct Cli {
    /// Log more (-v debug, -vv trace); RUST_LOG has precedence
    #[arg(short, long, action = ArgAction::Count, global = true)]
    verbose: u8,

    /// Show errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(train::TrainArgs),
    Sample(sample::SampleArgs),
    Energy(energy::EnergyArgs),
    Export(export::ExportArgs),
    Import(import::ImportArgs),
    Data(data::DataArgs),
    Bench(bench::BenchArgs),
    Devices(devices::DevicesArgs),
    Presets(presets::PresetsArgs),
    Completions(completions::CompletionsArgs),
}

impl Cli {
    /// Send the log to stderr, as verbose as asked for.
    pub fn start_logging(&self) {
        let level = match (self.quiet, self.verbose) {
            (true, _) => "error",
            (false, 0) => "warn,ebm_train=info",
            (false, 1) => "info,ebm_train=debug,ebm_langevin=debug",
            (false, _) => "debug,ebm_train=trace,ebm_langevin=trace",
        };
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .without_time()
            .init();
    }

    /// Run the subcommand.
    ///
    /// # Errors
    /// What stopped it, for people.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.command {
            Command::Train(args) => args.run(self.quiet),
            Command::Sample(args) => args.run(),
            Command::Energy(args) => args.run(),
            Command::Export(args) => args.run(),
            Command::Import(args) => args.run(),
            Command::Data(args) => args.run(),
            Command::Bench(args) => args.run(),
            Command::Devices(args) => args.run(),
            Command::Presets(args) => args.run(),
            Command::Completions(args) => args.run(),
        }
    }
}

/// Write results to stdout; that nobody reads them any more is no panic.
fn say(results: impl Display) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{results}")?;
    stdout.flush()
}

/// Tell how many pictures `--skip-bad` left out, and which.
fn report_skipped(dataset: &Dataset) {
    if !dataset.skipped.is_empty() {
        tracing::warn!(
            "left out {} pictures that cannot be decoded",
            dataset.skipped.len()
        );
    }
    for path in &dataset.skipped {
        tracing::debug!("left out {}", path.display());
    }
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// Refuse a file whose name does not say what will be in it.
fn require_extension(flag: &str, path: &Path, extensions: &[&str]) -> anyhow::Result<()> {
    if extensions
        .iter()
        .any(|extension| has_extension(path, extension))
    {
        return Ok(());
    }
    let names = extensions.join(" or .");
    bail!("{flag} {}: name a .{names} file", path.display())
}

/// What determines a configuration, shared by the commands that need one.
#[derive(Args, Debug)]
struct ConfigArgs {
    /// Recipe to start from; `ebm presets` lists them
    #[arg(long, value_name = "NAME", default_value = preset::DEFAULT)]
    preset: String,

    /// TOML file with keys that replace the preset's
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Replace one key, for example langevin.num_steps=40; `none` removes an optional one
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    #[command(flatten)]
    data: DataFlags,
}

/// Flags that stand for keys of `[data]`.
#[derive(Args, Debug)]
struct DataFlags {
    /// Data set: digits or shapes (both embedded), mnist, fashion-mnist, cifar10, cifar100 or folder
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,

    /// Folder with the data set's files, or its archive
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Side to which pictures are cropped and resized
    #[arg(long, value_name = "PIXELS")]
    image_size: Option<usize>,

    /// 1 for grey, 3 for colour
    #[arg(long, value_name = "N")]
    channels: Option<usize>,

    /// Leave out pictures that cannot be decoded
    #[arg(long)]
    skip_bad: bool,
}

impl DataFlags {
    fn overrides(&self) -> Vec<String> {
        let dir = self.data_dir.as_ref().map(|dir| {
            let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.clone());
            toml::Value::String(dir.display().to_string())
        });
        [
            self.dataset
                .as_ref()
                .map(|name| format!("data.dataset={name}")),
            dir.map(|dir| format!("data.dir={dir}")),
            self.image_size
                .map(|size| format!("data.image_size={size}")),
            self.channels
                .map(|channels| format!("data.channels={channels}")),
            self.skip_bad.then(|| "data.skip_bad=true".to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl ConfigArgs {
    /// The configuration, `extra` overrides last.
    fn resolve(&self, extra: Vec<String>) -> anyhow::Result<Config> {
        let mut overrides = self.overrides.clone();
        overrides.extend(self.data.overrides());
        overrides.extend(extra);
        Ok(Config::resolve(
            &self.preset,
            self.config.as_deref(),
            &overrides,
        )?)
    }
}

/// Where to compute.
#[derive(Args, Debug)]
struct DeviceArgs {
    /// auto, cpu, ndarray, wgpu[:N] or vulkan[:N]; `ebm devices` lists what is there
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
}
