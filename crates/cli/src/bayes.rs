//! Average what weights predict that were sampled from their posterior, and compare it with one network.

mod chart;
mod predictors;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail};
use clap::{Args, ValueHint};
use ebm_apply::evaluate::Damage;
use ebm_apply::{EnsembleError, Trained, measure};

use crate::args::image_count;
use crate::charts::{CHART_EXTENSIONS, save_chart};
use crate::evaluate::{Against, Prepared, other_sets};
use crate::names::distinct_names;
use crate::output::{check_output, say};
use crate::progress::with_progress;
use crate::trained::UsageArgs;
use crate::typed::Mistyped;
use predictors::{Predictor, predictors_of};
use report::{OfPredictor, OfSet, Report};

/// Average the predictions of weights that were sampled from their posterior
///
/// RUN has sampled weights by Langevin dynamics (optimizer.method = sgld or psgld) and kept some (posterior.every). Says
/// how often their mean of p(y | x) is wrong, how likely it finds the right class, how well it is calibrated, and how
/// sure it is, on test images, on the same ones turned, and on other images; and the same of one network alone.
#[derive(Args, Debug)]
pub(crate) struct BayesArgs {
    /// A run directory, or a checkpoint: weights are taken that were kept before it
    #[arg(value_name = "RUN_OR_CHECKPOINT", value_hint = ValueHint::DirPath)]
    run: PathBuf,

    #[command(flatten)]
    usage: UsageArgs,

    /// Another run on the same images, of one network, with dropout, or with kept weights; may come several times
    #[arg(long, value_name = "RUN_OR_CHECKPOINT", value_hint = ValueHint::DirPath)]
    beside: Vec<PathBuf>,

    /// How often units are dropped anew, of runs that have learned with dropout [default: 50]
    #[arg(long, value_name = "N", value_parser = sample_count)]
    dropout_samples: Option<u32>,

    /// Degrees by which test images are turned, one way or the other
    #[arg(
        long,
        value_name = "DEGREES,…",
        value_delimiter = ',',
        default_values_t = [30.0, 60.0, 90.0],
        value_parser = degrees
    )]
    turned: Vec<f64>,

    /// Other images, of no class of the run's: noise, constant, blurred, shuffled, inverted, rotated; left-out; digits or
    /// shapes; NAME=DIR for another data set; or a folder of pictures
    #[arg(long, value_name = "WHAT,…", value_delimiter = ',')]
    against: Vec<Against>,

    /// The most images of each set
    #[arg(long, value_parser = image_count, default_value_t = 10_000)]
    num: usize,

    /// Folder with the data set's files, where they are not in the run's own data.dir any more
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data_dir: Option<PathBuf>,

    /// Chart of the entropy of p(y | x): a group of bars for each set of images, with whiskers of a standard error
    #[arg(long, value_name = "FILE.svg|FILE.png", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Images that are to be recognised.
struct ImageSet {
    name: String,
    /// `[n, c, h, w]`.
    pixels: Vec<u8>,
    /// Their classes, where they have any of the model's.
    labels: Option<Vec<u32>>,
}

