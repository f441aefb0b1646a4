//! Draw images from the combined energies of several runs.

mod expression;
mod report;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use burn::tensor::Tensor;
use clap::Args;
use ebm_apply::compose::{Combine, ComposeOptions, Composition, Part};
use ebm_apply::{Init, StepCounter, Trained};
use ebm_core::DeviceKind;
use ebm_model::Precision;

use crate::args::{image_count, precision_parser, warn_if_slow};
use crate::device::ChosenDevice;
use crate::memory::{MemoryArgs, NotEnoughMemory};
use crate::output::say;
use crate::progress::with_progress;
use crate::sample::{
    Needed, Outputs, Plan, Results, burn_in, of_method, sampler_config, step_count,
};
use crate::trained::UsageArgs;
use crate::typed::Mistyped;
use expression::{Expression, Term};
use report::{Drawn, Report};

/// T of a mixture where none is asked for: that of the release of Du, Li & Mordatch (2020), celeba_combine.py.
const USUAL_SHARPNESS: f64 = 100.0;

/// The most chains of all images together: far below 2³², as a chain has a number of 32 bits.
const MOST_CHAINS: usize = 100_000_000;

/// Draw images from combined energies of trained models
///
/// The energies of '2*runs/position[x 3 y 4] + runs/size[5] - 0.5*runs/shape[heart]' are added, each with its weight:
/// images are to be as all of them want (and), and not as those that are taken away want (not). With --or they are
/// mixed: images are to be as any of them wants. The runs may differ in all but the shape of their images; the sampler
/// is that of the first one. Without a class a model of classes is E(x) of all of them.
#[derive(Args, Debug)]
pub(crate) struct ComposeArgs {
    /// WEIGHT*RUN[CLASS] and others, with + or - between them, each with a space on both sides; a weight of 1 and a
    /// class may be left out
    #[arg(value_name = "EXPRESSION", allow_hyphen_values = true)]
    expression: String,

    /// The rest of the expression, where it is not quoted
    #[arg(value_name = "MORE")]
    more: Vec<String>,

    /// Mix the energies, −log(Σ w·exp(−T·E))/T, instead of adding them
    #[arg(long)]
    or: bool,

    /// T of --or: energies that differ by less than about 1/T are averaged [default: 100]
    #[arg(long, value_name = "T", requires = "or", value_parser = sharpness)]
    sharpness: Option<f64>,

    /// Images to draw [default: 64]
    #[arg(long, value_parser = image_count)]
    num: Option<usize>,

    /// Chains of each image, of which the one that ends at the least energy is drawn
    #[arg(long, value_name = "CHAINS", default_value_t = 1, value_parser = image_count, allow_negative_numbers = true)]
    best_of: usize,

    /// Langevin steps [default: the first run's output.sample_steps]
    #[arg(long, value_parser = step_count)]
    steps: Option<usize>,

    /// Seed of the samples
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Replace a key of the first run's sampler, for example langevin.step_size=100
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    #[command(flatten)]
    outputs: Outputs,

    /// Print one JSON object: files, num (images), seconds, and terms, each with its weight, its mean energy and the
    /// energies of all images
    #[arg(long)]
    json: bool,

    /// Floating-point precision used while sampling
    #[arg(long, value_name = "PRECISION", value_parser = precision_parser(), default_value_t)]
    precision: Precision,

    #[command(flatten)]
    usage: UsageArgs,

    #[command(flatten)]
    memory: MemoryArgs,
}

/// Read the T of a mixture.
fn sharpness(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(sharpness) if sharpness > 0.0 && sharpness.is_finite() => Ok(sharpness),
        _ => Err("must be a number above 0".to_owned()),
    }
}

