//! Learn to tell classes apart: cross-entropy of p(y | x) ∝ exp(−T·E(x, y)).
//!
//! Grathwohl et al., *Your classifier is secretly an energy based model* (2020), eq. 3: an energy that is
//! given the class is a classifier whose logits are −E(x, y), here −T·E(x, y).

use core::ops::Range;

use burn::tensor::Tensor;
use ebm_core::{Stream, index_tensor};
use ebm_data::Batch;
use ebm_model::{EnergyModel, Frozen};

use super::{Gradient, Stateless, StepContext};
use crate::dropout::Dropout;
use crate::gradient::{Batched, through_folding};

/// Mean of −log p(y | x) over the batch, of a network with classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Classification {
    /// T > 0, which multiplies energies: p(y | x) ∝ exp(−T·E(x, y)).
    pub sharpness: f64,
    /// Probability with which elements are dropped in networks with dropout, in [0, 1).
    pub dropout_prob: f64,
    /// The most images for which a tape is held at a time; `None` for all.
    pub micro_batch: Option<usize>,
}

impl Default for Classification {
    /// T = 1.
    fn default() -> Self {
        Self {
            sharpness: 1.0,
            dropout_prob: 0.0,
            micro_batch: None,
        }
    }
}

impl Stateless for Classification {
    /// Tells `loss`, and `accuracy`, the share of the batch whose class has the least energy.
    ///
    /// # Panics
    /// If the model has no classes.
    fn gradient_of<M: EnergyModel + Sync>(
        &self,
        model: &M,
        batch: &Batch,
        step: &StepContext,
    ) -> Gradient {
        assert!(model.num_classes() > 0, "expected a network with classes");
        let tracked = Frozen::tracked(model);
        let frozen = tracked.valid();
        let device = batch.images.device();
        let dropout = Dropout::new(self.dropout_prob, step.key.stream(Stream::Dropout));
        let places = step.shard.places(batch.labels.len());
        let batched = Batched {
            model: &frozen,
            images: batch.labels.len(),
            micro_batch: self.micro_batch,
            step,
            energy: |model: &M, some: Range<usize>| {
                let images = batch.images.clone().narrow(0, some.start, some.len());
                let by_class = dropout.energies_by_class(model, images, &places[some.clone()]);
                let by_class = by_class * self.sharpness;
                surprises(by_class, &batch.labels[some])
            },
            device,
        };
        let found = batched.separable_gradient(Tensor::mean);
        let terms = if step.record {
            let by_class = frozen.energies_by_class(batch.images.clone());
            let accuracy = accuracy(by_class, &batch.labels);
            vec![
                ("loss", found.energies.clone().mean()),
                ("accuracy", accuracy),
            ]
        } else {
            Vec::new()
        };
        Gradient {
            flat: through_folding(model, &tracked, found.gradient, None),
            loss: found.energies.mean(),
            contrasted: None,
            terms,
        }
    }
}

/// −log p(y | x) = E(x, y) + log Σ exp(−E(x, ·)) of every image.
///
/// # Shapes
/// - `by_class`: `[batch, classes]`, returns `[batch]`
fn surprises(by_class: Tensor<2>, labels: &[u32]) -> Tensor<1> {
    let classes = index_tensor(labels, &by_class.device()).unsqueeze_dim::<2>(1); // [batch, 1]
    let least = by_class.clone().detach().min_dim(1); // [batch, 1]
    let centred = by_class - least;
    let own = centred.clone().gather(1, classes);
    (own + centred.neg().exp().sum_dim(1).log()).squeeze_dim(1)
}