impl BayesArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        if let Some(path) = &self.output {
            check_output("--output", path, &CHART_EXTENSIONS)?;
        }
        let chosen = self.usage.device(quiet)?;
        let paths: Vec<_> = [&self.run].into_iter().chain(&self.beside).collect();
        let opened = paths.iter().map(|path| self.usage.open(path, &chosen));
        let opened: Vec<_> = opened.collect::<anyhow::Result<_>>()?;
        let paths: Vec<PathBuf> = paths.into_iter().cloned().collect();
        self.refuse_idle_samples(&opened)?;
        let names = distinct_names(&paths);
        let mut predictors = Vec::new();
        for (place, (trained, name)) in opened.iter().zip(&names).enumerate() {
            refuse_other_images(&opened[0], trained, name)?;
            let samples = self.dropout_samples.unwrap_or(DROPOUT_SAMPLES);
            let weights = self.usage.weights();
            let of_run = predictors_of(trained, name, (weights, samples), place == 0);
            predictors.extend(of_run.map_err(|error| naming(&paths[place], error))?);
        }
        let sets = self.sets(&opened[0], quiet)?;
        let report = Report {
            checkpoint: opened[0].checkpoint().to_owned(),
            device: chosen.description.clone(),
            version: env!("CARGO_PKG_VERSION"),
            predictors: predict(&predictors, &sets, quiet)?,
        };
        if self.json {
            say(serde_json::to_string_pretty(&report)?)?;
        } else {
            say(report.render())?;
        }
        self.draw(&report, opened[0].num_classes())?;
        Ok(ExitCode::SUCCESS)
    }

    /// Refuse to be told how often units are dropped where no network has learned so.
    fn refuse_idle_samples(&self, opened: &[Trained]) -> Result<(), Mistyped> {
        let drops = |trained: &Trained| trained.config().model.dropout_prob() > 0.0;
        if self.dropout_samples.is_none() || opened.iter().any(drops) {
            return Ok(());
        }
        let problem = "--dropout-samples does nothing, as no run here has learned with dropout (model.dropout); \
                       name one that has with --beside, or leave it out";
        Err(Mistyped(problem.to_owned()))
    }

    /// Draw entropies where that was asked for.
    fn draw(&self, report: &Report, classes: usize) -> anyhow::Result<()> {
        let Some(path) = &self.output else {
            return Ok(());
        };
        save_chart(path, &report.entropies(classes))?;
        // With --json stdout has the report and nothing else.
        if self.json {
            tell!("{}", path.display());
        } else {
            say(path.display())?;
        }
        Ok(())
    }

    /// Test images, the same turned, and others.
    fn sets(&self, trained: &Trained, quiet: bool) -> anyhow::Result<Vec<ImageSet>> {
        let (mut prepared, dir) = (Prepared::default(), self.data_dir.as_deref());
        let data = prepared.of_run(trained, self.num, dir, quiet)?;
        let images = data.labelled().some(self.num);
        if images.is_empty() {
            bail!("there are no images to recognise");
        }
        let labels = Some(images.labels.clone());
        let mut sets = vec![ImageSet {
            name: data.labelled_name().to_owned(),
            pixels: images.pixels.to_vec(),
            labels: labels.clone(),
        }];
        sets.extend(self.turned.iter().map(|&degrees| {
            let damage = Damage::Turned(degrees);
            ImageSet {
                name: damage.to_string(),
                pixels: damage.of(&images.pixels, images.shape),
                labels: labels.clone(),
            }
        }));
        if !self.against.is_empty() {
            let seed = trained.config().seed;
            for (name, pixels) in other_sets(&self.against, &data, seed, self.num, quiet)? {
                if pixels.is_empty() {
                    bail!("--against: there are no images of {name}");
                }
                sets.push(ImageSet {
                    name,
                    pixels,
                    labels: None,
                });
            }
        }
        Ok(sets)
    }
}

/// The error, which names the run: all but one do by themselves.
fn naming(run: &Path, error: EnsembleError) -> anyhow::Error {
    match error {
        EnsembleError::Class(_) => anyhow::Error::from(error).context(run.display().to_string()),
        other => other.into(),
    }
}

/// Let all predictors recognise all images.
fn predict(
    predictors: &[Predictor<'_>],
    sets: &[ImageSet],
    quiet: bool,
) -> anyhow::Result<Vec<OfPredictor>> {
    let networks: usize = predictors.iter().map(|it| it.ensemble.num_members()).sum();
    let done = AtomicU64::new(0);
    let pixels: Vec<&[u8]> = sets.iter().map(|set| set.pixels.as_slice()).collect();
    let images = predictors.first().map_or(0, |it| it.images_in(&pixels));
    let work = || {
        let each = predictors.iter().map(|predictor| {
            let found = predictor.ensemble.predict(&pixels, &done);
            let found = found.with_context(|| predictor.name.clone())?;
            let of_sets = sets.iter().zip(&found).map(|(set, found)| OfSet {
                set: set.name.clone(),
                measures: measure(found, set.labels.as_deref()),
            });
            anyhow::Ok(OfPredictor {
                name: predictor.name.clone(),
                networks: predictor.ensemble.num_members(),
                sets: of_sets.collect(),
            })
        });
        each.collect::<anyhow::Result<Vec<_>>>()
    };
    let total = (images * networks) as u64;
    let so_far = || done.load(Ordering::Relaxed);
    with_progress("recognising", total, so_far, quiet, work)
}

/// Refuse a run whose images or classes are others than those of the first.
fn refuse_other_images(first: &Trained, other: &Trained, name: &str) -> anyhow::Result<()> {
    let (there, here) = (other.shape(), first.shape());
    if there != here {
        bail!("the images of {name} are {there}, and those of the first run {here}");
    }
    if other.class_names() != first.class_names() {
        bail!("{name} knows other classes than the first run");
    }
    Ok(())
}

/// How often units are dropped anew unless somebody says.
const DROPOUT_SAMPLES: u32 = 50;
/// The most times that units are dropped anew: what is averaged over more changes no more.
const MOST_DROPOUT_SAMPLES: u32 = 10_000;

/// Read how often units are dropped.
fn sample_count(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(samples @ 1..=MOST_DROPOUT_SAMPLES) => Ok(samples),
        Ok(samples) => Err(format!(
            "must be at least 1 and at most {MOST_DROPOUT_SAMPLES}, got {samples}"
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// Read an angle.
fn degrees(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(degrees) if degrees > 0.0 && degrees <= 180.0 => Ok(degrees),
        Ok(degrees) => Err(format!("must be above 0 and at most 180, got {degrees}")),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_turn_images_and_no_further_than_half_around() {
        assert_eq!(degrees("22.5"), Ok(22.5));
        for refused in ["0", "-15", "181", "NaN", "much"] {
            assert!(degrees(refused).is_err(), "{refused}");
        }
    }
}
