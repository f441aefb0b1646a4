//! Say how good runs are, in numbers that a stranger gets again.

mod anomalies;
mod charts;
mod data;
mod evaluation;
pub(crate) mod features;
mod kept;
mod measuring;
mod needed;
mod pictures;
mod recognition;
mod shared;
mod table;
mod written;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum, ValueHint};
use ebm_apply::evaluate::{
    FeatureNetwork, LikelihoodError, Sets, USUAL_NUMBER, check_likelihood, out_of_distribution,
};
use ebm_apply::{Init, Trained};
use ebm_train::Team;

use crate::args::{image_count, positive};
use crate::device::ChosenDevice;
use crate::memory::MemoryArgs;
use crate::progress::with_progress;
use crate::ranks::{self, RanksArgs};
use crate::sample::{Start, step_count};
use crate::trained::UsageArgs;
use crate::typed::Mistyped;
use data::PreparedData;
use evaluation::Evaluation;

pub(crate) use anomalies::{Against, sets as other_sets};
pub(crate) use data::Prepared;
pub(crate) use recognition::say_recognition;
pub(crate) use written::REPORT;

/// Measure how good runs are
///
/// Draws fresh samples and compares them with the run's test images by features of a frozen classifier:
/// Fréchet and kernel distance, precision and recall, classes, nearest training images. --measure names what
/// else is measured. The same command gives the same numbers again. Samples are kept in RUN/evaluation, so
/// that what was interrupted goes on. The ranks of an MPI job draw the samples of `quality` together; the first rank
/// alone does all else.
#[derive(Args, Debug)]
pub(crate) struct EvaluateArgs {
    /// Run directories, checkpoints, or folders of `ebm export --format hf`
    #[arg(value_name = "RUN_OR_CHECKPOINT", required = true, value_hint = ValueHint::DirPath)]
    runs: Vec<PathBuf>,

    #[command(flatten)]
    usage: UsageArgs,

    /// What to measure [default: quality,recognition]
    #[arg(long, value_enum, value_name = "WHAT,…", value_delimiter = ',')]
    measure: Vec<Measure>,

    /// Samples to draw, and the most images of the data to compare them with; more than 64 for quality. Recognition and
    /// robustness take all test images, and of data that are drawn at least as many as this; `ebm classify --dataset
    /// --num N` takes fewer
    #[arg(long, value_parser = image_count, default_value_t = USUAL_NUMBER)]
    num: usize,

    /// Langevin steps, of recovery at each noise level [default: the run's output.sample_steps]
    #[arg(long, value_parser = step_count)]
    steps: Option<usize>,

    /// Where chains start; those of the buffer are at most as many as it has [default: noise]
    #[arg(long, value_enum)]
    from: Option<Start>,

