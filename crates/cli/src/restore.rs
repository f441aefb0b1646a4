//! Put in what is missing of a user's pictures.

mod damage;
mod restorer;
mod scratches;
mod written;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Args, ValueHint};
use ebm_apply::restore::{Mask, RestoreMethod, RestoreOptions};
use ebm_core::ImageShape;
use ebm_data::Photo;
use ebm_train::Held;

use crate::args::positive;
use crate::memory::MemoryArgs;
use crate::output::check_different;
use crate::pictures::{Job, Made, do_all, is_one, jobs, shape_of, tell_done};
use crate::progress::with_progress;
use crate::trained::UsageArgs;
use crate::typed::Mistyped;
use damage::DamageArgs;
pub(crate) use damage::{check_not_mask, fill_boxes, read_mask, rectangle};
use restorer::{Done, Restorer};
use written::{Report, doubt, write, write_as_it_is, write_mask};

/// Put in what is missing of pictures
///
/// What is missing, or damaged, is said by a mask, a colour painted over it, or boxes; scratches can be looked for.
/// Everything else stays as it is.
/// The model that comes with the program is for photographs of any size; a run with chains, as of `digits`, takes
/// pictures of the size that it was trained on.
#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// Pictures, or folders of pictures (without their sub-folders)
    #[arg(value_name = "PICTURE|FOLDER", required = true, value_hint = ValueHint::AnyPath)]
    inputs: Vec<PathBuf>,

    #[command(flatten)]
    damage: DamageArgs,

    /// Where to write what is missing, white on black: a mask to correct, and to give back as --mask; of several pictures
    /// a new or empty folder. Without --output nothing else is done
    #[arg(long, value_name = "MASK.png|DIR", value_hint = ValueHint::AnyPath)]
    mask_output: Option<PathBuf>,

    /// The file to write: the mean of all restorations; or a new or empty folder for each of them, their mean, and a
    /// picture of doubt, bright where they differ. Of several pictures a new or empty folder, for files of the same
    /// names, or with --samples such a folder each
    #[arg(long, value_name = "FILE|DIR", required_unless_present = "mask_output", value_hint = ValueHint::AnyPath)]
    output: Option<PathBuf>,

    /// A run, one of its checkpoints, or a folder of `ebm export --format hf` [default: the program's own model]
    #[arg(long, value_name = "RUN_OR_CHECKPOINT", requires = "output", value_hint = ValueHint::DirPath)]
    model: Option<PathBuf>,

    /// The class that is given, by name or number, of a run with classes [default: the likeliest of all where the run has
    /// learned to tell them apart, else none, E(x)]
    #[arg(long, requires = "model")]
    class: Option<String>,

    /// Restorations to draw [default: one, of a model that has learned to denoise by descent: nearer to the truth than a
    /// draw, and smoother]
    #[arg(long, value_name = "N", requires = "output", value_parser = few)]
    samples: Option<usize>,

    /// Seed of the restorations
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Print a JSON object a picture: input, output, mask (where it was written), missing (pixels), share (of all of
    /// them), doubt (mean standard deviation of missing pixels over the samples, of 255), seconds
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    usage: UsageArgs,

    #[command(flatten)]
    memory: MemoryArgs,
}

/// Read a number of restorations, or of samples, all of which are held in memory.
pub(crate) fn few(text: &str) -> Result<usize, String> {
    const MOST: usize = 1000;
    match positive(text)? {
        number if number > MOST => Err(format!("must be at most {MOST}")),
        number => Ok(number),
    }
}

/// What restorations of a picture of this shape hold at least: all of them, and each while it is made the picture, what
/// it starts as, its noise and what is taken off it.
fn held(shape: ImageShape, samples: usize) -> [Held; 2] {
    const F32: u64 = size_of::<f32>() as u64;
    [
        Held::of_images("PICTURE", 1, shape, 4 * F32),
        Held::of_images("--samples", samples as u64, shape, F32),
    ]
}

/// Refuse to write a mask where its picture is written, in a folder of which one is named by itself.
fn refuse_same_place(pictures: &[Job], masks: &[Job]) -> Result<(), Mistyped> {
    for (picture, mask) in pictures.iter().zip(masks) {
        check_different(&[
            ("--output", Some(picture.output.as_path())),
            ("--mask-output", Some(mask.output.as_path())),
        ])?;
    }
    Ok(())
}

