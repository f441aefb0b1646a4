//! Run the short chains of a step: of z given data, and of the prior or of pairs.

use burn::tensor::{Device, Int, Tensor};
use ebm_core::{Distribution, Stream, index_tensor};
use ebm_langevin::{LangevinConfig, Noise, Sampler, perturb};
use ebm_model::{Generative, LatentEnergy, LatentPrior, Posterior, alternate};

use super::Latent;
use crate::objective::{StepContext, in_pieces};

/// Keys of [`Stream::LatentStart`]: where chains of z given data start, and where those of samples do.
const OF_DATA: u32 = 0;
const OF_SAMPLES: u32 = 1;

/// Where the chains of a step have ended.
pub(super) struct Pairs {
    /// z₊ of every image of the data, `[batch, latents]`.
    pub(super) z_pos: Tensor<2>,
    /// What data are held against.
    pub(super) negatives: Negatives,
}

/// As many samples as there are images.
#[allow(clippy::large_enum_variant)] // one a step
pub(super) enum Negatives {
    /// z₋ of the prior, `[batch, latents]`.
    Latents(Tensor<2>),
    /// x₋ and z₋ of a free energy, `[batch, channels, height, width]` and `[batch, latents]`.
    Pairs(Tensor<4>, Tensor<2>),
}

/// The chains of a step.
pub(super) struct ShortRuns<'a> {
    pub(super) objective: &'a Latent,
    /// The energy, its weights constants.
    pub(super) model: &'a dyn LatentEnergy,
    /// The places of the batch's images among those of all shards, which key random numbers.
    pub(super) places: &'a [u32],
    pub(super) step: &'a StepContext<'a>,
    pub(super) device: &'a Device,
}

impl ShortRuns<'_> {
    /// z₊ given images of the data, and samples.
    ///
    /// # Shapes
    /// - `images`: `[batch, channels, height, width]`
    pub(super) fn pairs(&self, images: &Tensor<4>) -> Pairs {
        Pairs {
            z_pos: self.posterior(images.clone()),
            negatives: match self.model.generative() {
                Some(model) => Negatives::Latents(self.prior(model)),
                None => {
                    let (x, z) = self.joint(images);
                    Negatives::Pairs(x, z)
                }
            },
        }
    }

    /// z₊: K₁ steps of exp(−E(x₊, ·)) from N(0, I).
    fn posterior(&self, images: Tensor<4>) -> Tensor<2> {
        let langevin = self
            .model
            .inference()
            .chains(self.objective.posterior_steps);
        let energy = Posterior::new(self.model, images);
        let sampler = self.sampler(langevin, Stream::Posterior);
        sampler.run(self.latents(OF_DATA), self.places, &energy).x
    }

    /// z₋: K₀ steps of the prior from N(0, I).
    fn prior(&self, model: &dyn Generative) -> Tensor<2> {
        let langevin = self.objective.langevin.clone().with_bounds(None);
        let sampler = self.sampler(langevin, Stream::Langevin);
        let energy = LatentPrior(model);
        sampler
            .run(self.latents(OF_SAMPLES), self.places, &energy)
            .x
    }

    /// x₋ and z₋: steps of either given the other by turns, from uniform noise and N(0, I).
    fn joint(&self, images: &Tensor<4>) -> (Tensor<4>, Tensor<2>) {
        let langevin = self.objective.langevin.clone();
        let steps = langevin.num_steps;
        let of_latents = self.model.inference().chains(steps);
        let of_images = self.sampler(langevin, Stream::Langevin);
        let of_latents = self.sampler(of_latents, Stream::JointLatent);
        let noise = Noise {
            key: self.step.key.stream(Stream::Restart),
            distribution: Distribution::Uniform,
            scale: 1.0,
        };
        let x = perturb(images.zeros_like(), &self.ids(), noise);
        let start = (x, self.latents(OF_SAMPLES));
        alternate(
            self.model,
            [&of_images, &of_latents],
            start,
            self.places,
            0..steps,
        )
    }

    /// N(0, I), `[batch, latents]`.
    fn latents(&self, number: u32) -> Tensor<2> {
        let noise = Noise {
            key: self.step.key.stream(Stream::LatentStart).at_step(number),
            distribution: Distribution::Normal,
            scale: 1.0,
        };
        let shape = [self.places.len(), self.model.num_latents()];
        perturb(Tensor::zeros(shape, self.device), &self.ids(), noise)
    }

    fn ids(&self) -> Tensor<1, Int> {
        index_tensor(self.places, self.device)
    }

    fn sampler(&self, langevin: LangevinConfig, stream: Stream) -> Sampler {
        let sampler = Sampler::new(langevin, self.step.key.stream(stream));
        in_pieces(sampler, self.objective.micro_batch, self.device)
    }
}