impl ComposeArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        let expression = self.expression()?;
        self.outputs.check()?;
        let chosen = self.usage.device(quiet)?;
        let runs = self.open(&expression, &chosen)?;
        warn_if_slow(self.precision, &chosen.device);
        let parts = expression.terms.iter().map(|term| part(term, &runs));
        let parts = parts.collect::<anyhow::Result<Vec<_>>>()?;
        let composition = Composition::new(&parts, self.combine(), self.usage.weights())?;
        let composition = composition.rounded(self.precision)?;
        let plan = Plan::without_classes(self.num, composition.shape());
        self.check_chains(&plan)?;
        let options = self.options(&composition, &plan)?;
        self.check_memory(&composition, &plan, &options)?;
        if !quiet {
            self.tell(&expression, &options, composition.first());
        }
        let drawn = self.draw(&composition, &options, &plan, quiet)?;
        let report = Report::new(&expression.terms, drawn);
        if self.json {
            say(serde_json::to_string(&report)?)?;
        } else if !quiet {
            report.tell();
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What was typed, refused where its weights cannot be combined.
    fn expression(&self) -> anyhow::Result<Expression> {
        let words = std::iter::once(&self.expression).chain(&self.more);
        let text: Vec<&str> = words.map(String::as_str).collect();
        let expression: Expression = text.join(" ").parse()?;
        let weights: Vec<f64> = expression.terms.iter().map(|term| term.weight).collect();
        let checked = self.combine().check(&weights);
        checked.map_err(|error| Mistyped(format!("`{expression}`: {error}")))?;
        Ok(expression)
    }

    fn combine(&self) -> Combine {
        match self.or {
            true => Combine::Or {
                sharpness: self.sharpness.unwrap_or(USUAL_SHARPNESS),
            },
            false => Combine::And,
        }
    }

    /// Every run that is named, once.
    fn open<'a>(
        &self,
        expression: &'a Expression,
        chosen: &ChosenDevice,
    ) -> anyhow::Result<BTreeMap<&'a Path, Trained>> {
        let mut runs = BTreeMap::new();
        for term in &expression.terms {
            let run = term.run.as_path();
            if runs.contains_key(run) {
                continue;
            }
            let opened = self.usage.open(run, chosen);
            let is_joined = run.to_string_lossy().contains('+') && !run.exists();
            let opened = match is_joined {
                true => opened.context("a + between terms has a space on both sides"),
                false => opened,
            };
            runs.insert(run, opened?);
        }
        Ok(runs)
    }

    fn options(
        &self,
        composition: &Composition<'_>,
        plan: &Plan,
    ) -> anyhow::Result<ComposeOptions> {
        let of_run = composition.first().config();
        let config = sampler_config(of_run, &self.overrides)?;
        let steps = self.steps.unwrap_or(config.output.sample_steps);
        let shows_trajectory = self.outputs.shows_trajectory();
        Ok(ComposeOptions {
            best_of: self.best_of,
            steps,
            seed: self.seed,
            burn_in: burn_in(of_run, &config),
            langevin: config.langevin,
            trajectory_every: shows_trajectory.then(|| self.outputs.frame_every(steps)),
            ..ComposeOptions::new(composition, plan.num())
        })
    }

    /// Refuse more than [`MOST_CHAINS`].
    fn check_chains(&self, plan: &Plan) -> Result<(), Mistyped> {
        let (num, best_of) = (plan.num(), self.best_of);
        if num.saturating_mul(best_of) <= MOST_CHAINS {
            return Ok(());
        }
        Err(Mistyped(format!(
            "--best-of {best_of}: {num} images of {best_of} chains each take more than {MOST_CHAINS} chains; ask for \
             fewer with --num or --best-of"
        )))
    }

    /// Refuse more samples at a time than the memory holds.
    fn check_memory(
        &self,
        composition: &Composition<'_>,
        plan: &Plan,
        options: &ComposeOptions,
    ) -> Result<(), NotEnoughMemory> {
        let frames = self.outputs.num_frames(options.steps);
        let needed = Needed {
            num: plan.num() as u64,
            best_of: self.best_of as u64,
            shape: composition.shape(),
            frames: options.trajectory_every.map_or(0, |_| frames),
            is_sheet: self.outputs.is_sheet(),
            is_one_part: options.langevin.target_acceptance.is_some(),
            is_on_cpu: DeviceKind::is_cpu(composition.first().device()),
        };
        self.memory.check("sampling", needed.shape, &needed.held())
    }

    /// Say what is combined, and how chains move where it is not as in the first run.
    fn tell(&self, expression: &Expression, options: &ComposeOptions, first: &Trained) {
        match self.combine() {
            Combine::And => tell!("sum of energies: {expression}"),
            Combine::Or { sharpness } => {
                tell!("mixture of energies, sharpness {sharpness}: {expression}");
            }
        }
        let langevin = &options.langevin;
        if langevin.method != first.config().langevin.method {
            let before = options.burn_in.as_ref();
            let method = of_method(before, langevin, options.steps, Init::Noise);
            tell!("{method}");
        }
    }

    /// Draw the samples, and write what was asked for.
    fn draw(
        &self,
        composition: &Composition<'_>,
        options: &ComposeOptions,
        plan: &Plan,
        quiet: bool,
    ) -> anyhow::Result<Drawn> {
        let (start, counter) = (Instant::now(), StepCounter::default());
        let (gradients, taken) = (options.num_gradients(), counter.clone());
        let mut results = Results::new(&self.outputs, plan)?;
        let parts = match results.needs_all_at_once() {
            true => vec![options.clone()],
            false => options.parts().collect(),
        };
        let draw = || -> anyhow::Result<Vec<Vec<f32>>> {
            let mut energies = Vec::new();
            for part in &parts {
                let samples = composition.sample(part, counter.clone())?;
                add_energies(&mut energies, composition, &samples.images);
                results.add(samples)?;
            }
            Ok(energies)
        };
        let energies = with_progress("sampling", gradients, || taken.gradients(), quiet, draw)?;
        let mut files = Vec::new();
        results.finish_naming(&mut |file: &Path| {
            files.push(file.to_owned());
            // With --json stdout has the report and nothing else.
            if self.json {
                return Ok(());
            }
            say(file.display())
        })?;
        Ok(Drawn {
            files,
            seconds: start.elapsed().as_secs_f64(),
            energies,
        })
    }
}

/// A term as a part of a combined energy.
fn part<'a>(term: &Term, runs: &'a BTreeMap<&Path, Trained>) -> anyhow::Result<Part<'a>> {
    let trained = &runs[term.run.as_path()];
    let class = match &term.class {
        Some(class) => Some(trained.class(class).with_context(|| term.name())?),
        None => None,
    };
    Ok(Part {
        weight: term.weight,
        trained,
        class,
    })
}

/// Add the energies of more images, under each term by itself, to those so far.
fn add_energies(all: &mut Vec<Vec<f32>>, composition: &Composition<'_>, images: &Tensor<4>) {
    let by_term = composition.energies_by_term(images);
    all.resize(by_term.len(), Vec::new());
    for (all, energies) in all.iter_mut().zip(by_term) {
        all.extend(energies);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sharpness_is_a_finite_number_above_0() {
        assert_eq!(sharpness("0.5"), Ok(0.5));
        for text in ["0", "-1", "inf", "NaN", "sharp"] {
            assert!(sharpness(text).is_err(), "{text}");
        }
    }
}
