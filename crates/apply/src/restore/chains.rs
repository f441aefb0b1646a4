//! Put in missing pixels by chains of a run's own steps from noise, given the known ones.

use burn::tensor::{Tensor, TensorData};
use ebm_data::Planes;
use ebm_langevin::{
    Known, Stage, StepCounter, noise_images_of, sampler_outside_training, warm_up,
    warm_up_gradients,
};
use ebm_model::{Frozen, Network};

use super::{Mask, RestoreError, RestoreOptions, Restored, checked};
use crate::denoise::DenoiseError;
use crate::score;
use crate::trained::{Trained, Weights};

/// The missing pixels of images, as chains find them.
pub(crate) struct MissingPixels<'a> {
    pub(crate) trained: &'a Trained,
    pub(crate) weights: Weights,
    /// Of all images. Without one the likeliest of all of them, where the model has learned to tell them apart, and
    /// else E(x).
    pub(crate) class: Option<u32>,
    /// What is missing of every image.
    pub(crate) mask: &'a Mask,
    /// Steps of every chain.
    pub(crate) steps: usize,
    pub(crate) seed: u64,
    /// Counts gradients.
    pub(crate) counter: StepCounter,
}

impl MissingPixels<'_> {
    /// Refuse a run whose steps cannot keep known pixels.
    pub(crate) fn check(trained: &Trained) -> Result<(), RestoreError> {
        let config = trained.config();
        let key = if config.objective.ladder().is_some() || trained.has_latents() {
            format!("objective.kind={}", config.objective.kind)
        } else if config.langevin.method.is_flow() {
            format!("langevin.method={}", config.langevin.method)
        } else {
            return Ok(());
        };
        Err(RestoreError::OnlyWhole { key })
    }

    /// Gradients that an image takes in chains of `steps` steps.
    pub(crate) fn gradients_of(trained: &Trained, class: Option<u32>, steps: usize) -> usize {
        let langevin = &trained.config().langevin;
        let of_chain = warm_up_gradients(langevin) + langevin.gradients_of_sample(steps);
        classes_to_try(trained, class).len() * of_chain
    }

    /// The images with their missing pixels put in, the chain of the first being number `first`; of several classes
    /// that are tried, those of the least energy E(x, y).
    ///
    /// # Shapes
    /// - `images`: pixels of `[num, channels, height, width]`, of the model's shape; returns the same
    pub(crate) fn of(&self, images: Vec<f32>, first: u32) -> Result<Vec<f32>, RestoreError> {
        let model = self.trained.energy(self.weights);
        let stride = self.trained.shape().pixels();
        let mut likeliest = vec![(f32::INFINITY, Vec::new()); images.len() / stride];
        for class in classes_to_try(self.trained, self.class) {
            let (energies, pixels) = self.under(&model, class, images.clone(), first)?;
            let ends = energies.into_iter().zip(pixels.chunks_exact(stride));
            for (likeliest, (energy, pixels)) in likeliest.iter_mut().zip(ends) {
                if energy < likeliest.0 {
                    *likeliest = (energy, pixels.to_vec());
                }
            }
        }
        let pixels = likeliest.into_iter().flat_map(|(_, pixels)| pixels);
        Ok(pixels.collect())
    }

    /// The images with their missing pixels put in under one class, or E(x) without one, and their energies.
    fn under(
        &self,
        model: &Frozen<Network>,
        class: Option<u32>,
        images: Vec<f32>,
        first: u32,
    ) -> Result<(Vec<f32>, Vec<f32>), RestoreError> {
        let (trained, shape) = (self.trained, self.trained.shape());
        let num = images.len() / shape.pixels();
        let known = self.mask.missing.iter().map(|missing| f32::from(!missing));
        let known: Vec<f32> = known.collect::<Vec<_>>().repeat(shape.channels * num);
        let tensor = |values: Vec<f32>| -> Tensor<4> {
            Tensor::from_data(TensorData::new(values, shape.batch(num)), trained.device())
        };
        let of_class = score::under_class(model, class, num, trained.device());
        let energy = Known::new(of_class.as_ref(), tensor(images), tensor(known));
        let ids: Vec<u32> = (first..).take(num).collect();
        let chains = first..first + num as u32;
        let noise = noise_images_of(chains, shape, self.seed, trained.device());
        let langevin = &trained.config().langevin;
        let (start, scale) = warm_up::<4>(
            &energy,
            langevin,
            energy.filled(noise),
            self.seed,
            trained.step_scale(),
            &self.counter,
        );
        let sampler = sampler_outside_training(langevin, self.steps, self.seed, Stage::Chains)
            .with_step_scale(scale)
            .with_counter(self.counter.clone());
        let ended = energy.filled(sampler.run(start, &ids, &energy).x);
        let energies = score::energies(of_class.as_ref(), ended.clone());
        let pixels: Vec<f32> = ended.into_data().iter::<f32>().collect();
        match pixels
            .iter()
            .chain(&energies)
            .find(|value| !value.is_finite())
        {
            Some(&value) => Err(RestoreError::Diverged { value }),
            None => Ok((energies, pixels)),
        }
    }
}

