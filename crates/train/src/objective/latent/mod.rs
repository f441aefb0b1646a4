//! Learn an energy E(x, z) of images and latent vectors from chains of z given data, and of what has no data.
//!
//! Pang et al., *Learning latent space energy-based prior model* (2020), algorithm 1. Chains are short, and start from
//! noise each time; their energies are those of [`ebm_model::LatentEnergy`].

mod chains;
#[cfg(test)]
mod tests;

use core::ops::Range;

use burn::tensor::Tensor;
use ebm_data::Batch;
use ebm_langevin::LangevinConfig;
use ebm_model::{EnergyModel, Frozen, LatentEnergy, Precision};

use super::contrastive::{EnergyL2, LossConfig, loss};
use super::{Gradient, Stateless, StepContext, halves};
use crate::gradient::{Batched, through_folding};
use chains::{Negatives, Pairs, ShortRuns};

/// Mean E(x₊, z₊) − mean E₋, with z₊ from chains given the data x₊.
///
/// Of a generator with a prior, E₋ = E_prior(z₋) + ½‖z₋‖² of chains of the prior: their difference to those of z₊
/// teaches the prior, and ‖x₊ − g(z₊)‖²/2σ² the generator (Pang et al. 2020, eq. 7 and 8). Of a free energy,
/// E₋ = E(x₋, z₋) of chains of both, and energies are held near 0 by their squares.
#[derive(Clone, Debug, PartialEq)]
pub struct Latent {
    /// How chains of the prior move; of a free energy, those of images.
    pub langevin: LangevinConfig,
    /// K₁: steps of a chain of z given an image.
    pub posterior_steps: usize,
    /// The penalty of energies of a free energy.
    pub energy_l2: EnergyL2,
    /// Floating-point precision of the chains' copy of the weights.
    pub precision: Precision,
    /// The most images for which a tape is held at a time; `None` for all.
    pub micro_batch: Option<usize>,
}

impl Stateless for Latent {
    /// Tells the means `e_pos` and `e_neg` of energies of z₊ and z₋, of a generator those of its prior alone, `gap`,
    /// `loss`, and of a generator `reconstruction`, the mean square of x₊ − g(z₊).
    ///
    /// # Panics
    /// If the model has no latent vectors.
    fn gradient_of<M: EnergyModel + Sync>(
        &self,
        model: &M,
        batch: &Batch,
        step: &StepContext,
    ) -> Gradient {
        let tracked = Frozen::tracked(model);
        let frozen = tracked.valid();
        let (size, device) = (batch.labels.len(), batch.images.device());
        let places = step.shard.places(size);
        let pairs = {
            let rounded = frozen.rounded(self.precision);
            let runs = ShortRuns {
                objective: self,
                model: latent_of(&*rounded),
                places: &places,
                step,
                device: &device,
            };
            runs.pairs(&batch.images)
        };
        let is_free = latent_of(&*frozen).generative().is_none();
        let total = |energies: Tensor<1>| self.loss_of(energies, is_free);
        let batched = Batched {
            model: &frozen,
            device,
            images: 2 * size,
            micro_batch: self.micro_batch,
            step,
            energy: |model: &M, some: Range<usize>| {
                energies_of(latent_of(model), &batch.images, &pairs, some)
            },
        };
        let found = batched.separable_gradient(total);
        let loss = total(found.energies.clone());
        Gradient {
            flat: through_folding(model, &tracked, found.gradient, None),
            terms: if step.record {
                terms(
                    latent_of(&*frozen),
                    &batch.images,
                    &pairs,
                    &found.energies,
                    &loss,
                )
            } else {
                Vec::new()
            },
            loss,
            contrasted: None,
        }
    }
}

impl Latent {
    /// The loss of energies of data, then of as many samples, `[2 · batch]`.
    fn loss_of(&self, energies: Tensor<1>, is_free: bool) -> Tensor<1> {
        let [e_pos, e_neg] = halves(&energies);
        let energy_l2 = if is_free {
            self.energy_l2
        } else {
            EnergyL2::from(0.0)
        };
        loss(&LossConfig::default(), e_pos, e_neg, energy_l2).total()
    }
}

fn latent_of<M: EnergyModel>(model: &M) -> &dyn LatentEnergy {
    let latent = model.latent();
    latent.expect("an objective of latent vectors needs a network that has them")
}

/// E(x₊, z₊) of the images of the data in a range, and E₋ of the samples in it, which are after all of these.
fn energies_of(
    model: &dyn LatentEnergy,
    images: &Tensor<4>,
    pairs: &Pairs,
    some: Range<usize>,
) -> Tensor<1> {
    let size = images.dims()[0];
    let of_data = some.start.min(size)..some.end.min(size);
    let of_samples = some.start.max(size) - size..some.end.max(size) - size;
    let mut energies = Vec::new();
    if !of_data.is_empty() {
        let x = rows(images, &of_data);
        energies.push(model.joint_energy(x, rows(&pairs.z_pos, &of_data)));
    }
    if !of_samples.is_empty() {
        energies.push(match (&pairs.negatives, model.generative()) {
            (Negatives::Latents(z), Some(model)) => model.prior_energy(rows(z, &of_samples)),
            (Negatives::Latents(_), None) => panic!("samples of a free energy have images"),
            (Negatives::Pairs(x, z), _) => {
                model.joint_energy(rows(x, &of_samples), rows(z, &of_samples))
            }
        });
    }
    Tensor::cat(energies, 0)
}

fn rows<const D: usize>(all: &Tensor<D>, some: &Range<usize>) -> Tensor<D> {
    all.clone().narrow(0, some.start, some.len())
}

/// What a user reads, in that order, `[1]` each. Energies are those of data, then of as many samples.
fn terms(
    model: &dyn LatentEnergy,
    images: &Tensor<4>,
    pairs: &Pairs,
    energies: &Tensor<1>,
    loss: &Tensor<1>,
) -> Vec<(&'static str, Tensor<1>)> {
    let [e_pos, e_neg] = halves(energies).map(Tensor::mean);
    let told = |e_pos: Tensor<1>| {
        vec![
            ("e_pos", e_pos.clone()),
            ("e_neg", e_neg.clone()),
            ("gap", e_neg.clone() - e_pos),
            ("loss", loss.clone()),
        ]
    };
    let Some(model) = model.generative() else {
        return told(e_pos);
    };
    let of_prior = model.prior_energy(pairs.z_pos.clone()).mean();
    let off = images.clone() - model.generated(pairs.z_pos.clone());
    let mut terms = told(of_prior);
    terms.push(("reconstruction", off.square().mean()));
    terms
}
