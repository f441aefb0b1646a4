//! Differentiate a loss of many energies with respect to the weights, some images at a time.
//!
//! A loss depends on the weights through energies alone, so that its gradient is
//! Σᵢ (∂L/∂Eᵢ) ∂E(xᵢ)/∂θ. The terms of pieces of the batch are computed on a tape each: on a CPU one
//! on each thread, and added in order, so that the sum does not depend on the number of threads.

use core::ops::Range;

use burn::tensor::{Device, Tensor};
use ebm_langevin::{each_piece, pieces_for, pieces_of};
use ebm_model::EnergyModel;

use crate::loss::Loss;
use crate::parameters;

/// Images of a piece on a CPU: enough to sum over, few enough that many cores have one each.
const CPU_PIECE: usize = 16;

/// A loss, what it is a loss of, and its gradient.
pub(crate) struct LossGradient {
    /// `[images]`.
    pub(crate) energies: Tensor<1>,
    pub(crate) loss: Loss,
    /// `[parameters]`.
    pub(crate) gradient: Tensor<1>,
}

/// The loss of the energies of `images` images, and its gradient with respect to the weights of
/// `model`, a network without spectral norm. `energy` gives the energies of some of the images,
/// `[range]`; with `micro_batch`, tapes for no more images than that are held at a time, at the price
/// of computing energies twice.
pub(crate) fn loss_gradient<M: EnergyModel + Sync>(
    model: &M,
    device: &Device,
    images: usize,
    micro_batch: Option<usize>,
    energy: impl Fn(&M, Range<usize>) -> Tensor<1> + Sync,
    loss: impl Fn(Tensor<1>) -> Loss,
) -> LossGradient {
    let parts = pieces_of(images, micro_batch.unwrap_or(images));
    let tapes = |part: &Range<usize>| Tapes::record(device, model, part.clone(), &energy);
    let mut whole = (parts.len() == 1).then(|| tapes(&parts[0]));
    let energies = match &whole {
        Some(tapes) => tapes.energies(),
        None => {
            let of_part = |part: &Range<usize>| energy(model, part.clone());
            Tensor::cat(parts.iter().map(of_part).collect(), 0)
        }
    };
    let tracked = energies.clone().autodiff().require_grad();
    let loss = loss(tracked.clone());
    let gradients = loss.total().backward();
    let coefficients = tracked.grad(&gradients);
    let coefficients = coefficients.expect("a loss depends on energies"); // [images]
    let of_part = |part: &Range<usize>| {
        let tapes = whole.take().unwrap_or_else(|| tapes(part));
        tapes.gradient(coefficients.clone())
    };
    let gradient = parts.iter().map(of_part).reduce(|sum, term| sum + term);
    LossGradient {
        energies,
        loss: loss.inner(),
        gradient: gradient.expect("there are images"),
    }
}

/// Energies of images, on a tape for each piece.
struct Tapes<'a, M> {
    device: &'a Device,
    tapes: Vec<Tape<M>>,
}

/// Energies of a piece, and the copy of the weights that they depend on.
struct Tape<M> {
    images: Range<usize>,
    model: M,
    energies: Tensor<1>,
}

impl<'a, M: EnergyModel + Sync> Tapes<'a, M> {
    fn record(
        device: &'a Device,
        model: &M,
        images: Range<usize>,
        energy: &(impl Fn(&M, Range<usize>) -> Tensor<1> + Sync),
    ) -> Self {
        let pieces = pieces_for(device, images.len(), CPU_PIECE);
        let tapes = each_piece(device, pieces, |piece| {
            let images = images.start + piece.start..images.start + piece.end;
            let model = parameters::trainable(model.clone());
            Tape {
                energies: energy(&model, images.clone()),
                images,
                model,
            }
        });
        Self { device, tapes }
    }

    fn energies(&self) -> Tensor<1> {
        let energies = self.tapes.iter().map(|tape| tape.energies.clone().inner());
        Tensor::cat(energies.collect(), 0)
    }

    /// Σᵢ cᵢ ∂E(xᵢ)/∂θ over these images, `[parameters]`.
    fn gradient(&self, coefficients: Tensor<1>) -> Tensor<1> {
        // So many at a time, as each holds a gradient of every weight.
        let at_once = rayon::current_num_threads();
        let mut sum = None;
        for start in (0..self.tapes.len()).step_by(at_once) {
            let end = (start + at_once).min(self.tapes.len());
            let each = (start..end).map(|tape| tape..tape + 1).collect();
            let terms = each_piece(self.device, each, |tape| {
                let Tape {
                    images,
                    model,
                    energies,
                } = &self.tapes[tape.start];
                let weights = coefficients.clone().narrow(0, images.start, images.len());
                let gradients = (energies.clone() * weights).sum().backward();
                parameters::flatten_gradients(model, &gradients)
            });
            sum = sum.into_iter().chain(terms).reduce(|sum, term| sum + term);
        }
        sum.expect("there are images")
    }
}

#[cfg(test)]
mod tests {
    use ebm_langevin::{NoiseKey, Stream, chain_tensor, perturb};

    use super::*;
    use crate::config::{Config, ModelConfig};
    use crate::loss::{Objective, ObjectiveConfig, loss};
    use crate::state::initial_model;

    /// The gradient of every objective from tapes of pieces is that of one tape of the whole.
    #[test]
    fn pieces_and_micro_batches_add_up_to_the_whole() {
        const IMAGES: usize = 52;
        let device = Device::flex();
        let shape = ebm_model::ImageShape {
            channels: 1,
            height: 16,
            width: 16,
        };
        let config = Config {
            model: ModelConfig {
                filters: Some(8),
                ..Default::default()
            },
            ..Config::default()
        };
        let model = initial_model(&config, shape, 0, &device)
            .expect("fits")
            .folded();
        let ids = chain_tensor(&(0..IMAGES as u32).collect::<Vec<_>>(), &device);
        let noise = ebm_langevin::Noise {
            key: NoiseKey::new(3, Stream::Sample, 0),
            distribution: ebm_langevin::Distribution::Uniform,
            scale: 1.0,
        };
        let x = perturb(
            Tensor::<4>::zeros([IMAGES, 1, 16, 16], &device),
            &ids,
            noise,
        );
        for kind in [Objective::Cd, Objective::Logsumexp, Objective::Softplus] {
            let objective = ObjectiveConfig {
                kind,
                sharpness: 2.0,
            };
            let of = |energies: Tensor<1>| {
                let half = |at| energies.clone().narrow(0, at, IMAGES / 2);
                loss(&objective, half(0), half(IMAGES / 2), 0.1)
            };
            let whole = parameters::trainable(model.clone());
            let gradients = of(whole.energy(x.clone())).total().backward();
            let expected = parameters::flatten_gradients(&whole, &gradients);
            let largest = expected.clone().abs().max().into_scalar::<f32>();
            for micro_batch in [None, Some(20), Some(1), Some(100)] {
                let energy = |model: &ebm_model::Network, some: Range<usize>| {
                    model.energy(x.clone().narrow(0, some.start, some.len()))
                };
                let got = loss_gradient(&model, &device, IMAGES, micro_batch, energy, of);
                let error = (got.gradient - expected.clone()).abs().max();
                let error = error.into_scalar::<f32>() / largest;
                assert!(error <= 1e-5, "{error} for {kind:?}, {micro_batch:?}");
                assert_eq!(got.energies.dims(), [IMAGES]);
            }
        }
    }
}
