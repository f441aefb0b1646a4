//! Contrast energies of data with those of samples that follow the flow, some of them from the data themselves.
//!
//! Balcerak et al., *Energy matching* (2025), the second phase; the floor, the share that is left out and the
//! halves are those of the code released with it, in the units that `docs/objectives.md` derives.

use core::ops::Range;

use burn::tensor::Tensor;
use ebm_core::{Energy, Stream, index_tensor};
use ebm_data::Batch;
use ebm_langevin::{LangevinConfig, Sampler};
use ebm_model::{EnergyModel, Frozen, Precision};

use super::{OF_CHAINS, noise_at_start};
use crate::gradient::{Batched, through_folding};
use crate::objective::{Gradient, StepContext, halves, in_pieces};

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
    /// Floating-point precision of the chains' copy of the weights.
    pub precision: Precision,
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
        let samples = {
            let rounded = frozen.rounded(self.precision);
            let given = rounded.given(labels.clone());
            let energy: &dyn Energy<4> = if is_marginal { &rounded } else { &given };
            self.samples(energy, &batch.images, step, micro_batch)
        };
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

    /// Chains after their steps, `[batch, channels, height, width]`: the first half from data, the others from noise
    /// that the flow does not learn from in this step.
    fn samples(
        &self,
        energy: &dyn Energy<4>,
        images: &Tensor<4>,
        step: &StepContext,
        micro_batch: Option<usize>,
    ) -> Tensor<4> {
        let (size, device) = (images.dims()[0], images.device());
        let places = step.shard.places(size);
        let ids = index_tensor(&places, &device);
        let noise = noise_at_start(images, &ids, step.key, OF_CHAINS);
        let from_data = images.clone().narrow(0, 0, size / 2);
        let from_noise = noise.narrow(0, size / 2, size - size / 2);
        let start = Tensor::cat(vec![from_data, from_noise], 0);
        let sampler = Sampler::new(self.langevin.clone(), step.key.stream(Stream::Langevin));
        let sampler = in_pieces(sampler, micro_batch, &device);
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
    use burn::module::{Module, Param};
    use burn::tensor::{Device, FloatDType};
    use ebm_core::rows::row_sums;
    use ebm_core::{ImageShape, StepKey};
    use ebm_langevin::{Method, noise_images};
    use ebm_model::EnergyContext;

    use super::super::OF_PATHS;
    use super::*;

    fn contrast(floor: f64) -> FlowContrast {
        FlowContrast {
            weight: 0.5,
            floor,
            trimmed: 0.3,
            langevin: LangevinConfig::default(),
            precision: Precision::default(),
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

    const SHAPE: ImageShape = ImageShape::new(1, 2, 2);

    #[test]
    fn chains_start_at_noise_that_no_path_starts_at() {
        let images = noise_images(3, SHAPE, 3, &Device::flex());
        let ids = index_tensor(&[0, 1, 2], &images.device());
        let [paths, chains] = [OF_PATHS, OF_CHAINS].map(|number| {
            let noise = noise_at_start(&images, &ids, StepKey::new(1, 2), number);
            noise.into_data().iter::<f32>().collect::<Vec<_>>()
        });
        assert!(paths.iter().zip(&chains).all(|(one, other)| one != other));
    }

    #[test]
    fn chains_are_the_same_in_any_micro_batches() {
        let images = noise_images(5, SHAPE, 3, &Device::flex());
        let contrast = FlowContrast {
            langevin: LangevinConfig {
                flow_temperature: 0.01,
                flow_heated_from: 0.0,
                ..LangevinConfig::new(3).with_method(Method::Euler)
            },
            ..contrast(1.0)
        };
        let bowl = |x: Tensor<4>| -> Tensor<1> { row_sums(x.square()) };
        let step = StepContext::default();
        let of = |micro_batch| {
            let samples = contrast.samples(&bowl, &images, &step, micro_batch);
            samples.into_data()
        };
        assert_eq!(of(Some(2)), of(None));
    }

    /// E(x) = w·Σx, which is of f32 whatever the elements of w.
    #[derive(Module, Debug)]
    struct Tilted {
        weight: Param<Tensor<1>>,
    }

    impl EnergyModel for Tilted {
        fn energy_with(&self, x: Tensor<4>, _: EnergyContext<'_>) -> Tensor<1> {
            row_sums(x) * self.weight.val().cast(FloatDType::F32)
        }
    }

    #[test]
    fn chains_see_the_weights_in_their_precision_and_the_loss_does_not() {
        let device = Device::flex();
        let model = Tilted {
            weight: Param::from_data([1.0f32 / 3.0], &device.clone().autodiff()),
        };
        let batch = Batch {
            images: Tensor::full(SHAPE.batch(2), 0.8, &device),
            labels: vec![0; 2],
        };
        let energies = |precision| {
            let contrast = FlowContrast {
                langevin: LangevinConfig::new(1).with_method(Method::Euler),
                precision,
                ..contrast(1.0)
            };
            let step = StepContext::new(StepKey::default(), true);
            let found = contrast.gradient(&model, &batch, &step, true, None);
            let of = |name| {
                let mut terms = found.terms.iter();
                let term = terms.find(|(told, _)| *told == name).expect("told");
                term.1.clone().into_scalar::<f32>()
            };
            [of("e_pos"), of("e_neg")]
        };
        let [full, rounded] = [Precision::F32, Precision::F16].map(energies);
        assert_eq!(rounded[0], full[0]);
        // The image of the data goes down by w alone, of which f16 has 0.33325.
        let difference = (rounded[1] - full[1]).abs();
        assert!((1e-5..1e-3).contains(&difference), "{difference}");
    }
}
