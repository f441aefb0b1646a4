//! Train a model, or say what training it would cost.

mod events;
mod judge;
mod watchers;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueHint};
use ebm_core::DeviceKind;
use ebm_data::{Dataset, Images};
use ebm_model::Precision;
use ebm_train::{
    Config, DataSummary, Identity, MetricsFile, NetworkName, ObjectiveKind, Outcome, Run,
    RunOptions, TrainError, absolute_dir, least_memory,
};

use crate::args::{ConfigArgs, DeviceArgs, precision_parser, warn_if_slow};
use crate::device::{self, ChosenDevice, MemoryNeed};
#[cfg(feature = "live")]
use crate::live::{FREE_PORT, Listen, Live, Watched, checkpoint_requests};
use crate::memory::MemoryArgs;
use crate::output::{Pictures, say};
use crate::progress::Progress;
use crate::ranks::{self, RanksArgs};
use crate::signals::{INTERRUPTED, stop_flag};
use crate::stall::StallWatch;
use crate::verdict::warn_if_far;
use crate::{cost, dataset};
use watchers::Watchers;

/// Train a model; the same command again goes on where it stopped
#[derive(Args, Debug)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    pub(crate) ranks: RanksArgs,

    /// Updates of the weights
    #[arg(long, value_name = "N")]
    iterations: Option<usize>,

    /// Seed of every random number
    #[arg(long, value_name = "S")]
    seed: Option<u64>,

    /// Directory of the run; one that has a run goes on with its configuration [default: runs/<preset>, or
    /// runs/<preset>-<data> with other data]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    run_dir: Option<PathBuf>,

    /// Go on with a run although its configuration changed
    #[arg(long)]
    force: bool,

    /// What happens when training diverges or collapses: end with an error, or go back to a checkpoint
    /// from before it
    #[arg(long, value_name = "WHAT", value_parser = ["stop", "rollback"])]
    on_divergence: Option<String>,

    /// Keep the checkpoint whose samples are nearest to the data, besides the newest: by frechet where
    /// output.evaluate_every is above 0, else by sample_distance
    #[arg(long)]
    keep_best: bool,

    /// The most images a device works on at a time, where a batch does not fit its memory
    #[arg(long, value_name = "N")]
    micro_batch: Option<usize>,

    /// Floating-point precision of the chains' copy of the weights; weights, chains and loss stay f32
    #[arg(long, value_name = "PRECISION", value_parser = precision_parser())]
    precision: Option<Precision>,

    /// Stop with a checkpoint a little before this time is over, as 2h or 90min: a twentieth of it, 5 s at least and 5 min
    /// at most
    #[arg(long, value_name = "TIME", value_parser = time_limit)]
    time_limit: Option<Duration>,

    /// Write event files for TensorBoard, into a folder of this run alone [default: tensorboard in the directory of
    /// the run]
    #[arg(long, value_name = "DIR", num_args = 0..=1, value_hint = ValueHint::DirPath)]
    tensorboard: Option<Option<PathBuf>>,

    /// Show the run on a page while it trains, at a port of this machine, or at an address and a port for others, who then
    /// need the token of the printed address [default: the first free port from 7300 on]
    #[cfg(feature = "live")]
    #[arg(long, value_name = "PORT|ADDRESS:PORT", num_args = 0..=1, default_missing_value = FREE_PORT)]
    live: Option<Listen>,

    /// Start on a GPU without comparing its results with the CPU's and its memory with the run's need
    #[arg(long)]
    no_self_test: bool,

    #[command(flatten)]
    memory: MemoryArgs,

    /// Print the configuration and what the run would cost, from a few measured iterations
    #[arg(long)]
    dry_run: bool,
}

/// Read a time that is above 0.
fn time_limit(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be above 0".to_owned()),
        Ok(limit) => Ok(limit),
        Err(error) => Err(format!("{error}; write it as 2h, 90min or 1h 30min")),
    }
}

