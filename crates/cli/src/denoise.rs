//! Take noise off a user's pictures.

mod files;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Context;
use clap::{Args, ValueEnum, ValueHint};
use ebm_apply::denoise::{DenoiseMethod, DenoiseOptions, Denoised, Denoiser};
use ebm_core::ImageShape;
use ebm_train::Held;
use serde::Serialize;

use crate::memory::MemoryArgs;
use crate::output::say;
use crate::pictures::{Job, Made, do_all, jobs, log_converted, shape_of, tell_done};
use crate::progress::with_progress;
use crate::trained::UsageArgs;
use files::Pictures;

/// Take noise off pictures
///
/// Pictures of any size, grey or in colour, of 8 or 16 bits, whole folders, or arrays of f32, [h, w] or
/// [n, h, w, c], 0 for black and 1 for white, whose values may lie outside. The model that comes with the program is
/// for photographs with Gaussian noise of up to 75/255. Opacity and colour profiles are kept.
#[derive(Args, Debug)]
pub(crate) struct DenoiseArgs {
    /// Pictures, folders of pictures (without their sub-folders), or arrays
    #[arg(value_name = "PICTURE|FOLDER|FILE.npy", required = true, value_hint = ValueHint::AnyPath)]
    inputs: Vec<PathBuf>,

    /// The file to write; of several pictures a new or empty folder, for files of the same names
    #[arg(long, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    output: PathBuf,

    /// A run that has learned to denoise or of experts, one of its checkpoints, or a folder of `ebm export --format hf` [default: the
    /// program's own model]
    #[arg(long, value_name = "RUN_OR_CHECKPOINT", value_hint = ValueHint::DirPath)]
    model: Option<PathBuf>,

    /// Standard deviation of the noise, where white is 255; auto: measured in the picture, or left to a model that finds
    /// it by itself, of which a given one takes away at most twice what it finds
    #[arg(long, value_name = "σ|auto", default_value = "auto", value_parser = sigma, allow_negative_numbers = true)]
    sigma: Sigma,

    /// Whether the mean of all clean pictures that fit is given, soft where they differ, or by descent a likely one, with
    /// sharper edges and plainer areas: of a model that is told the noise, in 16 times as long, or of experts, which give
    /// no mean
    #[arg(long, value_enum, value_name = "METHOD", default_value_t = Method::Mean)]
    method: Method,

    /// How much of the noise that was found is taken away: below 1 some is left, above 1 pictures become smoother
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = strength, allow_negative_numbers = true)]
    strength: f64,

    /// Print a JSON object a picture: input, output, sigma (as given or measured) and taken
    /// (what was taken away), both standard deviations, of 255, seconds
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    usage: UsageArgs,

    #[command(flatten)]
    memory: MemoryArgs,
}

/// How a picture is denoised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// The mean of the pictures that it may be, by one step
    Mean,
    /// A likely one, by descent
    Descent,
}

/// What is known of the noise.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sigma {
    /// Nothing.
    Auto,
    /// Its standard deviation, of 255.
    Known(f64),
}

fn sigma(text: &str) -> Result<Sigma, String> {
    if text == "auto" {
        return Ok(Sigma::Auto);
    }
    match text.parse::<f64>() {
        Ok(sigma) if sigma > 0.0 && sigma <= 255.0 => Ok(Sigma::Known(sigma)),
        _ => Err("must be auto, or a number above 0 and at most 255".to_owned()),
    }
}

fn strength(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(strength) if (0.0..=4.0).contains(&strength) => Ok(strength),
        _ => Err("must be a number from 0 to 4".to_owned()),
    }
}

/// Steps in which progress within a picture is counted.
const STEPS: u64 = 1000;

/// What is said of a picture.
#[derive(Serialize)]
struct Report<'a> {
    input: &'a Path,
    output: &'a Path,
    sigma: Option<f64>,
    taken: f64,
    seconds: f64,
}

/// What a picture of this shape holds at least while it is denoised: itself, the slopes of its energy, what is taken
/// off, and what is left.
fn held(shape: ImageShape) -> Held {
    Held::of_images("PICTURE", 1, shape, 4 * size_of::<f32>() as u64)
}

