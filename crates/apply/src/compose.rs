//! Draw images from several trained energies together: from their sum, or from their mixture.
//!
//! A sum is low where all of its energies are (and), and rises where one of negative weight falls (not); a mixture is
//! low where any of its energies is (or): Du, Li & Mordatch, *Compositional visual generation with energy based
//! models*, 2020. Each energy keeps its own network, and may have learned from other data.
//!
//! # What a weight of 1 means
//! The energy as its run has learned it. Training by chains fixes its slopes with regard to the run's own steps:
//! with steps ten times as long a run learns an energy about a tenth as steep. So energies of one recipe weigh alike,
//! and among chains with steps of size η, an energy that has learned with steps of size ηᵢ counts as in its own run
//! with the weight ηᵢ/η. Slopes add up: with many terms, or large weights, chains that were stable may not
//! be. Energies that a [flow](ebm_langevin#a-flow) has taught are velocities, so that the weights of a sum should add
//! to 1.

mod combine;
mod options;

use std::path::PathBuf;

use burn::tensor::Tensor;
use ebm_core::{Energy, ImageShape, index_tensor};
use ebm_langevin::StepCounter;
use ebm_model::{Frozen, Mixture, Network, Precision, Sum, UnsupportedPrecision};
use thiserror::Error;

use crate::sample::{Chains, SampleError, Samples};
use crate::score;
use crate::trained::{Trained, Weights};

pub use combine::{Combine, WeightsError};
pub use options::ComposeOptions;

/// An energy among others.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// How much it counts; below 0 for what images are not to be.
    pub weight: f64,
    /// The model.
    pub trained: &'a Trained,
    /// The class that it is given; without one it is E(x), the classes of a model that has some summed out.
    pub class: Option<u32>,
}

/// Energies that cannot be combined.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ComposeError {
    /// Their weights do not allow it.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// They are of images of different shapes.
    #[error("{} is of images of {}, and {} of images of {}", names[0].display(), shapes[0], names[1].display(), shapes[1])]
    OtherShape {
        /// The first checkpoint, and one of other images.
        names: [PathBuf; 2],
        /// Shapes of their images.
        shapes: [ImageShape; 2],
    },
    /// One has learned energies at noise levels, each of other images.
    #[error(
        "{} has learned an energy for each of several noise levels, and no single one that could be combined",
        checkpoint.display()
    )]
    Levels {
        /// Its checkpoint.
        checkpoint: PathBuf,
    },
    /// An energy whose chains are of latent vectors.
    #[error(
        "{} draws images by chains of latent vectors, which no other energy shares",
        checkpoint.display()
    )]
    Latents {
        /// Its checkpoint.
        checkpoint: PathBuf,
    },
}

/// Several energies as one.
#[derive(Clone, Debug)]
pub struct Composition<'a> {
    first: &'a Trained,
    /// One for each model, however many terms it has.
    networks: Vec<Frozen<Network>>,
    terms: Vec<Term>,
    combine: Combine,
}

/// An energy of a composition.
#[derive(Clone, Copy, Debug)]
struct Term {
    weight: f64,
    /// Place of its network.
    network: usize,
    class: Option<u32>,
}

impl<'a> Composition<'a> {
    /// The energies of `parts` combined, with these weights of their networks.
    ///
    /// # Errors
    /// Where their weights or the shapes of their images do not allow it, or one has learned energies at noise levels.
    ///
    /// # Panics
    /// If a model does not have the class that it is given, or the models are on different devices.
    pub fn new(
        parts: &[Part<'a>],
        combine: Combine,
        weights: Weights,
    ) -> Result<Self, ComposeError> {
        let of_parts: Vec<f64> = parts.iter().map(|part| part.weight).collect();
        combine.check(&of_parts)?;
        let first = parts[0].trained;
        let (mut models, mut terms) = (Vec::<&Trained>::new(), Vec::new());
        for part in parts {
            check(part, first)?;
            let known = models
                .iter()
                .position(|model| std::ptr::eq(*model, part.trained));
            if known.is_none() {
                models.push(part.trained);
            }
            terms.push(Term {
                weight: part.weight,
                network: known.unwrap_or(models.len() - 1),
                class: part.class,
            });
        }
        let networks = models.into_iter().map(|model| model.energy(weights));
        Ok(Self {
            first,
            networks: networks.collect(),
            terms,
            combine,
        })
    }

    /// The same with the networks in a precision.
    ///
    /// # Errors
    /// Where the device does not compute in it.
    pub fn rounded(self, precision: Precision) -> Result<Self, UnsupportedPrecision> {
        precision.check(self.first.device())?;
        let networks = self.networks.iter();
        Ok(Self {
            networks: networks.map(|network| network.rounded(precision)).collect(),
            ..self
        })
    }

    /// The model of the first energy, whose sampler is used unless another one is named.
    pub fn first(&self) -> &'a Trained {
        self.first
    }

