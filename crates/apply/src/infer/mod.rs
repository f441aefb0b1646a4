//! Ask an energy E(x, z) which latent vector explains an image: the one of least energy, or samples of all of them.
//!
//! Inference by minimisation is that of LeCun et al., *A tutorial on energy-based learning* (2006); where pixels are
//! missing, z explains the others. `starts` begins several descents, `free_energy` integrates
//! over z in `coordinates` that suit its `draws`, `read_out` asks what z tells.

mod coordinates;
mod draws;
mod free_energy;
mod read_out;
mod starts;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod two_wells;

use core::ops::Range;
use std::path::PathBuf;

use burn::tensor::{Device, Tensor};
use ebm_core::{Energy, chain_pieces, each_piece, pieces_of};
use ebm_langevin::StepCounter;
use ebm_model::{EnergyModel, Frozen, Generative, LatentEnergy, Network, Posterior, least_latents};
use thiserror::Error;

use self::draws::{adapted_draws, gradients_of_draw};
use crate::trained::{Trained, Weights};
pub use free_energy::{FreeEnergy, FreeEnergyOptions, free_energy_gradients, free_energy_of};
pub use read_out::{ReadOutError, linear_read_out};
pub use starts::SearchOptions;

/// Images, or samples of an image, that are on a device at a time where there are many.
const AT_ONCE: usize = 256;

/// What cannot be asked of a model.
#[derive(Debug, Error)]
pub enum InferError {
    /// It has no latent vectors.
    #[error("{} has no latent vectors that could explain an image", checkpoint.display())]
    NoLatents {
        /// Its checkpoint.
        checkpoint: PathBuf,
    },
    /// Its energy is one network of images and latent vectors.
    #[error("{} has a free energy of both, and generates no image from a latent vector", checkpoint.display())]
    NoGenerator {
        /// Its checkpoint.
        checkpoint: PathBuf,
    },
    /// An energy is not finite.
    #[error(
        "the energy of image number {index} with its latent vector is {energy}: the descent has diverged"
    )]
    NotFinite {
        /// The first such image, from 0.
        index: usize,
        /// Its energy.
        energy: f32,
    },
    /// The energy of a step of a sample is not finite.
    #[error(
        "samples of the latent vector of image number {index} have met an energy that is not finite"
    )]
    NotDrawn {
        /// The first such image, from 0.
        index: usize,
    },
}

/// Latent vectors of images.
#[derive(Clone, Debug)]
pub struct Explained {
    /// z, `[images, latents]`.
    pub latents: Tensor<2>,
    /// E(x, z) of each; of images with missing pixels, over those that are known.
    pub energies: Vec<f32>,
}

/// Finds latent vectors of images.
#[derive(Clone, Debug)]
pub struct Explainer {
    model: Frozen<Network>,
    checkpoint: PathBuf,
    device: Device,
    at_once: usize,
}

/// How latent vectors are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PosteriorOptions {
    /// Of each image, at least 1.
    pub samples: usize,
    /// Steps from the vector of least energy on.
    pub steps: usize,
    /// Seed of their noise.
    pub seed: u64,
}

impl Explainer {
    /// Of a model that has latent vectors.
    ///
    /// # Errors
    /// Where it has none.
    pub fn of(trained: &Trained, weights: Weights) -> Result<Self, InferError> {
        let checkpoint = trained.checkpoint().to_owned();
        if !trained.has_latents() {
            return Err(InferError::NoLatents { checkpoint });
        }
        Ok(Self {
            model: trained.energy(weights),
            checkpoint,
            device: trained.device().clone(),
            at_once: AT_ONCE,
        })
    }

    /// The energy E(x, z), its weights constants.
    pub fn energy(&self) -> &dyn LatentEnergy {
        self.model.latent().expect("a model with latent vectors")
    }

    /// The generator of images.
    ///
    /// # Errors
    /// Where the energy is a free one.
    pub fn generator(&self) -> Result<&dyn Generative, InferError> {
        let generator = self.energy().generative();
        generator.ok_or_else(|| InferError::NoGenerator {
            checkpoint: self.checkpoint.clone(),
        })
    }

    /// The z of each image where the model's descent from z = 0 ends, whose energy is E(x); where `known` is given, of
    /// those of its pixels that are 1 there.
    ///
    /// # Shapes
    /// - `images`, `known`: `[images, channels, height, width]`, pixels in [0, 1]
    ///
    /// # Errors
    /// Where an energy is not finite, or pixels are missing and there is no generator.
    pub fn explain(
        &self,
        images: &Tensor<4>,
        known: Option<&Tensor<4>>,
    ) -> Result<Explained, InferError> {
        let inference = self.energy().inference();
        self.each_some(images.dims()[0], self.at_once, |some| {
            let known = known.map(|known| rows(known, &some));
            let posterior = self.posterior(rows(images, &some), known)?;
            let shape = [some.len(), posterior.num_latents()];
            let latents = least_latents(&posterior, inference, shape, &self.device, false);
            self.explained(&posterior, latents, |row| some.start + row)
        })
    }