impl TrainArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        let begin = Instant::now();
        let run = self.run_dir.as_deref().map(Config::of_run).transpose()?;
        let run = run.flatten();
        let config = self.config.resolve_over(run.as_ref(), self.overrides())?;
        let chosen = self.device.device.select()?;
        config.precision.check(&chosen.device)?;
        warn_if_slow(config.precision, &chosen.device);
        if !quiet {
            tell!("device: {}", chosen.description);
        }
        let data = self.load(&config, quiet)?;
        if !quiet {
            tell!("data: {}", dataset::summary(&data));
            if let Some(notice) = self.squeezed_schedule(run.as_ref(), &config)? {
                tell!("{notice}");
            }
        }
        if self.dry_run {
            if !ranks::is_first() {
                return Ok(ExitCode::SUCCESS);
            }
            let cost = cost::measure(&config, &data, &chosen, quiet)?;
            let data = dataset::summary(&data);
            say(format_args!(
                "{}\n# data: {data}\n{cost}",
                config.to_listing()
            ))?;
            return Ok(ExitCode::SUCCESS);
        }
        let dir = match &self.run_dir {
            Some(dir) => dir.clone(),
            None => self.default_run_dir(&config, &data.train)?,
        };
        let outcome = self.train(&config, &data, &chosen, &dir, begin, quiet)?;
        report(&outcome, &config, &dir, quiet)
    }

    /// The images, of which those to judge samples by must be usable, where the run has samples judged.
    fn load(&self, config: &Config, quiet: bool) -> anyhow::Result<Dataset> {
        self.memory
            .check_with_data("the run", &config.data, |shape, images| {
                least_memory(config, shape, images, ranks::part_of_machine)
            })?;
        Ok(match config.output.evaluate_every {
            0 => dataset::load_to_train(&config.data, config.seed, quiet)?,
            _ => dataset::load_to_measure(&config.data, config.seed, quiet)?,
        })
    }

    /// The keys that the flags of this command set.
    fn overrides(&self) -> Vec<String> {
        let flags = [
            self.iterations.map(|n| format!("iterations={n}")),
            self.seed.map(|seed| format!("seed={seed}")),
            self.micro_batch.map(|n| format!("micro_batch={n}")),
            self.precision
                .map(|precision| format!("precision={precision}")),
            self.on_divergence
                .as_ref()
                .map(|what| format!("on_divergence={what}")),
            self.keep_best.then(|| "output.keep_best=true".to_owned()),
        ];
        flags.into_iter().flatten().collect()
    }

    fn default_run_dir(&self, config: &Config, images: &Images) -> anyhow::Result<PathBuf> {
        let preset = self.config.preset()?;
        let usual = Config::resolve(preset, None, &[])?.data.dataset;
        let folder = config.data.dir.as_ref().and_then(|dir| dir.file_name());
        let name = match (config.data.dataset, folder) {
            (dataset, Some(folder)) if dataset.is_told_by_dir() => {
                format!("{preset}-{}", folder.to_string_lossy())
            }
            (dataset, _) if dataset == usual => preset.to_owned(),
            (dataset, _) => format!("{preset}-{dataset}"),
        };
        Ok(free_of_other_data(Path::new("runs"), &name, config, images))
    }

    /// What to say where other iterations make a learning rate fall sooner or later than the recipe has it.
    fn squeezed_schedule(
        &self,
        run: Option<&Config>,
        config: &Config,
    ) -> anyhow::Result<Option<String>> {
        let (whose, usual) = match run {
            Some(run) if self.config.preset.is_none() => ("run", run.clone()),
            _ => ("preset", Config::resolve(self.config.preset()?, None, &[])?),
        };
        let is_squeezed = config.lr.depends_on_length() && config.iterations != usual.iterations;
        Ok(is_squeezed.then(|| {
            format!(
                "lr goes through its whole schedule in {} iterations; the {whose} has {}",
                config.iterations, usual.iterations
            )
        }))
    }

    fn train(
        &self,
        config: &Config,
        data: &Dataset,
        chosen: &ChosenDevice,
        dir: &Path,
        begin: Instant,
        quiet: bool,
    ) -> anyhow::Result<Outcome> {
        let is_first = ranks::is_first();
        #[cfg(feature = "live")]
        let bound = self.live.filter(|_| is_first);
        #[cfg(feature = "live")]
        let bound = bound.map(|listen| listen.bind("--live")).transpose()?;
        let is_tested = !self.no_self_test && DeviceKind::is_gpu(&chosen.device);
        if is_tested {
            // Before anything is written.
            MemoryNeed::checked(config, &data.train, chosen, ranks::world())?;
        }
        let judge = if is_first {
            judge::of_run(config, data, dir, quiet)?
        } else {
            None
        };
        let options = RunOptions {
            dir: dir.to_owned(),
            force: self.force,
            device_name: chosen.description.clone(),
            collective: ranks::collective(),
        };
        let mut run = Run::open(config, data, &chosen.device, &options)?;
        if let Some(judge) = &judge {
            run = run.with_judge(judge);
        }
        #[cfg(feature = "live")]
        if bound.is_some() {
            run = run.with_checkpoint_requests(checkpoint_requests());
        }
        let total = config.iterations as u64;
        #[cfg(feature = "live")]
        let bound = bound.filter(|_| run.iteration() < total);
        let asked = self.tensorboard.as_ref().filter(|_| is_first);
        let event_folder = events::folder_of(asked, &run, total)?;
        let progress = Progress::new(run.iteration(), total, quiet);
        let stall = (is_first && DeviceKind::is_gpu(&chosen.device)).then(|| {
            let (device, progress) = (chosen.description.clone(), progress.clone());
            StallWatch::start(device, move |message| progress.say(message))
        });
        if is_tested {
            self_test(config, &run, data, chosen, &progress)?;
        }
        if let Some(folder) = &event_folder {
            let folder = folder.path().display();
            progress.say(&format!(
                "events go to {folder}: tensorboard --logdir {folder}"
            ));
        }
        match run.iteration() {
            0 => progress.say(&format!("new run in {}", dir.display())),
            done if done == total => {
                progress.say(&format!(
                    "all {total} iterations are done; {}",
                    how_to_go_on(config)
                ));
                #[cfg(feature = "live")]
                if self.live.is_some() {
                    progress.say(&format!(
                        "nothing trains; ebm live {} shows the run",
                        dir.display()
                    ));
                }
            }
            done => progress.say(&format!("going on after iteration {done}")),
        }
        if let Some(notice) = moved_data(dir, config) {
            progress.say(&notice);
        }
        let stop = stop_flag(quiet)?;
        if let Some(limit) = self.time_limit {
            stop_before(limit, begin, stop, quiet);
        }
        run.adopt()?;
        if !is_first {
            return Ok(run.train(&mut [], stop)?);
        }
        let metrics = open_metrics(&run)?;
        let tensorboard = event_folder.map(|folder| events::begin(folder, config, &run, &metrics));
        let tensorboard = tensorboard.transpose()?;
        #[cfg(feature = "live")]
        let live = bound.map(|bound| {
            progress.say_always(&format!("live page: {}", bound.url()));
            let watched = Watched {
                run: &run,
                config,
                device: chosen,
                dir,
                stop,
                quiet,
                elapsed_before: metrics.elapsed_before(),
            };
            Live::start(bound, watched)
        });
        let mut watchers = Watchers {
            metrics,
            progress,
            tensorboard,
            stall,
            #[cfg(feature = "live")]
            live: live.transpose()?,
            pictures: Pictures,
        };
        let outcome = run.train(&mut watchers.all(), stop);
        let distance = watchers.end(&outcome);
        let outcome = outcome?;
        if matches!(outcome, Outcome::Finished { .. }) {
            warn_if_far(distance);
        }
        Ok(outcome)
    }
}

