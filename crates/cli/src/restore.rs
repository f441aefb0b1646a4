//! Put in what is missing of a user's picture.

mod damage;
mod scratches;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use clap::{Args, ValueHint};
use ebm_apply::denoise::Denoiser;
use ebm_apply::restore::{Mask, RestoreMethod, RestoreOptions, Restored};
use ebm_apply::{StepCounter, Trained};
use ebm_data::{Photo, Planes};

use crate::args::positive;
use crate::output::{
    PHOTO_EXTENSIONS, check_not_input, check_output, check_output_or_folder, is_folder, save_photo,
    say,
};
use crate::progress::with_progress;
use crate::trained::{UsageArgs, class};
use crate::typed::Mistyped;
use damage::{DamageArgs, heat_map, mask_picture};
pub(crate) use damage::{check_not_mask, fill_boxes, read_mask, rectangle};

/// Put in what is missing of a picture
///
/// What is missing, or damaged, is said by a mask, a colour painted over it, or boxes; scratches can be looked for.
/// Everything else stays as it is.
/// The model that comes with the program is for photographs of any size; a run with chains, as of `digits`, takes
/// pictures of the size that it was trained on.
#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// The picture
    #[arg(value_name = "PICTURE", value_hint = ValueHint::FilePath)]
    input: PathBuf,

    #[command(flatten)]
    damage: DamageArgs,

    /// Where to write what is missing, white on black: a mask to correct, and to give back as --mask
    #[arg(long, value_name = "MASK.png", value_hint = ValueHint::FilePath)]
    mask_output: Option<PathBuf>,

    /// The file to write: the mean of all restorations; or a new or empty folder for each of them, their mean, and a
    /// picture of doubt, bright where they differ
    #[arg(long, value_name = "FILE|DIR/", value_hint = ValueHint::AnyPath)]
    output: PathBuf,

    /// A run, one of its checkpoints, or a folder of `ebm export --format hf` [default: the program's own model]
    #[arg(long, value_name = "RUN_OR_CHECKPOINT", value_hint = ValueHint::DirPath)]
    model: Option<PathBuf>,

    /// The class that is given, by name or number, of a run with classes [default: the likeliest of all where the run has
    /// learned to tell them apart, else none, E(x)]
    #[arg(long, requires = "model")]
    class: Option<String>,

    /// Restorations to draw [default: one, of a model that has learned to denoise by descent: nearer to the truth than a
    /// draw, and smoother]
    #[arg(long, value_name = "N", value_parser = few)]
    samples: Option<usize>,

    /// Seed of the restorations
    #[arg(long, default_value_t = 0)]
    seed: u64,

    #[command(flatten)]
    usage: UsageArgs,
}

/// Read a number of restorations, or of samples, all of which are held in memory.
pub(crate) fn few(text: &str) -> Result<usize, String> {
    const MOST: usize = 1000;
    match positive(text)? {
        number if number > MOST => Err(format!("must be at most {MOST}")),
        number => Ok(number),
    }
}