    /// Samples of z given each image, by the Metropolis-adjusted Langevin algorithm from the z of least energy on, in
    /// steps whose size adapts to the image; those of an image follow each other.
    ///
    /// # Shapes
    /// - `images`, `known`: `[images, channels, height, width]`
    /// - `least`: `[images, latents]`
    ///
    /// # Errors
    /// As [`explain`](Self::explain), also where the energy of a step that was refused is not finite.
    ///
    /// # Panics
    /// If there are no images, or no sample of each.
    pub fn draw(
        &self,
        images: &Tensor<4>,
        known: Option<&Tensor<4>>,
        least: &Tensor<2>,
        options: PosteriorOptions,
        counter: StepCounter,
    ) -> Result<Explained, InferError> {
        let PosteriorOptions {
            samples,
            steps,
            seed,
        } = options;
        assert!(samples > 0, "expected at least 1 sample");
        self.each_some(images.dims()[0], 1, |one| {
            let known = known.map(|known| each_repeated(&rows(known, &one), samples));
            let posterior = self.posterior(each_repeated(&rows(images, &one), samples), known)?;
            let start = each_repeated(&rows(least, &one), samples);
            let first = (one.start * samples) as u32;
            let ids: Vec<u32> = (first..first + samples as u32).collect();
            let of_image = (self.energy(), &posterior);
            let drawn = adapted_draws(of_image, start, &ids, (steps, seed), &counter);
            let drawn = drawn.ok_or(InferError::NotDrawn { index: one.start })?;
            self.explained(&posterior, drawn, |_| one.start)
        })
    }

    /// About as many gradients as [`draw`](Self::draw) takes of an image.
    pub fn draw_gradients(options: PosteriorOptions) -> u64 {
        (options.samples * gradients_of_draw(options.steps)) as u64
    }

    /// What `work` finds of images, so many at a time.
    fn each_some(
        &self,
        images: usize,
        at_once: usize,
        work: impl Fn(Range<usize>) -> Result<Explained, InferError>,
    ) -> Result<Explained, InferError> {
        let found = pieces_of(images, at_once).into_iter().map(work);
        let found: Vec<Explained> = found.collect::<Result<_, _>>()?;
        let latents = found.iter().map(|some| some.latents.clone()).collect();
        Ok(Explained {
            latents: Tensor::cat(latents, 0),
            energies: found.into_iter().flat_map(|some| some.energies).collect(),
        })
    }

    /// Latent vectors with their energies, of which row `row` is of image number `image_of(row)`.
    fn explained(
        &self,
        posterior: &Posterior<'_>,
        latents: Tensor<2>,
        image_of: impl Fn(usize) -> usize,
    ) -> Result<Explained, InferError> {
        let pieces = chain_pieces(&self.device, latents.dims()[0]);
        let energies = each_piece(&self.device, pieces, |some| {
            let z = rows(&latents, &some);
            let energies = match posterior.of_rows(some) {
                Some(posterior) => posterior.energies(z),
                None => posterior.energies(z),
            };
            energies.into_data().iter::<f32>().collect::<Vec<_>>()
        });
        let energies = energies.concat();
        check_finite(&energies, image_of)?;
        Ok(Explained { latents, energies })
    }

    /// g(z) of latent vectors on the straight line from one to another, both ends included.
    ///
    /// # Shapes
    /// - `ends`: `[2, latents]`; returns `[pictures, channels, height, width]`
    ///
    /// # Errors
    /// Where there is no generator.
    pub fn between(&self, ends: &Tensor<2>, pictures: usize) -> Result<Tensor<4>, InferError> {
        let generator = self.generator()?;
        let [from, to] = [0, 1].map(|end| ends.clone().narrow(0, end, 1));
        let last = pictures.saturating_sub(1).max(1) as f64;
        let latents = (0..pictures).map(|place| {
            let share = place as f64 / last;
            from.clone() * (1.0 - share) + to.clone() * share
        });
        Ok(generator.generated(Tensor::cat(latents.collect(), 0)))
    }

    fn posterior(
        &self,
        images: Tensor<4>,
        known: Option<Tensor<4>>,
    ) -> Result<Posterior<'_>, InferError> {
        let posterior = Posterior::new(self.energy(), images);
        match known {
            Some(known) => {
                self.generator()?;
                Ok(posterior.with_known(known))
            }
            None => Ok(posterior),
        }
    }
}

/// Refuse energies of which one is not finite; that of row `row` is of image number `image_of(row)`.
fn check_finite(energies: &[f32], image_of: impl Fn(usize) -> usize) -> Result<(), InferError> {
    match energies.iter().position(|energy| !energy.is_finite()) {
        Some(row) => Err(InferError::NotFinite {
            index: image_of(row),
            energy: energies[row],
        }),
        None => Ok(()),
    }
}

fn rows<const D: usize>(all: &Tensor<D>, some: &Range<usize>) -> Tensor<D> {
    all.clone().narrow(0, some.start, some.len())
}

/// Every row so many times, one after the other.
fn each_repeated<const D: usize>(rows: &Tensor<D>, times: usize) -> Tensor<D> {
    let each = (0..rows.dims()[0]).flat_map(|row| {
        let one = rows.clone().narrow(0, row, 1);
        core::iter::repeat_n(one, times)
    });
    Tensor::cat(each.collect(), 0)
}