    /// Seed of the samples
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Features to compare by: digits, mnist, cifar10 or a file [default: RUN/features.safetensors, else those
    /// of the run's data or of images of its shape]
    #[arg(long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    features: Option<String>,

    /// Folder with the data set's files, where they are not in the run's own data.dir any more
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data_dir: Option<PathBuf>,

    /// Images to tell from the data: noise, constant, blurred, shuffled, inverted, rotated; left-out, of the
    /// classes that training was not shown; digits or shapes; NAME=DIR for another data set; or a folder of
    /// pictures [default, with --measure anomalies: the first six]
    #[arg(long, value_name = "WHAT,…", value_delimiter = ',', help_heading = ANOMALIES)]
    against: Vec<Against>,

    /// T of the density p(x) ∝ exp(−E(x)/T) [default: that at which training images are likeliest, or
    /// the lowest that chains follow]
    #[arg(long, value_name = "T", value_parser = temperature, help_heading = LIKELIHOOD)]
    temperature: Option<f64>,

    /// Inverse temperatures between uniform noise and the model [default: 1000]
    #[arg(long, value_name = "N", value_parser = step_count, help_heading = LIKELIHOOD)]
    annealing_steps: Option<usize>,

    /// Chains, in each direction [default: 256]
    #[arg(long, value_name = "N", value_parser = at_least_two, help_heading = LIKELIHOOD)]
    annealing_chains: Option<usize>,

    /// Gradients of each of 64 chains under each sampler, at least 200 [default: 4000]
    #[arg(long, value_name = "N", value_parser = gradients, help_heading = SAMPLERS)]
    sampler_gradients: Option<usize>,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,

    /// Write report.json, index.html and pictures into this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    output: Option<PathBuf>,

    #[command(flatten)]
    memory: MemoryArgs,

    #[command(flatten)]
    pub(crate) ranks: RanksArgs,
}

const ANOMALIES: &str = "Out of distribution";
const LIKELIHOOD: &str = "Likelihood";
const SAMPLERS: &str = "Samplers";

/// What is measured of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// How close samples are to data
    Quality,
    /// How well a model with classes recognises images
    Recognition,
    /// The same of damaged images: noise, hidden squares, turned
    Robustness,
    /// How often the completed lower halves of images are read as what they are
    Completion,
    /// How well its scores tell other images from the data; --against names them
    Anomalies,
    /// log Z from both sides, and bits per dimension
    Likelihood,
    /// How far the steps of training are from the density, and how MALA and HMC mix
    Samplers,
    /// All of it
    All,
}

/// A run that is to be measured.
struct Opened<'a> {
    run: &'a Path,
    trained: Trained,
    /// By which its samples are judged, where they are.
    features: Option<FeatureNetwork>,
}