impl RestoreArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        self.check()?;
        let pictures = self.jobs("--output", self.output.as_deref(), self.made())?;
        let masks = self.jobs("--mask-output", self.mask_output.as_deref(), Made::Png)?;
        refuse_same_place(&pictures, &masks)?;
        if pictures.is_empty() {
            let failed = do_all(&masks, |_, job| self.write_mask_alone(job, quiet))?;
            tell_done(&masks, (failed, 0), "given a mask", quiet)?;
            return Ok(ExitCode::SUCCESS);
        }
        let restorer = self.restorer(quiet)?;
        let (total, done) = (restorer.total(pictures.len()), Done::default());
        let mut copied = 0;
        let work = || {
            do_all(&pictures, |place, job| {
                let mask = masks.get(place);
                let is_copied = self.restore(&restorer, (place, job), mask, &done, quiet)?;
                copied += usize::from(is_copied);
                Ok(())
            })
        };
        let failed = with_progress("restoring", total, || done.so_far(), quiet, work)?;
        tell_done(&pictures, (failed, copied), "restored", quiet)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Refuse what cannot be meant, whatever the pictures.
    fn check(&self) -> anyhow::Result<()> {
        if self.model.is_none() {
            self.usage.refuse_weights("--model RUN")?;
        }
        self.damage.check()?;
        check_different(&[
            ("--output", self.output.as_deref()),
            ("--mask-output", self.mask_output.as_deref()),
        ])?;
        Ok(())
    }

    /// What becomes of a picture.
    fn made(&self) -> Made {
        match self.samples {
            None if !is_one(&self.inputs) => Made::Picture,
            _ => Made::Folder,
        }
    }

    /// What `flag` has written of each picture; nothing where it names no place.
    fn jobs(&self, flag: &str, path: Option<&Path>, made: Made) -> anyhow::Result<Vec<Job>> {
        let Some(path) = path else {
            return Ok(Vec::new());
        };
        let jobs = jobs(&self.inputs, (flag, path), made)?;
        for job in &jobs {
            self.damage.check_not_mask(flag, job)?;
        }
        Ok(jobs)
    }

    fn restorer(&self, quiet: bool) -> anyhow::Result<Restorer> {
        let chosen = self.usage.device(quiet)?;
        let options = self.options();
        let Some(source) = &self.model else {
            return Ok(Restorer::shipped(&chosen.device, options));
        };
        let trained = self.usage.open(source, &chosen)?;
        let weights = self.usage.weights();
        Restorer::of(trained, weights, self.class.as_deref(), options)
    }

    fn options(&self) -> RestoreOptions {
        RestoreOptions {
            method: match self.samples {
                None => RestoreMethod::Descent,
                Some(_) => RestoreMethod::Draws,
            },
            samples: self.samples.unwrap_or(1),
            seed: self.seed,
        }
    }

    /// A picture, and what is missing of it, which may be nothing.
    fn damaged(&self, input: &Path) -> anyhow::Result<(Photo, Mask)> {
        let photo = Photo::read(input)?;
        let mask = self.mask(&photo, input);
        let mask = mask.with_context(|| input.display().to_string())?;
        Ok((photo, mask))
    }

    fn mask(&self, photo: &Photo, input: &Path) -> anyhow::Result<Mask> {
        let mask = self.damage.mask(photo, input)?;
        if is_one(&self.inputs) {
            self.damage.refuse_without_scratch(&mask)?;
        }
        Ok(mask)
    }

    /// What is known of a picture before anything is written.
    fn report<'a>(&self, input: &'a Path, mask: &Mask) -> Report<'a> {
        let mut report = Report::new(input, mask);
        report.why_nothing = (report.missing == 0).then(|| self.damage.why_nothing());
        report
    }

    /// Write what is missing of a picture, and restore nothing.
    fn write_mask_alone(&self, job: &Job, quiet: bool) -> anyhow::Result<()> {
        let begin = Instant::now();
        let (_, mask) = self.damaged(&job.input)?;
        write_mask(job, &mask)?;
        let mut report = self.report(&job.input, &mask);
        report.mask = Some(&job.output);
        report.end(begin, "missing", (self.json, quiet))
    }

    /// Restore a picture, and write what is made of it; of several, one of which nothing is missing is copied. Returns
    /// whether it was.
    fn restore(
        &self,
        restorer: &Restorer,
        (place, job): (usize, &Job),
        mask_job: Option<&Job>,
        done: &Done,
        quiet: bool,
    ) -> anyhow::Result<bool> {
        let begin = Instant::now();
        self.check_memory(&job.input)?;
        let (mut photo, mask) = self.damaged(&job.input)?;
        let mut report = self.report(&job.input, &mask);
        if let Some(job) = mask_job {
            write_mask(job, &mask)?;
            report.mask = Some(&job.output);
        }
        if let (Some(why), true) = (&report.why_nothing, is_one(&self.inputs)) {
            bail!("{}: nothing is missing: {why}", job.input.display());
        }
        let is_copied = report.why_nothing.is_some();
        if is_copied {
            report.written = write_as_it_is(job, &photo, self.options().samples)?;
        } else {
            restorer.convert(&mut photo);
            let restored = restorer.restore(&photo, &mask, place, done);
            let restored = restored.with_context(|| job.input.display().to_string())?;
            report.written = write(job, &photo, &restored)?;
            report.doubt = doubt(&restored, &mask);
        }
        report.output = Some(&job.output);
        report.end(begin, "put in", (self.json, quiet))?;
        Ok(is_copied)
    }

    /// Refuse a larger picture, or more restorations of it, than the memory holds.
    fn check_memory(&self, input: &Path) -> anyhow::Result<()> {
        // What cannot be read is reported where it is.
        let Some(shape) = shape_of(input) else {
            return Ok(());
        };
        let held = held(shape, self.options().samples);
        let checked = self.memory.check("restoring", shape, &held);
        checked.with_context(|| input.display().to_string())
    }
}