/// The first of `name`, `name-2`, `name-3`, … in `runs` that has no run on other data than these.
fn free_of_other_data(runs: &Path, name: &str, config: &Config, images: &Images) -> PathBuf {
    let is_of_other_data = |dir: &PathBuf| match Config::of_run(dir) {
        Ok(Some(there)) => {
            let (there, here) = (there.data, &config.data);
            let [from, to] = [&there, here].map(|data| data.dir.as_deref().map(absolute_dir));
            let is_other_folder =
                here.dataset.is_told_by_dir() && from != to && !may_have_learned_from(dir, images);
            there.dataset != here.dataset || is_other_folder
        }
        _ => false, // what is wrong there is said where the run is opened
    };
    let numbered = (2..).map(|number| runs.join(format!("{name}-{number}")));
    let mut candidates = std::iter::once(runs.join(name)).chain(numbered);
    candidates
        .find(|dir| !is_of_other_data(dir))
        .unwrap_or_else(|| runs.join(name))
}

/// Whether these are the images of a run, which may have moved, or nobody can tell, as its checkpoint is damaged: that is
/// said where the run is opened.
fn may_have_learned_from(run_dir: &Path, images: &Images) -> bool {
    match Identity::of_run(run_dir) {
        Ok(Some(known)) => {
            known.num == images.len() as u64 && Some(known) == DataSummary::from(images).identity
        }
        Ok(None) => false,
        Err(_) => true,
    }
}