/// The classes under which an image of an unknown class is restored: each that the model has learned to tell apart, as
/// its energies E(x, y) can then be compared.
fn classes_to_try(trained: &Trained, class: Option<u32>) -> Vec<Option<u32>> {
    let objective = &trained.config().objective;
    match class {
        None if objective.needs_classes() && !objective.is_marginal() => {
            (0..trained.num_classes() as u32).map(Some).collect()
        }
        class => vec![class],
    }
}

impl Trained {
    /// Gradients that [`Trained::restore`] takes for each restoration under this class, if there is one.
    pub fn gradients_of_restoration(&self, class: Option<u32>) -> usize {
        MissingPixels::gradients_of(self, class, self.config().output.sample_steps)
    }

    /// Refuse a run that draws whole images alone, whatever the picture.
    ///
    /// # Errors
    /// Where [`Trained::restore`] cannot keep known pixels.
    pub fn check_restoration(&self) -> Result<(), RestoreError> {
        MissingPixels::check(self)
    }

    /// Put in what is missing of a picture by chains of the run's own steps from noise, given the known pixels and, of
    /// a model of E(x, y), the `class`; without one by E(x), or where the model has learned to tell classes apart under
    /// each of them, of which the likeliest is kept. `counter` counts their gradients. A model that has learned
    /// to denoise is better used by [`Denoiser::restore`](crate::denoise::Denoiser::restore).
    ///
    /// # Errors
    /// As [`Denoiser::restore`](crate::denoise::Denoiser::restore), where the picture is not of the model's shape
    /// ([`Planes::in_channels`] makes grey of colours, and the other way round), the
    /// run draws whole images along a path from noise, or chains diverge.
    ///
    /// # Panics
    /// If the model has no such class.
    pub fn restore(
        &self,
        picture: &Planes,
        mask: &Mask,
        class: Option<u32>,
        weights: Weights,
        options: &RestoreOptions,
        counter: StepCounter,
    ) -> Result<Restored, RestoreError> {
        checked(picture, mask)?;
        MissingPixels::check(self)?;
        if picture.shape != self.shape() {
            let (expected, got) = (self.shape(), picture.shape);
            if expected.channels != got.channels {
                let (expected, got) = (expected.channels, got.channels);
                return Err(RestoreError::OtherChannels { expected, got });
            }
            return Err(DenoiseError::OtherSize { expected, got }.into());
        }
        let chains = MissingPixels {
            trained: self,
            weights,
            class,
            mask,
            steps: self.config().output.sample_steps,
            seed: options.seed,
            counter,
        };
        let pixels = chains.of(picture.pixels.repeat(options.samples), 0)?;
        let samples = pixels.chunks(picture.shape.pixels()).map(|pixels| Planes {
            pixels: pixels.to_vec(),
            shape: picture.shape,
        });
        Ok(Restored {
            samples: samples.collect(),
        })
    }
}