impl EvaluateArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        self.refuse_idle_options()?;
        let team = Team::of_any(ranks::collective());
        if let Some(folder) = self.output.as_ref().filter(|_| team.is_first()) {
            written::check(folder)?;
        }
        let chosen = self.usage.device(quiet)?;
        // What cannot be opened or judged is refused before anything is measured.
        let opened = self.runs.iter().map(|run| {
            let trained = self.usage.open(run, &chosen)?;
            let features = if self.needs_features() {
                Some(
                    self.features(&trained)
                        .with_context(|| run.display().to_string())?,
                )
            } else {
                None
            };
            anyhow::Ok(Opened {
                run,
                trained,
                features,
            })
        });
        let opened: Vec<_> = opened.collect::<anyhow::Result<_>>()?;
        let mut prepared = Prepared::default();
        let checked = match team.is_first() {
            true => self.check(&opened, &mut prepared, quiet),
            false => Ok(()),
        };
        team.agree(checked, |rank, why| anyhow!("rank {rank}: {why}"))?;
        if team.world() > 1 {
            self.share_samples(&opened, &chosen.processor(), quiet)?;
        }
        if !team.is_first() {
            return Ok(ExitCode::SUCCESS);
        }
        self.report(&opened, &chosen, &mut prepared, quiet)
    }

    /// Refuse what cannot be measured, or takes more memory than there is, of all runs.
    fn check(
        &self,
        opened: &[Opened<'_>],
        prepared: &mut Prepared,
        quiet: bool,
    ) -> anyhow::Result<()> {
        for one in opened {
            self.check_memory(one)?;
        }
        for one in opened {
            let refused = self.refuse_what_cannot_be_measured(one, prepared, quiet);
            refused.with_context(|| one.run.display().to_string())?;
        }
        Ok(())
    }

    /// Measure all runs, and write and print the report.
    fn report(
        &self,
        opened: &[Opened<'_>],
        device: &ChosenDevice,
        prepared: &mut Prepared,
        quiet: bool,
    ) -> anyhow::Result<ExitCode> {
        let evaluations = opened.iter().map(|one| {
            let evaluated = self.evaluate(one, device, prepared, quiet);
            evaluated.with_context(|| one.run.display().to_string())
        });
        let evaluations: Vec<_> = evaluations.collect::<anyhow::Result<_>>()?;
        if let Some(folder) = &self.output {
            written::write(folder, &evaluations)?;
        }
        for one in &evaluations {
            for warning in one.warnings() {
                tracing::warn!("{}: {warning}", one.checkpoint.display());
            }
        }
        table::say_all(&evaluations, self.json)?;
        if let (Some(folder), false) = (&self.output, quiet) {
            tell!("report: {}", folder.join("index.html").display());
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Refuse options of what is not measured, which would do nothing.
    fn refuse_idle_options(&self) -> Result<(), Mistyped> {
        let of_likelihood = [
            ("--temperature", self.temperature.is_some()),
            ("--annealing-steps", self.annealing_steps.is_some()),
            ("--annealing-chains", self.annealing_chains.is_some()),
        ];
        let of_samplers = [("--sampler-gradients", self.sampler_gradients.is_some())];
        let of_chains = [
            ("--features", self.features.is_some()),
            ("--steps", self.steps.is_some()),
        ];
        let of_samples = [("--from", self.from.is_some())];
        for (is_measured, name, options) in [
            (
                self.measures(Measure::Likelihood),
                "likelihood",
                &of_likelihood[..],
            ),
            (self.measures(Measure::Samplers), "samplers", &of_samplers),
            (self.needs_features(), "quality or completion", &of_chains),
            (self.measures(Measure::Quality), "quality", &of_samples),
        ] {
            let given = options.iter().find(|(_, is_given)| *is_given);
            if let Some((flag, _)) = given.filter(|_| !is_measured) {
                let problem = format!("{flag} does nothing without --measure {name}");
                return Err(Mistyped(problem));
            }
        }
        if self.data_dir.is_some() && !self.needs_data() {
            let problem =
                "--data-dir does nothing with --measure samplers alone, which looks at no data";
            return Err(Mistyped(problem.to_owned()));
        }
        Ok(())
    }

    /// Where the chains of samples start.
    fn start(&self) -> Start {
        self.from.unwrap_or(Start::Noise)
    }

    /// Whether something is measured that needs features.
    fn needs_features(&self) -> bool {
        self.measures(Measure::Quality) || self.measures(Measure::Completion)
    }

    /// Whether something is measured.
    fn measures(&self, what: Measure) -> bool {
        let by_default = [Measure::Quality, Measure::Recognition];
        let is_named = self.measure.contains(&what) || self.measure.contains(&Measure::All);
        is_named
            || (self.measure.is_empty() && by_default.contains(&what))
            || (what == Measure::Anomalies && !self.against.is_empty())
    }

    /// Whether something is measured that needs the run's data.
    fn needs_data(&self) -> bool {
        let of_data = [
            Measure::Quality,
            Measure::Recognition,
            Measure::Robustness,
            Measure::Completion,
            Measure::Anomalies,
            Measure::Likelihood,
        ];
        of_data.iter().any(|&what| self.measures(what))
    }

    /// The run's data, where they are needed.
    fn data(
        &self,
        trained: &Trained,
        prepared: &mut Prepared,
        quiet: bool,
    ) -> anyhow::Result<Option<Rc<PreparedData>>> {
        if !self.needs_data() {
            return Ok(None);
        }
        let data = prepared.of_run(trained, self.num, self.data_dir.as_deref(), quiet)?;
        Ok(Some(data))
    }

    /// Load the data, and refuse what was named and cannot be measured, before anything is.
    fn refuse_what_cannot_be_measured(
        &self,
        one: &Opened<'_>,
        prepared: &mut Prepared,
        quiet: bool,
    ) -> anyhow::Result<()> {
        let trained = &one.trained;
        let Some(data) = self.data(trained, prepared, quiet)? else {
            return Ok(());
        };
        if self.measures(Measure::Likelihood) {
            let (chains, images) = (self.likelihood_options().chains, data.to_judge().len());
            let has_density = check_likelihood(trained);
            if self.measure.contains(&Measure::Likelihood) {
                has_density.clone()?;
            }
            if has_density.is_ok() && images < chains {
                return Err(LikelihoodError::FewImages { chains, images }.into());
            }
        }
        let named = |what: &Measure| self.measure.contains(what);
        if named(&Measure::Recognition) {
            self.can_recognise((Measure::Recognition, "recognition"), trained, &data)?;
        }
        if named(&Measure::Robustness) {
            self.can_recognise((Measure::Robustness, "robustness"), trained, &data)?;
        }
        if let Some(features) = one
            .features
            .as_ref()
            .filter(|_| named(&Measure::Completion))
        {
            self.can_complete(trained, features, &data)?;
        }
        let judging = one.features.as_ref();
        if let Some(features) = judging.filter(|_| self.measures(Measure::Quality)) {
            self.num_compared(trained, features, &data)?;
        }
        Ok(())
    }

    fn evaluate(
        &self,
        Opened {
            trained, features, ..
        }: &Opened<'_>,
        device: &ChosenDevice,
        prepared: &mut Prepared,
        quiet: bool,
    ) -> anyhow::Result<Evaluation> {
        let weights = self.usage.weights();
        let data = self.data(trained, prepared, quiet)?;
        let others = match &data {
            Some(data) if self.measures(Measure::Anomalies) => {
                anomalies::sets(&self.against, data, trained.config().seed, self.num, quiet)?
            }
            _ => Vec::new(),
        };
        let mut evaluation = Evaluation::of(trained, weights, self.seed, device)?;
        if self.measures(Measure::Samplers) {
            evaluation.samplers = self.samplers(trained, quiet)?;
        }
        let Some(data) = data else {
            return Ok(evaluation);
        };
        if let Some(features) = features
            .as_ref()
            .filter(|_| self.measures(Measure::Quality))
        {
            self.judge(&mut evaluation, trained, features, &data, quiet)?;
        }
        if self.measures(Measure::Recognition) {
            self.recognition(&mut evaluation, trained, &data, quiet)?;
        }
        if self.measures(Measure::Robustness) {
            self.robustness(&mut evaluation, trained, &data, quiet)?;
        }
        if let Some(features) = features
            .as_ref()
            .filter(|_| self.measures(Measure::Completion))
        {
            self.completion(&mut evaluation, trained, features, &data, quiet)?;
        }
        if self.measures(Measure::Anomalies) {
            let judged = data.to_judge();
            let sets = Sets {
                training: judged.some_training(),
                data: judged.held(),
                data_name: judged.held_name(),
                others: &others,
            };
            let (done, total) = (
                AtomicU64::default(),
                sets.num_bytes() / trained.shape().pixels(),
            );
            let so_far = || done.load(Ordering::Relaxed);
            let work = || out_of_distribution(trained, weights, sets, &done);
            let found = with_progress("scoring images", total as u64, so_far, quiet, work)?;
            evaluation.out_of_distribution = Some(found);
        }
        if self.measures(Measure::Likelihood) {
            evaluation.likelihood = self.likelihood(trained, &data, quiet)?;
        }
        Ok(evaluation)
    }
}

/// Read a temperature whose inverse is an f32.
fn temperature(text: &str) -> Result<f64, String> {
    let temperature: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    if (1e-30..=1e30).contains(&temperature) {
        Ok(temperature)
    } else {
        Err("must be from 1e-30 to 1e30".to_owned())
    }
}

/// Read a number of gradients of a chain.
fn gradients(text: &str) -> Result<usize, String> {
    const LEAST: usize = 200;
    const MOST: usize = 100_000_000;
    match positive(text)? {
        number if !(LEAST..=MOST).contains(&number) => {
            Err(format!("must be from {LEAST} to {MOST}"))
        }
        number => Ok(number),
    }
}

fn at_least_two(text: &str) -> Result<usize, String> {
    match positive(text)? {
        1 => Err("must be at least 2".to_owned()),
        number => Ok(number),
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