/// What to say where a run goes on with data that are in another place than its directory still says.
fn moved_data(run_dir: &Path, config: &Config) -> Option<String> {
    let run = Config::of_run(run_dir).ok().flatten()?;
    let [before, now] = config.moved_data(&run)?;
    Some(format!(
        "the data are now in {}; they were in {}",
        now.display(),
        before.display()
    ))
}

/// Compare the run's network on its device with the same network on the CPU.
fn self_test(
    config: &Config,
    run: &Run<'_>,
    data: &Dataset,
    chosen: &ChosenDevice,
    progress: &Progress,
) -> anyhow::Result<()> {
    let of_shard = config.batch_size / config.shards as usize;
    let batch_size = config.micro_batch.unwrap_or(of_shard).min(of_shard);
    progress.say("comparing the device with the CPU; the first time, kernels are compiled");
    let difference = device::check(&run.state().model, data.train.shape, batch_size, chosen)?;
    progress.say(&format!("the device agrees: {difference}"));
    Ok(())
}

fn open_metrics(run: &Run<'_>) -> Result<MetricsFile, TrainError> {
    let path = run.dir().metrics();
    MetricsFile::open(path.clone(), run.iteration(), &run.state().rollbacks)
        .map_err(TrainError::writing(&path))
}

/// What a run has been trained for.
enum Use {
    Samples,
    Filters,
    Classes,
    Posterior,
}

fn what_it_is_for(config: &Config) -> Use {
    match (config.model.network, config.objective.kind) {
        (NetworkName::Experts, _) => Use::Filters,
        (_, ObjectiveKind::Classification) if keeps_weights(config) => Use::Posterior,
        (_, ObjectiveKind::Classification) => Use::Classes,
        _ => Use::Samples,
    }
}

fn keeps_weights(config: &Config) -> bool {
    config.posterior.every > 0 && !config.keeps_nothing()
}

/// What to type where a run has done all its iterations and more are wanted.
fn how_to_go_on(config: &Config) -> &'static str {
    if config.lr.depends_on_length() {
        "lr has gone through its schedule: a larger --iterations with --force spreads it over all of them anew"
    } else {
        "a larger --iterations goes on"
    }
}

/// Print the last checkpoint, and say what to type next.
fn report(outcome: &Outcome, config: &Config, dir: &Path, quiet: bool) -> anyhow::Result<ExitCode> {
    match outcome {
        Outcome::Finished { checkpoint } => {
            say(checkpoint.display())?;
            if !quiet {
                let run = dir.display();
                let next = match what_it_is_for(config) {
                    Use::Samples => format!("sample with: ebm sample {run} --output samples.png"),
                    Use::Filters => {
                        format!("look at it with: ebm filters {run} --output filters.png")
                    }
                    Use::Classes => format!("recognise with: ebm classify {run} PICTURE"),
                    Use::Posterior => format!("predict with: ebm bayes {run}"),
                };
                tell!("done; {next}");
            }
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Interrupted {
            iteration,
            checkpoint,
        } => {
            say(checkpoint.display())?;
            if !quiet {
                tell!("stopped after iteration {iteration}; the same command goes on from there");
            }
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// Ask a run to stop a little before its time is over: a twentieth of it, but 5 s at least and 5 min at most.
fn stop_before(limit: Duration, begin: Instant, stop: &'static AtomicBool, quiet: bool) {
    let least = Duration::from_secs(5).min(limit / 2);
    let early = (limit / 20).clamp(least, Duration::from_mins(5).max(least));
    thread::spawn(move || {
        thread::sleep((limit - early).saturating_sub(begin.elapsed()));
        if !stop.swap(true, Ordering::Relaxed) && !quiet {
            tell!("\nthe time limit is near: finishing the iteration and writing a checkpoint");
        }
    });
}
