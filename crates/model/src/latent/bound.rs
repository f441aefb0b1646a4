//! Bind an energy E(x, z) to one of the two, so that a sampler moves the other.

use core::ops::Range;

use burn::tensor::Tensor;
use ebm_core::Energy;

use super::energy::{Generative, LatentEnergy, explained_energy};

/// E(x, ·) of latent vectors, one for each of the images: −log p(z | x) but for a constant.
pub struct Posterior<'a> {
    model: &'a dyn LatentEnergy,
    /// `[batch, channels, height, width]`.
    images: Tensor<4>,
    /// 1 where a pixel is known, of the same shape.
    known: Option<Tensor<4>>,
}

impl<'a> Posterior<'a> {
    /// Given these images. The weights of the model are constants.
    ///
    /// # Shapes
    /// - `images`: `[batch, channels, height, width]`, not tracked by autodiff
    pub fn new(model: &'a dyn LatentEnergy, images: Tensor<4>) -> Self {
        Self {
            model,
            images,
            known: None,
        }
    }

    /// Given those of their pixels alone where `known` is 1.
    ///
    /// # Shapes
    /// - `known`: that of the images
    ///
    /// # Panics
    /// If the shapes differ, or the energy is a free one, which takes whole images.
    pub fn with_known(self, known: Tensor<4>) -> Self {
        let (dims, of_images) = (known.dims(), self.images.dims());
        assert_eq!(dims, of_images, "a mask has an element a pixel");
        assert!(
            self.model.generative().is_some(),
            "expected an energy with a generator, as a free one takes whole images"
        );
        Self {
            known: Some(known),
            ..self
        }
    }

    /// Elements of z.
    pub fn num_latents(&self) -> usize {
        self.model.num_latents()
    }
}

impl Energy<2> for Posterior<'_> {
    fn energies(&self, z: Tensor<2>) -> Tensor<1> {
        let images = self.images.clone();
        match (&self.known, self.model.generative()) {
            (Some(known), Some(model)) => explained_energy(model, images, z, Some(known)),
            _ => self.model.joint_energy(images, z),
        }
    }

    fn of_rows(&self, rows: Range<usize>) -> Option<Box<dyn Energy<2> + '_>> {
        let some = |of_all: &Tensor<4>| of_all.clone().narrow(0, rows.start, rows.len());
        Some(Box::new(Posterior {
            model: self.model,
            images: some(&self.images),
            known: self.known.as_ref().map(some),
        }))
    }
}

/// E_prior(z) + ½‖z‖²: the energy of latent vectors of which no image is known.
pub struct LatentPrior<'a>(pub &'a dyn Generative);

impl Energy<2> for LatentPrior<'_> {
    fn energies(&self, z: Tensor<2>) -> Tensor<1> {
        self.0.prior_energy(z)
    }
}

/// E(·, z) of images, one for each latent vector.
pub struct GivenLatent<'a> {
    model: &'a dyn LatentEnergy,
    /// `[batch, latents]`.
    latents: Tensor<2>,
}

impl<'a> GivenLatent<'a> {
    /// Given these latent vectors. The weights of the model are constants.
    ///
    /// # Shapes
    /// - `latents`: `[batch, latents]`, not tracked by autodiff
    pub fn new(model: &'a dyn LatentEnergy, latents: Tensor<2>) -> Self {
        Self { model, latents }
    }
}

impl Energy<4> for GivenLatent<'_> {
    fn energies(&self, x: Tensor<4>) -> Tensor<1> {
        self.model.joint_energy(x, self.latents.clone())
    }

    fn of_rows(&self, rows: Range<usize>) -> Option<Box<dyn Energy<4> + '_>> {
        Some(Box::new(GivenLatent {
            model: self.model,
            latents: self.latents.clone().narrow(0, rows.start, rows.len()),
        }))
    }
}
