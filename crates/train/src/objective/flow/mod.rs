//! Learn a flow from noise to data whose velocity is −∇E: flow matching on a scalar.
//!
//! Straight paths x_t = (1 − t)·x₀ + t·x₁ from noise x₀ to data x₁ (Lipman et al. 2023), all times under one
//! energy (Balcerak et al., *Energy matching*, 2025, the warm-up phase). There pixels are in [−1, 1] and
//! x₀ ~ N(0, I); in [0, 1] that is x₀ ~ N(½, ¼I), and time stays what it is.

mod contrast;
#[cfg(test)]
mod tests;

use burn::tensor::{Int, Tensor};
use ebm_core::{Distribution, StepKey, Stream, index_tensor};
use ebm_data::Batch;
use ebm_langevin::{Noise, perturb};
use ebm_model::EnergyModel;

use super::coupling::{Coupling, at_places};
use super::regression::{Field, for_each_image, regress};
use super::{Gradient, Stateless, StepContext, uniform_of_images};

pub use contrast::FlowContrast;

/// Keys of [`Stream::ObjectiveNoise`]: where paths start, and where chains of a contrast do.
const OF_PATHS: u32 = 0;
const OF_CHAINS: u32 = 1;

/// Mean of ½‖∇E(x_t) − (x₀ − x₁)‖² over images, pixels, noise and times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flow {
    /// Which noise is paired with which image.
    pub coupling: Coupling,
    /// A contrast of data with samples that is added to it.
    pub contrast: Option<FlowContrast>,
    /// Whether it is E(x) that is learned, its classes summed out, instead of E(x, y).
    pub marginal: bool,
    /// The most images for which a tape is held at a time; `None` for all.
    pub micro_batch: Option<usize>,
}

impl Stateless for Flow {
    fn is_coupled(&self) -> bool {
        self.contrast.is_some()
    }

    /// Tells `unexplained`, the share of the mean square velocity that −∇E leaves. Paths cross, so that it is
    /// above 0 for the best energy, too.
    fn gradient_of<M: EnergyModel + Sync>(
        &self,
        model: &M,
        batch: &Batch,
        step: &StepContext,
    ) -> Gradient {
        let device = batch.images.device();
        let places = step.shard.places(batch.labels.len());
        let ids = index_tensor(&places, &device);
        let noise = noise_at_start(&batch.images, &ids, step.key, OF_PATHS);
        let partners = self.coupling.partners(&noise, &batch.images);
        let (data, labels) = match partners {
            Some(partners) => (
                at_places(batch.images.clone(), &partners),
                partners
                    .iter()
                    .map(|&at| batch.labels[at as usize])
                    .collect(),
            ),
            None => (batch.images.clone(), batch.labels.clone()),
        };
        let t = for_each_image(uniform_of_images(&ids, step.key), &noise);
        let field = Field {
            x: noise.clone() + (data.clone() - noise.clone()) * t,
            weights: Tensor::ones([labels.len()], &device),
            classes: (!self.marginal).then(|| index_tensor(&labels, &device)),
            noise: None,
            gradient: noise - data,
        };
        let flow = regress(model, &field, self.micro_batch, step);
        match &self.contrast {
            None => flow,
            Some(contrast) => {
                let (is_marginal, micro_batch) = (self.marginal, self.micro_batch);
                let contrast = contrast.gradient(model, batch, step, is_marginal, micro_batch);
                flow.plus(1.0, contrast)
            }
        }
    }
}

/// x₀ ~ N(½, ¼I), of the shape of `images`; each `number` has its own.
fn noise_at_start(
    images: &Tensor<4>,
    ids: &Tensor<1, Int>,
    key: StepKey,
    number: u32,
) -> Tensor<4> {
    let normal = Noise {
        key: key.stream(Stream::ObjectiveNoise).at_step(number),
        distribution: Distribution::Normal,
        scale: 0.5,
    };
    perturb(images.full_like(0.5), ids, normal)
}