/// Share of the images whose class has the least energy, `[1]`.
fn accuracy(by_class: Tensor<2>, labels: &[u32]) -> Tensor<1> {
    let classes = index_tensor(labels, &by_class.device());
    let least = by_class.argmin(1).squeeze_dim::<1>(1);
    least.equal(classes).float().mean()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn the_loss_is_the_cross_entropy_of_the_definition_for_energies_of_any_size() {
        let device = Device::flex();
        let energies =
            Tensor::<2>::from_floats([[0.0, 1.0, 2.0], [-3000.0, -3001.0, 0.0]], &device);
        let found = surprises(energies.clone(), &[1, 0]).into_data();
        let found: Vec<f64> = found.iter::<f64>().collect();
        let first = 1.0 + (1.0 + (-1f64).exp() + (-2f64).exp()).ln();
        let second = 1.0 + (1.0 + (-1f64).exp()).ln();
        assert!((found[0] - first).abs() < 1e-6 && (found[1] - second).abs() < 1e-6);
        assert_eq!(accuracy(energies, &[0, 0]).into_scalar::<f32>(), 0.5);
    }

    /// Classes at z = ±δ, of unit variance, have the log-odds 2δz.
    #[test]
    fn two_gaussians_are_told_apart_by_their_log_odds() {
        use crate::objective::gaussian::{
            BATCH, Odds, SLOPE, STD, assert_odds, data, learned, normal_density,
        };

        const AWAY: f64 = SLOPE / 2.0;
        let batch = |iteration| {
            let labels: Vec<u32> = (0..BATCH as u32).map(|place| place % 2).collect();
            let shift = |&label: &u32| [(2.0 * f64::from(label) - 1.0) * AWAY * STD[0], 0.0];
            let shifts: Vec<f32> = labels.iter().flat_map(shift).map(|it| it as f32).collect();
            let shifts = Tensor::<1>::from_floats(&shifts[..], &Device::flex());
            Batch {
                images: data(iteration).images + shifts.reshape([BATCH, 1, 1, 2]),
                labels,
            }
        };
        let sharpness = 2.0;
        let objective = Classification {
            sharpness,
            ..Classification::default()
        };
        let odds = learned(Odds::new(&Device::flex().autodiff()), objective, batch);
        assert_odds(&odds, sharpness, |z| {
            (normal_density(z, AWAY) + normal_density(z, -AWAY)) / 2.0
        });
    }

    /// Along its own direction, the loss rises as steeply as the gradient is long.
    #[test]
    fn the_gradient_is_that_of_the_loss_with_and_without_spectral_norm() {
        use ebm_core::{ImageShape, NoiseKey, PhiloxRng, Stream};
        use ebm_langevin::noise_images;
        use ebm_model::ConvNetConfig;

        use crate::parameters;

        let device = Device::flex();
        let shape = ImageShape::new(1, 16, 16);
        let batch = Batch {
            images: noise_images(20, shape, 3, &device),
            labels: (0..20).map(|i| i % 3).collect(),
        };
        for spectral_norm in [false, true] {
            let config = ConvNetConfig {
                num_classes: 3,
                class_head: true,
                spectral_norm,
                ..ConvNetConfig::uva_with_filters(4)
            };
            let mut rng = PhiloxRng::new(NoiseKey::new(0, Stream::Weights, 0), 0);
            let net = config
                .init(shape, &mut rng, &device.clone().autodiff())
                .expect("fits");
            let of = |vector: Option<&Tensor<1>>| {
                let net = match vector {
                    Some(vector) => parameters::unflatten(net.clone(), vector),
                    None => net.clone(),
                };
                let step = StepContext::default();
                let sharp = Classification {
                    sharpness: 2.0,
                    ..Classification::default()
                };
                sharp.gradient_of(&net, &batch, &step)
            };
            let gradient = of(None).flat;
            let length = gradient.clone().square().sum().sqrt().into_scalar::<f32>();
            let step = gradient / length * 0.01;
            let weights = parameters::flatten(&net);
            let [ahead, behind] = [weights.clone() + step.clone(), weights - step]
                .map(|at| of(Some(&at)).loss.into_scalar::<f32>());
            let slope = (ahead - behind) / 0.02;
            assert!(
                (slope / length - 1.0).abs() < 0.01,
                "{slope} is not {length}"
            );
        }
    }
}