impl DenoiseArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        if self.model.is_none() {
            self.usage.refuse_weights("--model RUN")?;
        }
        let jobs = jobs(
            &self.inputs,
            ("--output", &self.output),
            Made::PictureOrArray,
        )?;
        let chosen = self.usage.device(quiet)?;
        let denoiser = match &self.model {
            None => Denoiser::shipped(&chosen.device),
            Some(source) => {
                let trained = self.usage.open(source, &chosen)?;
                Denoiser::of(&trained, self.usage.weights())
                    .with_context(|| format!("--model {}", source.display()))?
            }
        };
        denoiser.check(self.method())?;
        self.warn_of_strong_noise(&denoiser);
        let done = AtomicU64::new(0);
        let total = STEPS * jobs.len() as u64;
        let work = || {
            do_all(&jobs, |place, job| {
                let of_picture = |part: usize, parts: usize| {
                    let steps = STEPS * (place * parts + part) as u64 / parts as u64;
                    done.store(steps, Ordering::Relaxed);
                };
                self.denoise(&denoiser, job, &of_picture, quiet)
            })
        };
        let done = || done.load(Ordering::Relaxed);
        let failed = with_progress("denoising", total, done, quiet, work)?;
        tell_done(&jobs, (failed, 0), "denoised", quiet)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Warn of noise that is stronger than any that the model has learned.
    fn warn_of_strong_noise(&self, denoiser: &Denoiser) {
        let (Sigma::Known(sigma), Some(most)) = (self.sigma, denoiser.largest_sigma()) else {
            return;
        };
        let most = (255.0 * most).round();
        if sigma > most {
            tracing::warn!(
                "--sigma {sigma}: the model has learned noise of up to {most}, and is told {most} instead"
            );
        }
    }

    fn method(&self) -> DenoiseMethod {
        match self.method {
            Method::Mean => DenoiseMethod::Mean,
            Method::Descent => DenoiseMethod::Descent,
        }
    }

    /// Refuse a larger picture than the memory holds. Arrays are not counted.
    fn check_memory(&self, input: &Path) -> anyhow::Result<()> {
        // What cannot be read is reported where it is.
        let Some(shape) = shape_of(input) else {
            return Ok(());
        };
        let checked = self.memory.check("denoising", shape, &[held(shape)]);
        checked.with_context(|| input.display().to_string())
    }

    fn denoise(
        &self,
        denoiser: &Denoiser,
        job: &Job,
        report: &dyn Fn(usize, usize),
        quiet: bool,
    ) -> anyhow::Result<()> {
        let begin = Instant::now();
        let named = || job.input.display().to_string();
        self.check_memory(&job.input)?;
        let mut pictures = Pictures::read(&job.input)?;
        let options = DenoiseOptions {
            method: self.method(),
            sigma: match self.sigma {
                Sigma::Auto => None,
                Sigma::Known(sigma) => Some(sigma / 255.0),
            },
            strength: self.strength,
        };
        let num = pictures.len();
        let (mut squares, mut squares_told) = (0.0, None);
        for (place, planes) in pictures.each_mut().enumerate() {
            if planes.shape.channels == 1 {
                log_converted(1, denoiser.channels());
            }
            let mut of_planes = |part, parts| report(place * parts + part, num * parts);
            let denoised = denoiser.denoise(planes, options, &mut of_planes);
            let Denoised {
                planes: clean,
                sigma,
                taken,
            } = denoised.with_context(named)?;
            squares += taken * taken;
            squares_told = sigma.map(|sigma| squares_told.unwrap_or(0.0) + sigma * sigma);
            *planes = clean;
        }
        job.make_folder()?;
        pictures.write(&job.output)?;
        let mean_of_255 = |squares: f64| 255.0 * (squares / num as f64).sqrt();
        let said = Report {
            input: &job.input,
            output: &job.output,
            sigma: squares_told.map(mean_of_255),
            taken: mean_of_255(squares),
            seconds: begin.elapsed().as_secs_f64(),
        };
        if self.json {
            say(serde_json::to_string(&said)?)?;
        } else {
            say(job.output.display())?;
            if !quiet {
                let measured = match (self.sigma, said.sigma) {
                    (Sigma::Auto, Some(sigma)) => format!("noise of {sigma:.1}/255 measured, "),
                    _ => String::new(),
                };
                tell!("{}: {measured}{:.1}/255 taken away", named(), said.taken);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_a_number_of_255_or_left_to_the_model() {
        assert_eq!(sigma("auto"), Ok(Sigma::Auto));
        assert_eq!(sigma("25"), Ok(Sigma::Known(25.0)));
        for text in ["0", "-1", "256", "NaN", "much"] {
            assert!(sigma(text).is_err(), "{text}");
        }
        assert_eq!(strength("0.5"), Ok(0.5));
        for text in ["-0.1", "5", "NaN"] {
            assert!(strength(text).is_err(), "{text}");
        }
    }
}
