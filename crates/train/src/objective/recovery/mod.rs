//! Learn energies at noise levels by taking one level of noise off at a time: diffusion recovery likelihood.
//!
//! Gao et al., *Learning energy-based models by diffusion recovery likelihood* (2021), algorithm 1. The levels, their
//! units and the chains are those of [`Ladder`].

#[cfg(test)]
mod tests;

use core::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::random::uniform;
use ebm_core::{Distribution, StepKey, Stream, index_tensor};
use ebm_data::Batch;
use ebm_langevin::{Ladder, Noise, Sampler, perturb};
use ebm_model::{EnergyContext, EnergyModel, Frozen, Precision};

use super::{Gradient, Stateless, StepContext, halves, in_pieces};
use crate::gradient::{Batched, through_folding};

/// Mean of w·(E(y₊, t) − E(y₋, t)) over images, each at a level t that is drawn evenly: y₊ are data with the noise of
/// t, and y₋ chains from the same data with the noise of the next level, tied to them.
///
/// E is −s²·log p(y₊ | x̃) but for the tie, which neither has a weight nor differs between the two on average, so that
/// one E for each level is what is learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovery {
    /// The noise levels.
    pub ladder: Ladder,
    /// K: Langevin steps of a chain.
    pub num_steps: usize,
    /// Floating-point precision of the chains' copy of the weights.
    pub precision: Precision,
    /// The most images for which a tape is held at a time; `None` for all.
    pub micro_batch: Option<usize>,
}

impl Stateless for Recovery {
    /// Tells the means `e_pos` and `e_neg` of energies of all levels without their weights, `gap`, `loss` and
    /// `contrastive`, which is the loss.
    ///
    /// # Panics
    /// If the model is not given as many noise levels as there are.
    fn gradient_of<M: EnergyModel + Sync>(
        &self,
        model: &M,
        batch: &Batch,
        step: &StepContext,
    ) -> Gradient {
        let (found, expected) = (model.num_levels(), self.ladder.num_levels());
        assert_eq!(
            found, expected,
            "expected a network of {expected} noise levels, got {found}"
        );
        let tracked = Frozen::tracked(model);
        let frozen = tracked.valid();
        let (size, device) = (batch.labels.len(), batch.images.device());
        let places = step.shard.places(size);
        let levels = self.levels(&places, step.key);
        let pair = self.noised(&batch.images, &levels, &places, step.key);
        let images = {
            let rounded = frozen.rounded(self.precision);
            let energy = rounded.given(index_tensor(&batch.labels, &device));
            let energy = energy.at_levels(index_tensor(&levels, &device));
            let key = step.key.stream(Stream::Langevin);
            let sampler = Sampler::new(Ladder::steps(self.num_steps), key);
            let sampler = in_pieces(sampler, self.micro_batch, &device);
            let run = self
                .ladder
                .recover(&sampler, &levels, pair.noisier, &places, &energy);
            Tensor::cat(vec![pair.clean, run.x], 0) // [2 · batch, ..]
        };
        let [classes, levels_of_both] = [&batch.labels, &levels]
            .map(|of_one| index_tensor(&[&of_one[..], of_one].concat(), &device));
        let weights = self.weights(&levels, &device); // [2 · batch]
        let batched = Batched {
            model: &frozen,
            device,
            images: 2 * size,
            micro_batch: self.micro_batch,
            step,
            energy: |model: &M, some: Range<usize>| {
                let x = images.clone().narrow(0, some.start, some.len());
                let [classes, levels] = [&classes, &levels_of_both]
                    .map(|all| all.clone().narrow(0, some.start, some.len()));
                let context = EnergyContext {
                    classes: (model.num_classes() > 0).then_some(&classes),
                    levels: Some(&levels),
                    ..EnergyContext::default()
                };
                model.energy_with(x, context)
            },
        };
        let weighted = |energies: Tensor<1>| (energies * weights.clone()).sum();
        let found = batched.separable_gradient(weighted);
        let loss = weighted(found.energies.clone());
        Gradient {
            flat: through_folding(model, &tracked, found.gradient, None),
            terms: if step.record {
                terms(&found.energies, &loss)
            } else {
                Vec::new()
            },
            loss,
            contrasted: None,
        }
    }
}

/// What a user reads, in that order, `[1]` each. Energies are those of data, then of as many samples.
fn terms(energies: &Tensor<1>, loss: &Tensor<1>) -> Vec<(&'static str, Tensor<1>)> {
    let [e_pos, e_neg] = halves(energies).map(Tensor::mean);
    vec![
        ("e_pos", e_pos.clone()),
        ("e_neg", e_neg.clone()),
        ("gap", e_neg - e_pos),
        ("loss", loss.clone()),
        ("contrastive", loss.clone()),
    ]
}

/// Data with two amounts of noise, `[batch, channels, height, width]` each.
pub(super) struct NoisedPair {
    /// y₊, with the noise of the image's level.
    pub(super) clean: Tensor<4>,
    /// x̃, the same with that of the next level.
    pub(super) noisier: Tensor<4>,
}

impl Recovery {
    /// t of the image at each place, evenly.
    pub(super) fn levels(&self, places: &[u32], key: StepKey) -> Vec<u32> {
        let key = key.stream(Stream::ObjectiveLevel);
        let count = self.ladder.num_levels() as f64;
        let draw = |&place: &u32| (f64::from(uniform(key.words(place, 0)[0])) * count) as u32;
        places.iter().map(draw).collect()
    }

    /// xₜ = ½ + ᾱ·(x − ½) + σ̄·ε, y₊ = ½ + a·(xₜ − ½), and x̃ = ½ + a·(xₜ − ½) + σ·ε′ (Gao et al. 2021, eq. 9 and
    /// 10); at the top level y₊ = xₜ.
    pub(super) fn noised(
        &self,
        images: &Tensor<4>,
        levels: &[u32],
        places: &[u32],
        key: StepKey,
    ) -> NoisedPair {
        let ids = index_tensor(places, &images.device());
        let normal = |number| {
            let standard = Noise {
                key: key.stream(Stream::ObjectiveNoise).at_step(number),
                distribution: Distribution::Normal,
                scale: 1.0,
            };
            perturb(images.zeros_like(), &ids, standard)
        };
        let ladder = &self.ladder;
        let signal = ladder.for_each(levels, |level| level.signal, images);
        let noise_std = ladder.for_each(levels, |level| level.noise_std, images);
        let shrink = ladder.for_each(levels, |level| level.shrink, images);
        let next_std = ladder.for_each(levels, |level| level.next_std, images);
        let scale = ladder.for_each(levels, |level| level.scale, images);
        let x_t = (images.clone() - 0.5) * signal + normal(0) * noise_std; // xₜ − ½
        NoisedPair {
            clean: x_t.clone() * scale + 0.5,
            noisier: x_t * shrink + normal(1) * next_std + 0.5,
        }
    }

    /// w/batch of every image of the data, then −w/batch of every sample, `[2 · batch]`.
    pub(super) fn weights(&self, levels: &[u32], device: &Device) -> Tensor<1> {
        let size = levels.len();
        let of_level = |&level: &u32| self.ladder.levels()[level as usize].weight / size as f64;
        let of_data: Vec<f32> = levels.iter().map(|level| of_level(level) as f32).collect();
        let of_samples = of_data.iter().map(|weight| -weight);
        let both: Vec<f32> = of_data.iter().copied().chain(of_samples).collect();
        Tensor::from_data(TensorData::new(both, [2 * size]), device)
    }
}