    /// Shape of the images.
    pub fn shape(&self) -> ImageShape {
        self.first.shape()
    }

    /// Draw samples of the combined energy, by chains that start from noise. Each sample is the end of the one of
    /// [`ComposeOptions::best_of`] chains that ends at the least energy. `counter` counts
    /// [`ComposeOptions::num_gradients`] gradients, each of all energies together.
    ///
    /// # Errors
    /// Where an energy is not finite.
    ///
    /// # Panics
    /// If the steps do not fit in 24 bits, or `best_of` is 0.
    pub fn sample(
        &self,
        options: &ComposeOptions,
        counter: StepCounter,
    ) -> Result<Samples, SampleError> {
        let of_sampling = options.of_sampling();
        let chains = Chains {
            trained: self.first,
            options: &of_sampling,
            counter,
        };
        let energies = self.energies(of_sampling.labels.len());
        let weights = self.terms.iter().map(|term| term.weight);
        let terms: Vec<(f64, &dyn Energy<4>)> = weights
            .zip(energies.iter().map(|energy| energy.as_ref()))
            .collect();
        let energy: Box<dyn Energy<4> + '_> = match self.combine {
            Combine::And => Box::new(Sum::new(terms)),
            Combine::Or { sharpness } => Box::new(Mixture::new(terms, sharpness)),
        };
        let samples = chains.run(chains.noise(), energy.as_ref(), None)?;
        Ok(least_of_each(samples, options.best_of))
    }

    /// The energies of images under each term by itself, without its weight.
    ///
    /// # Shapes
    /// - `images`: `[num, channels, height, width]`, not tracked by autodiff
    pub fn energies_by_term(&self, images: &Tensor<4>) -> Vec<Vec<f32>> {
        let energies = self.energies(images.dims()[0]);
        energies
            .iter()
            .map(|energy| score::energies(energy.as_ref(), images.clone()))
            .collect()
    }

    /// The energy of every term, for batches of `num` images.
    fn energies(&self, num: usize) -> Vec<Box<dyn Energy<4> + '_>> {
        let terms = self.terms.iter();
        terms.map(|term| self.energy_of(term, num)).collect()
    }

    fn energy_of(&self, term: &Term, num: usize) -> Box<dyn Energy<4> + '_> {
        let network = &self.networks[term.network];
        score::under_class(network, term.class, num, self.first.device())
    }
}

/// Of every `group` consecutive chains the one of least energy; where several have it, the first of them.
fn least_of_each(samples: Samples, group: usize) -> Samples {
    if group == 1 {
        return samples;
    }
    let groups = samples.energies.chunks(group).enumerate();
    let kept: Vec<u32> = groups
        .map(|(place, energies)| (place * group + place_of_least(energies)) as u32)
        .collect();
    let indices = index_tensor(&kept, &samples.images.device());
    let select = |chains: Tensor<4>| chains.select(0, indices.clone());
    let energy_of = |&chain: &u32| samples.energies[chain as usize];
    Samples {
        energies: kept.iter().map(energy_of).collect(),
        images: select(samples.images),
        trajectory: samples.trajectory.into_iter().map(select).collect(),
        ..samples
    }
}

/// Place of the least of some energies; where several are equal, that of the first.
fn place_of_least(energies: &[f32]) -> usize {
    let places = 0..energies.len();
    let least = places.min_by(|&a, &b| energies[a].total_cmp(&energies[b]));
    least.expect("an energy")
}

/// Check that an energy can be combined with that of `first`.
fn check(part: &Part<'_>, first: &Trained) -> Result<(), ComposeError> {
    let Part { trained, class, .. } = part;
    if trained.shape() != first.shape() {
        return Err(ComposeError::OtherShape {
            names: [first, *trained].map(|it| it.checkpoint().to_owned()),
            shapes: [first, *trained].map(Trained::shape),
        });
    }
    if trained.config().objective.ladder().is_some() {
        let checkpoint = trained.checkpoint().to_owned();
        return Err(ComposeError::Levels { checkpoint });
    }
    if trained.has_latents() {
        let checkpoint = trained.checkpoint().to_owned();
        return Err(ComposeError::Latents { checkpoint });
    }
    let (found, expected) = (trained.device(), first.device());
    assert!(
        found == expected,
        "expected models on {expected:?}, got one on {found:?}"
    );
    if let Some(class) = class {
        let num_classes = trained.num_classes();
        assert!(
            (*class as usize) < num_classes,
            "expected one of {num_classes} classes, got class {class}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
