//! Restore pictures by a model, whichever way it can.

use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::Device;
use ebm_apply::denoise::Denoiser;
use ebm_apply::restore::{Mask, RestoreOptions, Restored};
use ebm_apply::{StepCounter, Trained, Weights};
use ebm_data::Photo;

use crate::pictures::log_converted;
use crate::trained::class;
use crate::typed::Mistyped;

/// Steps in which progress within a picture is counted, where it is not in gradients.
const STEPS: u64 = 1000;

/// A model, and how it restores.
pub(super) struct Restorer {
    model: Model,
    options: RestoreOptions,
}

enum Model {
    Denoising(Box<Denoiser>),
    Chains {
        trained: Box<Trained>,
        weights: Weights,
        class: Option<u32>,
    },
}

/// How far restorations are.
#[derive(Default)]
pub(super) struct Done {
    /// Steps of pictures that are restored by denoising.
    steps: AtomicU64,
    /// Gradients of those that are restored by chains.
    counter: StepCounter,
}

impl Done {
    /// Of the total of the restorer: one of both is 0.
    pub(super) fn so_far(&self) -> u64 {
        self.steps.load(Ordering::Relaxed) + self.counter.gradients()
    }
}

impl Restorer {
    /// The model that comes with the program.
    pub(super) fn shipped(device: &Device, options: RestoreOptions) -> Self {
        Self::new(
            Model::Denoising(Box::new(Denoiser::shipped(device))),
            options,
        )
    }

    /// A run, with a class where one is named.
    ///
    /// # Errors
    /// Where it cannot keep known pixels, or has no such class.
    pub(super) fn of(
        trained: Trained,
        weights: Weights,
        name: Option<&str>,
        options: RestoreOptions,
    ) -> anyhow::Result<Self> {
        if trained.is_denoiser() {
            if name.is_some() {
                let problem = "--class: a model that has learned to denoise is given no class";
                return Err(Mistyped(problem.to_owned()).into());
            }
            let denoiser = Denoiser::of(&trained, weights)?;
            return Ok(Self::new(Model::Denoising(Box::new(denoiser)), options));
        }
        let class = match name {
            Some(name) => Some(class(&trained, "--class", name)?),
            None => None,
        };
        trained.check_restoration()?;
        let model = Model::Chains {
            trained: Box::new(trained),
            weights,
            class,
        };
        Ok(Self::new(model, options))
    }

    fn new(model: Model, options: RestoreOptions) -> Self {
        Self { model, options }
    }

    /// What [`Done`] counts to over so many pictures.
    pub(super) fn total(&self, pictures: usize) -> u64 {
        let of_picture = match &self.model {
            Model::Denoising(_) => STEPS,
            Model::Chains { trained, class, .. } => {
                (self.options.samples * trained.gradients_of_restoration(*class)) as u64
            }
        };
        pictures as u64 * of_picture
    }

    /// Make a picture grey, or one in colour, where chains of the model take no others. It is said, also of a model that
    /// converts grey pictures itself.
    pub(super) fn convert(&self, photo: &mut Photo) {
        let found = photo.planes.shape.channels;
        match &self.model {
            // It makes three equal colours of grey by itself; of colours one that is of grey images takes each alone.
            Model::Denoising(denoiser) if found == 1 => log_converted(found, denoiser.channels()),
            Model::Denoising(_) => {}
            Model::Chains { trained, .. } => {
                let taken = trained.shape().channels;
                log_converted(found, taken);
                if found != taken {
                    photo.planes = photo.planes.in_channels(taken);
                }
            }
        }
    }

    /// Restorations of the picture at this place.
    pub(super) fn restore(
        &self,
        photo: &Photo,
        mask: &Mask,
        place: usize,
        done: &Done,
    ) -> anyhow::Result<Restored> {
        let (picture, options) = (&photo.planes, &self.options);
        match &self.model {
            Model::Denoising(denoiser) => {
                let mut report = |part: usize, parts: usize| {
                    let steps = STEPS * (place * parts + part) as u64 / parts as u64;
                    done.steps.store(steps, Ordering::Relaxed);
                };
                Ok(denoiser.restore(picture, mask, options, &mut report)?)
            }
            Model::Chains {
                trained,
                weights,
                class,
            } => {
                let counter = done.counter.clone();
                Ok(trained.restore(picture, mask, *class, *weights, options, counter)?)
            }
        }
    }
}