impl RestoreArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        self.check()?;
        let mut photo = Photo::read(&self.input)?;
        let mask = self.damage.mask(&photo)?;
        if let Some(path) = &self.mask_output {
            save_photo(path, &Photo::of_planes(mask_picture(&mask)))?;
            say(path.display())?;
        }
        let named = || self.input.display().to_string();
        let restored = self
            .restored(&mut photo, &mask, quiet)
            .with_context(named)?;
        for path in self.write(&photo, &restored)? {
            say(path.display())?;
        }
        if !quiet {
            let missing = mask.missing.iter().filter(|missing| **missing).count();
            let share = 100.0 * missing as f64 / mask.missing.len() as f64;
            tell!("{}: {share:.1} % of the pixels put in", named());
        }
        Ok(ExitCode::SUCCESS)
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.model.is_none() {
            self.usage.refuse_weights("--model RUN")?;
        }
        check_output_or_folder("--output", &self.output, &PHOTO_EXTENSIONS)?;
        check_not_input("--output", &self.output, &self.input)?;
        self.damage.check_not_mask("--output", &self.output)?;
        match &self.mask_output {
            Some(path) => self.check_mask_output(path),
            None => Ok(()),
        }
    }

    /// Refuse to write the mask over a file that is read, or that is to be written.
    fn check_mask_output(&self, path: &Path) -> anyhow::Result<()> {
        check_output("--mask-output", path, &["png"])?;
        check_not_input("--mask-output", path, &self.input)?;
        self.damage.check_not_mask("--mask-output", path)?;
        let asked = format!("--mask-output {}", path.display());
        let [mask, output] =
            [path, self.output.as_path()].map(|path| std::path::absolute(path).ok());
        if mask.is_some() && mask == output {
            let problem = format!("{asked}: this is what --output names; name another file");
            return Err(Mistyped(problem).into());
        }
        Ok(())
    }

    /// Restorations of the picture, which is made grey, or one in colour, where a run with chains is.
    fn restored(&self, photo: &mut Photo, mask: &Mask, quiet: bool) -> anyhow::Result<Restored> {
        let chosen = self.usage.device(quiet)?;
        let Some(source) = &self.model else {
            return self.by_denoising(&Denoiser::shipped(&chosen.device), photo, mask, quiet);
        };
        let trained = self.usage.open(source, &chosen)?;
        if trained.is_denoiser() {
            let denoiser = Denoiser::of(&trained, self.usage.weights())?;
            return self.by_denoising(&denoiser, photo, mask, quiet);
        }
        let (channels, found) = (trained.shape().channels, photo.planes.shape.channels);
        if channels != found {
            match channels {
                1 => tell!("the model is of grey images: the picture is made grey"),
                _ => tell!("the model is of colours: the grey picture becomes one in colour"),
            }
            photo.planes = photo.planes.in_channels(channels);
        }
        self.by_chains(&trained, photo, mask, quiet)
    }

    fn by_denoising(
        &self,
        denoiser: &Denoiser,
        photo: &Photo,
        mask: &Mask,
        quiet: bool,
    ) -> anyhow::Result<Restored> {
        if self.class.is_some() {
            let problem = "--class: a model that has learned to denoise is given no class";
            return Err(Mistyped(problem.to_owned()).into());
        }
        let done = AtomicU64::new(0); // in thousandths
        let work = || {
            let mut report = |part: usize, parts: usize| {
                done.store(1000 * part as u64 / parts as u64, Ordering::Relaxed);
            };
            denoiser.restore(&photo.planes, mask, &self.options(), &mut report)
        };
        let so_far = || done.load(Ordering::Relaxed);
        Ok(with_progress("restoring", 1000, so_far, quiet, work)?)
    }

    fn by_chains(
        &self,
        trained: &Trained,
        photo: &Photo,
        mask: &Mask,
        quiet: bool,
    ) -> anyhow::Result<Restored> {
        let class = match &self.class {
            Some(name) => Some(class(trained, "--class", name)?),
            None => None,
        };
        let total = (self.options().samples * trained.gradients_of_restoration(class)) as u64;
        let counter = StepCounter::default();
        let work = || {
            let (weights, counter) = (self.usage.weights(), counter.clone());
            trained.restore(
                &photo.planes,
                mask,
                class,
                weights,
                &self.options(),
                counter,
            )
        };
        Ok(with_progress(
            "restoring",
            total,
            || counter.gradients(),
            quiet,
            work,
        )?)
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

    /// Write the mean, or into a folder everything; tells what was written.
    fn write(&self, photo: &Photo, restored: &Restored) -> anyhow::Result<Vec<PathBuf>> {
        let save = |path: &Path, planes: Planes| {
            let mut photo = photo.clone();
            photo.planes = planes;
            save_photo(path, &photo)
        };
        if !is_folder(&self.output) {
            save(&self.output, restored.mean())?;
            return Ok(vec![self.output.clone()]);
        }
        let folder = &self.output;
        std::fs::create_dir_all(folder)
            .with_context(|| format!("--output {}", folder.display()))?;
        let mut written = Vec::new();
        for (number, sample) in restored.samples.iter().enumerate() {
            let path = folder.join(format!("{:03}.png", number + 1));
            save(&path, sample.clone())?;
            written.push(path);
        }
        let mean = folder.join("mean.png");
        save(&mean, restored.mean())?;
        written.push(mean);
        if restored.samples.len() > 1 {
            let path = folder.join("doubt.png");
            let shape = photo.planes.shape;
            let heat = heat_map(&restored.spread(), [shape.height, shape.width]);
            save_photo(&path, &Photo::of_planes(heat))?;
            written.push(path);
        }
        Ok(written)
    }
}
