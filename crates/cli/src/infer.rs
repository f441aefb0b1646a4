//! Say which latent vectors explain a user's pictures.

mod missing;
mod read_out;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::tensor::Tensor;
use clap::{Args, ValueHint};
use ebm_apply::infer::{
    Explained, Explainer, FreeEnergy, FreeEnergyOptions, PosteriorOptions, SearchOptions,
    free_energy_gradients, free_energy_of,
};
use ebm_apply::{StepCounter, Trained, score, to_bytes};

use crate::args::{image_count, positive};
use crate::output::{check_not_input, check_output, save_grid, save_npy_f32, say, scale_for};
use crate::pictures::{Named, listed};
use crate::progress::with_progress;
use crate::restore::few;
use crate::trained::TrainedArgs;
use crate::typed::Mistyped;
use missing::MissingArgs;
use report::Found;

/// Steps of a sample of p(z | x).
const STEPS: usize = 500;
/// Images of a read-out.
const READ_OUT_IMAGES: usize = 2000;

/// Say which latent vector z explains a picture, with a run of `mnist-latent` or another with latent vectors
///
/// Prints E(x, z) of the z of least energy and the file, a line for each picture: the lower, the better it is explained.
/// What is missing of a picture is put in by the z that explains the rest.
#[derive(Args, Debug)]
pub(crate) struct InferArgs {
    #[command(flatten)]
    trained: TrainedArgs,

    /// Pictures, cropped and resized as in training; folders of them; contact sheets; or arrays of u8 [n, h, w, c]
    #[arg(value_name = "PICTURE|FOLDER|FILE.npy", value_hint = ValueHint::AnyPath)]
    pictures: Vec<PathBuf>,

    #[command(flatten)]
    missing: MissingArgs,

    /// Descents of each picture, of which the one to the least energy counts: from z = 0 and from N − 1 draws of N(0, I);
    /// 1 for z = 0 alone, whose energy is that of `ebm energy` [default: 16]
    #[arg(long, value_name = "N", value_parser = few)]
    starts: Option<usize>,

    /// Draw so many z of each picture from p(z | x), by the Metropolis-adjusted Langevin algorithm from that of least
    /// energy on; shown by --output and --json
    #[arg(long, value_name = "N", value_parser = few)]
    samples: Option<usize>,

    /// Steps of each of them [default: 500]
    #[arg(long, value_name = "N", value_parser = positive, requires = "samples")]
    steps: Option<usize>,

    /// Seed of starts, of samples and of free energies [default: 0]
    #[arg(long)]
    seed: Option<u64>,

    /// Show so many pictures on the straight line in z between two pictures, both included
    #[arg(long, value_name = "N", value_parser = line, requires = "output")]
    between: Option<usize>,

    /// Estimate −log ∫ exp(−E(x, z)) dz of each picture as well, by annealed importance sampling from a normal law around
    /// draws of p(z | x)
    #[arg(long)]
    free_energy: bool,

    /// Inverse temperatures of its chains: more bring its error down, and few take little less time than 100, as most of
    /// what is done before them stays [default: 100]
    #[arg(long, value_name = "N", value_parser = temperatures, requires = "free_energy")]
    temperatures: Option<usize>,

    /// Print how much of x, y and size of `shapes` is linear in z: R² on test images, 1 for all of it
    #[arg(long)]
    read_out: bool,

    /// Training images from which --read-out learns, and the most test images that it is tested on [default: 2000]
    #[arg(long, value_name = "N", value_parser = image_count, requires = "read_out")]
    num: Option<usize>,

    /// Write a sheet: a row for each picture, what was generated from its z beside it, then samples; or the line between
    /// two pictures
    #[arg(long, value_name = "FILE.png", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Write the z of least energy, f32 [n, latents]
    #[arg(long, value_name = "FILE.npy", value_hint = ValueHint::FilePath)]
    latents: Option<PathBuf>,

    /// Print a JSON object a picture: picture, energy, latents, free_energy and samples
    #[arg(long)]
    json: bool,
}

/// Read a number of pictures on a line, which has two ends.
fn line(text: &str) -> Result<usize, String> {
    match few(text)? {
        1 => Err("must be at least 2, as a line has two ends".to_owned()),
        number => Ok(number),
    }
}

/// Read a number of inverse temperatures, of which more than so many take days.
fn temperatures(text: &str) -> Result<usize, String> {
    const MOST: usize = 1_000_000;
    match positive(text)? {
        number if number > MOST => Err(format!("must be at most {MOST}")),
        number => Ok(number),
    }
}

