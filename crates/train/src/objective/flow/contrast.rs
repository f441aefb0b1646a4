//! Contrast energies of data with those of samples that follow the flow, some of them from the data themselves.
//!
//! Balcerak et al., *Energy matching* (2025), the second phase; the floor, the share that is left out and the
//! halves are those of the code released with it, in the units that `docs/objectives.md` derives.

use core::ops::Range;

use burn::tensor::{Int, Tensor};
use ebm_core::{Energy, Stream, index_tensor};
use ebm_data::Batch;
use ebm_langevin::{LangevinConfig, Sampler};
use ebm_model::{EnergyModel, Frozen};

use super::noise_at_start;
use crate::gradient::{Batched, through_folding};
use crate::objective::{Gradient, StepContext, halves};

/// max(λ·(mean E(x₊) − mean E(x₋)), −floor), with chains x₋ that start half at data and half at noise.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowContrast {
    /// λ.
    pub weight: f64,
    /// How far below 0 the loss falls before its gradient ends.
    pub floor: f64,
    /// The share of samples, those of the highest energies, that is left out of their mean, in [0, 1).
    pub trimmed: f64,
    /// How chains move: along the flow, and on.
    pub langevin: LangevinConfig,
}

impl FlowContrast {
    /// The floor of the released code, 0.02, beside a flow loss that is ⅛ of the one there.
    pub const PUBLISHED_FLOOR: f64 = 0.02 / 8.0;

    /// Its loss on a batch, under E(x, y), or where `is_marginal` under E(x). Tells `contrastive`, `e_pos` and
    /// `e_neg`.
    pub(super) fn gradient<M: EnergyModel + Sync>(
        &self,
        model: &M,
        batch: &Batch,
        step: &StepContext,
        is_marginal: bool,
        micro_batch: Option<usize>,
    ) -> Gradient {
        let tracked = Frozen::tracked(model);
        let frozen = tracked.valid();
        let (size, device) = (batch.labels.len(), batch.images.device());
        let labels = index_tensor(&batch.labels, &device);
        let samples = self.samples(&frozen, batch, &labels, step, is_marginal);
        let images = Tensor::cat(vec![batch.images.clone(), samples], 0); // [2 · batch, ..]
        let classes = Tensor::cat(vec![labels.clone(), labels], 0); // [2 · batch]
        let loss = |energies: Tensor<1>| self.loss(energies);
        let batched = Batched {
            model: &frozen,
            device,
            images: 2 * size,
            micro_batch,
            step,
            energy: |model: &M, some: Range<usize>| {
                let x = images.clone().narrow(0, some.start, some.len());
                let y = classes.clone().narrow(0, some.start, some.len());
                match is_marginal {
                    true => model.energy(x),
                    false => model.energy_given(x, &y),
                }
            },
        };
        let found = batched.coupled_gradient(loss);
        let loss = self.loss(found.of_loss.clone());
        let mean = |at| found.energies.clone().narrow(0, at, size).mean();
        Gradient {
            terms: if step.record {
                vec![
                    ("contrastive", loss.clone()),
                    ("e_pos", mean(0)),
                    ("e_neg", mean(size)),
                ]
            } else {
                Vec::new()
            },
            flat: through_folding(model, &tracked, found.gradient, None),
            loss,
            contrasted: None,
        }
    }

    /// Chains after their steps, `[batch, channels, height, width]`: the first half from data.
    fn samples<M: EnergyModel + Sync>(
        &self,
        frozen: &Frozen<M>,
        batch: &Batch,
        labels: &Tensor<1, Int>,
        step: &StepContext,
        is_marginal: bool,
    ) -> Tensor<4> {
        let size = batch.labels.len();
        let places = step.shard.places(size);
        let noise = noise_at_start(
            &batch.images,
            &index_tensor(&places, &labels.device()),
            step.key,
        );
        let from_data = batch.images.clone().narrow(0, 0, size / 2);
        let from_noise = noise.narrow(0, size / 2, size - size / 2);
        let start = Tensor::cat(vec![from_data, from_noise], 0);
        let sampler = Sampler::new(self.langevin.clone(), step.key.stream(Stream::Langevin));
        let given = frozen.given(labels.clone());
        let energy: &dyn Energy<4> = if is_marginal { frozen } else { &given };
        sampler.run(start, &places, energy).x
    }

    /// The loss of energies of data, then of as many samples, `[2 · batch]`.
    fn loss(&self, energies: Tensor<1>) -> Tensor<1> {
        let size = energies.dims()[0] / 2;
        let [of_data, of_samples] = halves(&energies);
        let kept = size - (self.trimmed * size as f64) as usize;
        let highest = of_samples.clone().without_autodiff().sort(0);
        let highest = highest.narrow(0, kept - 1, 1); // [1]
        let is_kept = of_samples.clone().without_autodiff().lower_equal(highest);
        let is_kept = is_kept.float();
        let of_kept = (of_samples * is_kept.clone()).sum() / is_kept.sum();
        ((of_data.mean() - of_kept) * self.weight).clamp_min(-self.floor)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn contrast(floor: f64) -> FlowContrast {
        FlowContrast {
            weight: 0.5,
            floor,
            trimmed: 0.3,
            langevin: LangevinConfig::default(),
        }
    }

    /// The loss, and its gradient with respect to the energies.
    fn loss_and_gradient(floor: f64, energies: [f32; 8]) -> (f32, Vec<f32>) {
        let energies = Tensor::<1>::from_floats(energies, &Device::flex());
        let energies = energies.autodiff().require_grad();
        let loss = contrast(floor).loss(energies.clone());
        let value = loss.clone().inner().into_scalar::<f32>();
        let gradient = energies
            .grad(&loss.backward())
            .expect("tracked")
            .into_data();
        (value, gradient.iter::<f32>().collect())
    }

    #[test]
    fn the_highest_samples_are_left_out() {
        // 0.3 of four samples is one: 9 goes, and (1 + 2 + 3)/3 is left.
        let (loss, gradient) = loss_and_gradient(1.0, [4.0, 4.0, 2.0, 2.0, 1.0, 9.0, 3.0, 2.0]);
        assert_eq!(loss, 0.5 * (3.0 - 2.0));
        let (data, sample) = (0.125, -0.5 / 3.0);
        let expected = [data, data, data, data, sample, 0.0, sample, sample];
        for (found, expected) in gradient.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-7, "{gradient:?}");
        }
    }

    #[test]
    fn below_the_floor_nothing_is_learned() {
        let (loss, gradient) = loss_and_gradient(0.02, [0.0, 0.0, 0.0, 0.0, 1.0, 9.0, 3.0, 2.0]);
        assert_eq!((loss, gradient), (-0.02, vec![0.0; 8]));
    }
}
