//! Learn to take noise away: score matching of noised data, at one level of noise or many.
//!
//! Vincent, *A connection between score matching and denoising autoencoders* (2011), eq. 11; many levels under
//! one energy that is not told the level: Li et al., *Learning energy-based models in high-dimensional spaces
//! with multi-scale denoising score matching* (2019), eq. 9; one that is: Song & Ermon, *Generative modeling by
//! estimating gradients of the data distribution* (2019), eq. 5 and 6.

use burn::tensor::{Int, Tensor};
use ebm_core::{Distribution, StepKey, Stream, index_tensor};
use ebm_data::Batch;
use ebm_langevin::{Noise, perturb};
use ebm_model::EnergyModel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::regression::{Field, for_each_image, regress};
use super::{Gradient, Stateless, StepContext, uniform_of_images};

/// How levels of noise are spread between the least and the greatest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseSpacing {
    /// Their logarithms evenly.
    #[default]
    Geometric,
    /// Themselves evenly.
    Linear,
}

/// In what the error of a denoised image is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DenoisingError {
    /// In standard deviations of its noise: all levels count alike.
    #[default]
    Noise,
    /// In pixels: what counts is the mean square error of pictures.
    Image,
}

/// Mean of ½‖x̂ − x‖², over σ² where the error is measured in noise, of the denoised image
/// x̂ = x̃ − s·∇E(x̃) of x̃ = x + σ·n, with n ~ N(0, I).
///
/// s = σ², by which E is −log p of data with that noise; or s = σ₀² for all levels, by which one step denoises
/// an image whose level nobody knows. With s = σ² and errors in noise it is ½‖σ∇E(x + σn) − n‖².
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Denoising {
    /// The least and the greatest σ, for pixels in [0, 1]; above 0.
    pub noise: [f64; 2],
    /// How σ is spread between them.
    pub spacing: NoiseSpacing,
    /// σ₀; `None` for s = σ².
    pub reference: Option<f64>,
    /// Whether the energy is told σ.
    pub conditional: bool,
    /// What an error is measured in.
    pub error: DenoisingError,
    /// Whether it is E(x) that is learned, its classes summed out, instead of E(x, y).
    pub marginal: bool,
    /// The most images for which a tape is held at a time; `None` for all.
    pub micro_batch: Option<usize>,
}

impl Default for Denoising {
    fn default() -> Self {
        Self {
            noise: [0.02, 0.5],
            spacing: NoiseSpacing::default(),
            reference: None,
            conditional: false,
            error: DenoisingError::default(),
            marginal: false,
            micro_batch: None,
        }
    }
}

impl Stateless for Denoising {
    /// Tells `unexplained`, the share of the mean square noise that is left.
    fn gradient_of<M: EnergyModel + Sync>(
        &self,
        model: &M,
        batch: &Batch,
        step: &StepContext,
    ) -> Gradient {
        let device = batch.images.device();
        let places = step.shard.places(batch.labels.len());
        let ids = index_tensor(&places, &device);
        let sigma = self.levels(&ids, step.key); // [batch]
        let standard = Noise {
            key: step.key.stream(Stream::ObjectiveNoise),
            distribution: Distribution::Normal,
            scale: 1.0,
        };
        let noise = perturb(batch.images.zeros_like(), &ids, standard);
        let noise = noise * for_each_image(sigma.clone(), &batch.images); // σ·n
        let step_length = match self.reference {
            Some(reference) => sigma.full_like(reference * reference),
            None => sigma.clone().square(),
        };
        let in_pixels = step_length.clone().square();
        let field = Field {
            x: batch.images.clone() + noise.clone(),
            gradient: noise / for_each_image(step_length, &batch.images),
            weights: match self.error {
                DenoisingError::Image => in_pixels,
                DenoisingError::Noise => in_pixels / sigma.clone().square(),
            },
            classes: (!self.marginal).then(|| index_tensor(&batch.labels, &device)),
            noise: self.conditional.then_some(sigma),
        };
        regress(model, &field, self.micro_batch, step)
    }
}

impl Denoising {
    /// σ of every image, `[batch]`.
    pub(super) fn levels(&self, ids: &Tensor<1, Int>, key: StepKey) -> Tensor<1> {
        let share = uniform_of_images(ids, key);
        let [least, greatest] = self.noise;
        match self.spacing {
            NoiseSpacing::Linear => share * (greatest - least) + least,
            NoiseSpacing::Geometric => (share * (greatest / least).ln()).exp() * least,
        }
    }
}