impl InferArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        self.check()?;
        let files = listed(&self.pictures)?;
        for (flag, path, _) in self.outputs() {
            for file in &files {
                check_not_input(flag, path, file)?;
            }
        }
        let (trained, _) = self.trained.open(quiet)?;
        let explainer = Explainer::of(&trained, self.trained.weights())?;
        if self.read_out {
            let num = self.num.unwrap_or(READ_OUT_IMAGES);
            read_out::say_all(&trained, &explainer, num, self.json, quiet)?;
        }
        if files.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        let mut named = Named::default();
        for path in &files {
            named.add_file(path, trained.shape())?;
        }
        if self.between.is_some() && named.names.len() != 2 {
            let problem = format!("--between is for two pictures, got {}", named.names.len());
            return Err(Mistyped(problem).into());
        }
        let (shape, device) = (trained.shape(), trained.device());
        let known = self.missing.known(shape, named.names.len(), device)?;
        let pictures = Pictures {
            images: score::images(&named.bytes, shape, device),
            known,
            names: named.names,
        };
        self.infer(&trained, &explainer, &pictures, quiet)?;
        Ok(ExitCode::SUCCESS)
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.pictures.is_empty() && !self.read_out {
            let problem = "give pictures, or --read-out for what z tells of shapes";
            return Err(Mistyped(problem.to_owned()).into());
        }
        if self.pictures.is_empty() {
            self.refuse_idle_options()?;
        }
        if self.between.is_some() && (self.missing.is_given() || self.samples.is_some()) {
            let problem = "--between shows a line alone: leave out --samples, --mask and --box";
            return Err(Mistyped(problem.to_owned()).into());
        }
        if self.samples.is_some() && self.output.is_none() && !self.json {
            let problem = "--samples does nothing without --output or --json, which show them";
            return Err(Mistyped(problem.to_owned()).into());
        }
        let draws_nothing = self.starts == Some(1) && self.samples.is_none() && !self.free_energy;
        if self.seed.is_some() && draws_nothing {
            let problem = "--seed does nothing with --starts 1, without --samples or --free-energy: nothing else is drawn";
            return Err(Mistyped(problem.to_owned()).into());
        }
        for (flag, path, extension) in self.outputs() {
            check_output(flag, path, &[extension])?;
            self.missing.check_not_mask(flag, path)?;
        }
        Ok(())
    }

    /// Refuse options of pictures where there are none.
    fn refuse_idle_options(&self) -> Result<(), Mistyped> {
        let of_pictures = [
            ("--output", self.output.is_some()),
            ("--latents", self.latents.is_some()),
            ("--starts", self.starts.is_some()),
            ("--samples", self.samples.is_some()),
            ("--between", self.between.is_some()),
            ("--free-energy", self.free_energy),
            ("--seed", self.seed.is_some()),
            ("--mask or --box", self.missing.is_given()),
        ];
        match of_pictures.iter().find(|(_, is_given)| *is_given) {
            Some((flag, _)) => {
                let problem = format!(
                    "{flag} does nothing for --read-out alone; give pictures, or leave it out"
                );
                Err(Mistyped(problem))
            }
            None => Ok(()),
        }
    }

    /// The files that are written: their flags, paths and extensions.
    fn outputs(&self) -> impl Iterator<Item = (&'static str, &Path, &'static str)> {
        let outputs = [
            ("--output", self.output.as_deref(), "png"),
            ("--latents", self.latents.as_deref(), "npy"),
        ];
        let given = outputs.into_iter();
        given.filter_map(|(flag, path, extension)| Some((flag, path?, extension)))
    }

    fn infer(
        &self,
        trained: &Trained,
        explainer: &Explainer,
        pictures: &Pictures,
        quiet: bool,
    ) -> anyhow::Result<()> {
        if self.output.is_some() {
            // Before the work that it is asked for.
            explainer.generator()?;
        }
        let least = self.least(explainer, pictures, quiet)?;
        let samples = self.draw(explainer, pictures, &least, quiet)?;
        let free = self.free_energies(trained, explainer, pictures, quiet)?;
        let found = Found {
            names: &pictures.names,
            least: &least,
            samples: samples.as_ref(),
            free: free.as_deref(),
        };
        found.say(self.json)?;
        found.warn();
        if let Some(path) = &self.latents {
            let values: Vec<f32> = least.latents.to_data().iter::<f32>().collect();
            save_npy_f32(path, &least.latents.dims(), &values)?;
            self.say_written(path)?;
        }
        if let Some(path) = &self.output {
            let (sheet, columns) = self.sheet(explainer, pictures, &least, samples.as_ref())?;
            let shape = trained.shape();
            save_grid(path, &sheet, shape.dims(), columns, scale_for(shape.width))?;
            self.say_written(path)?;
        }
        Ok(())
    }

    /// From where the z of least energy is sought.
    fn search(&self) -> SearchOptions {
        let usual = SearchOptions::default();
        SearchOptions {
            starts: self.starts.unwrap_or(usual.starts),
            seed: self.seed.unwrap_or(usual.seed),
        }
    }

    fn least(
        &self,
        explainer: &Explainer,
        pictures: &Pictures,
        quiet: bool,
    ) -> anyhow::Result<Explained> {
        let (options, counter) = (self.search(), StepCounter::default());
        let total = pictures.names.len() as u64 * explainer.search_gradients(options);
        let (images, known) = (&pictures.images, pictures.known.as_ref());
        let work = || explainer.search(images, known, options, counter.clone());
        let least = with_progress("descending", total, || counter.gradients(), quiet, work)?;
        Ok(least)
    }

    /// Name a file that was written; with --json stdout has a line a picture and nothing else.
    fn say_written(&self, path: &Path) -> anyhow::Result<()> {
        if self.json {
            tell!("{}", path.display());
        } else {
            say(path.display())?;
        }
        Ok(())
    }

    fn draw(
        &self,
        explainer: &Explainer,
        pictures: &Pictures,
        least: &Explained,
        quiet: bool,
    ) -> anyhow::Result<Option<Explained>> {
        let Some(samples) = self.samples else {
            return Ok(None);
        };
        let steps = self.steps.unwrap_or(STEPS);
        let options = PosteriorOptions {
            samples,
            steps,
            seed: self.search().seed,
        };
        let counter = StepCounter::default();
        let total = pictures.names.len() as u64 * Explainer::draw_gradients(options);
        let (images, known) = (&pictures.images, pictures.known.as_ref());
        let work = || explainer.draw(images, known, &least.latents, options, counter.clone());
        let drawn = with_progress("drawing", total, || counter.gradients(), quiet, work)?;
        Ok(Some(drawn))
    }

    fn free_energies(
        &self,
        trained: &Trained,
        explainer: &Explainer,
        pictures: &Pictures,
        quiet: bool,
    ) -> anyhow::Result<Option<Vec<FreeEnergy>>> {
        if !self.free_energy {
            return Ok(None);
        }
        let usual = FreeEnergyOptions::default();
        let SearchOptions { starts, seed } = self.search();
        let options = FreeEnergyOptions {
            temperatures: self.temperatures.unwrap_or(usual.temperatures),
            starts,
            seed,
            ..usual
        };
        let (num, counter) = (pictures.names.len(), StepCounter::default());
        let total = num as u64 * free_energy_gradients(&options);
        let row = |all: &Tensor<4>, row: usize| all.clone().narrow(0, row, 1);
        let work = || {
            let of_picture = |place: usize| {
                let known = pictures.known.as_ref().map(|known| row(known, place));
                free_energy_of(
                    explainer.energy(),
                    &row(&pictures.images, place),
                    known.as_ref(),
                    trained.device(),
                    options,
                    counter.clone(),
                )
            };
            (0..num).map(of_picture).collect::<Result<Vec<_>, _>>()
        };
        let found = with_progress("annealing", total, || counter.gradients(), quiet, work)?;
        Ok(Some(found))
    }

    /// The pictures of the sheet, bytes of `[n, c, h, w]`, and how many are in a row.
    fn sheet(
        &self,
        explainer: &Explainer,
        pictures: &Pictures,
        least: &Explained,
        samples: Option<&Explained>,
    ) -> anyhow::Result<(Vec<u8>, usize)> {
        if let Some(between) = self.between {
            return Ok((
                to_bytes(explainer.between(&least.latents, between)?),
                between,
            ));
        }
        let generator = explainer.generator()?;
        let generated = pictures.filled(generator.generated(least.latents.clone()), 1);
        let drawn = samples.map(|samples| {
            let times = self.samples.unwrap_or(1);
            pictures.filled(generator.generated(samples.latents.clone()), times)
        });
        let (num, times) = (pictures.names.len(), self.samples.unwrap_or(0));
        let shown = pictures.shown();
        let mut rows = Vec::new();
        for row in 0..num {
            rows.push(shown.clone().narrow(0, row, 1));
            rows.push(generated.clone().narrow(0, row, 1));
            if let Some(drawn) = &drawn {
                rows.push(drawn.clone().narrow(0, row * times, times));
            }
        }
        Ok((to_bytes(Tensor::cat(rows, 0)), 2 + times))
    }
}

/// The pictures that are explained.
struct Pictures {
    /// `[n, channels, height, width]`.
    images: Tensor<4>,
    /// 1 where a pixel is known, of the same shape, where some are not.
    known: Option<Tensor<4>>,
    names: Vec<String>,
}

impl Pictures {
    /// As they are explained: grey where a pixel is missing.
    fn shown(&self) -> Tensor<4> {
        let images = self.images.clone();
        match &self.known {
            Some(known) => images * known.clone() + (-known.clone() + 1.0) * 0.5,
            None => images,
        }
    }

    /// Generated images, `times` of each picture, with its known pixels put in where some are missing.
    fn filled(&self, generated: Tensor<4>, times: usize) -> Tensor<4> {
        let Some(known) = &self.known else {
            return generated;
        };
        let rows = (0..self.names.len()).map(|row| {
            let [image, known] = [&self.images, known].map(|all| all.clone().narrow(0, row, 1));
            let generated = generated.clone().narrow(0, row * times, times);
            generated * (-known.clone() + 1.0) + image * known
        });
        Tensor::cat(rows.collect(), 0)
    }
}
