//! Differentiate a loss of many energies with respect to the weights, some images at a time.
//!
//! A loss depends on the weights through energies alone, so that its gradient is
//! Σᵢ (∂L/∂Eᵢ) ∂E(xᵢ)/∂θ. The terms of pieces of the batch are computed on a tape each: on a CPU one
//! on each thread, and added in order, so that the sum does not depend on the number of threads. Where
//! ∂L/∂Eᵢ takes no other energy than Eᵢ, a piece is done with before the next begins, so that a thread
//! holds one tape at a time.

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
/// of computing energies twice unless the loss `is_separable`, a sum of terms of one energy each.
pub(crate) fn loss_gradient<M: EnergyModel + Sync>(
    model: &M,
    device: &Device,
    images: usize,
    micro_batch: Option<usize>,
    energy: impl Fn(&M, Range<usize>) -> Tensor<1> + Sync,
    (loss, is_separable): (impl Fn(Tensor<1>) -> Loss + Sync, bool),
) -> LossGradient {
    let parts = pieces_of(images, micro_batch.unwrap_or(images));
    let record = |piece: Range<usize>| Tape::record(model, piece, &energy);
    let mut gradient = Sum(None);
    if is_separable {
        let mut energies = Vec::new();
        for part in parts {
            let of_piece = |piece: Range<usize>| {
                let tape = record(piece.clone());
                // The other energies do not matter.
                let some = Tensor::zeros([images], device);
                let some = some.slice_assign([piece], tape.energies());
                (tape.energies(), tape.gradient(&derivative(&loss, some).1))
            };
            each_few(device, pieces(device, part), of_piece, |(some, term)| {
                energies.push(some);
                gradient.add(term);
            });
        }
        let energies = Tensor::cat(energies, 0);
        return LossGradient {
            loss: loss(energies.clone()),
            energies,
            gradient: gradient.total(),
        };
    }
    let whole = match parts.as_slice() {
        [all] => each_piece(device, pieces(device, all.clone()), record),
        _ => Vec::new(),
    };
    let energies = match whole.is_empty() {
        true => parts
            .iter()
            .map(|part| energy(model, part.clone()))
            .collect(),
        false => whole.iter().map(Tape::energies).collect(),
    };
    let energies = Tensor::cat(energies, 0);
    let (loss, coefficients) = derivative(&loss, energies.clone());
    let mut add = |term| gradient.add(term);
    match whole.is_empty() {
        true => parts.into_iter().for_each(|part| {
            let of_piece = |piece| record(piece).gradient(&coefficients);
            each_few(device, pieces(device, part), of_piece, &mut add);
        }),
        false => {
            let of_tape = |tape: Range<usize>| whole[tape.start].gradient(&coefficients);
            each_few(device, pieces_of(whole.len(), 1), of_tape, &mut add);
        }
    }
    LossGradient {
        energies,
        loss,
        gradient: gradient.total(),
    }
}

/// A loss, and ∂L/∂E of every energy, `[images]`.
fn derivative(loss: &impl Fn(Tensor<1>) -> Loss, energies: Tensor<1>) -> (Loss, Tensor<1>) {
    let tracked = energies.autodiff().require_grad();
    let loss = loss(tracked.clone());
    let gradients = loss.total().backward();
    let coefficients = tracked.grad(&gradients);
    (
        loss.inner(),
        coefficients.expect("a loss depends on energies"),
    )
}

/// The pieces of some images.
fn pieces(device: &Device, images: Range<usize>) -> Vec<Range<usize>> {
    let pieces = pieces_for(device, images.len(), CPU_PIECE).into_iter();
    let placed = pieces.map(|piece| images.start + piece.start..images.start + piece.end);
    placed.collect()
}

/// Takes what `work` makes of every piece, in order, and no more of it at a time than there are
/// threads, as each may hold a gradient of every weight.
fn each_few<T: Send>(
    device: &Device,
    pieces: Vec<Range<usize>>,
    work: impl Fn(Range<usize>) -> T + Sync,
    take: impl FnMut(T),
) {
    let few = pieces.chunks(rayon::current_num_threads());
    few.flat_map(|few| each_piece(device, few.to_vec(), &work))
        .for_each(take);
}

/// A sum of vectors, one after the other.
struct Sum(Option<Tensor<1>>);

impl Sum {
    fn add(&mut self, term: Tensor<1>) {
        self.0 = Some(match self.0.take() {
            Some(sum) => sum + term,
            None => term,
        });
    }

    fn total(self) -> Tensor<1> {
        self.0.expect("there are images")
    }
}

/// Energies of some images, and the copy of the weights that they depend on.
struct Tape<M> {
    images: Range<usize>,
    model: M,
    energies: Tensor<1>,
}

impl<M: EnergyModel> Tape<M> {
    fn record(
        model: &M,
        images: Range<usize>,
        energy: &impl Fn(&M, Range<usize>) -> Tensor<1>,
    ) -> Self {
        let model = parameters::trainable(model.clone());
        Self {
            energies: energy(&model, images.clone()),
            images,
            model,
        }
    }

    fn energies(&self) -> Tensor<1> {
        self.energies.clone().inner()
    }

    /// Σᵢ cᵢ ∂E(xᵢ)/∂θ over its images, of the coefficients of all, `[parameters]`.
    fn gradient(&self, coefficients: &Tensor<1>) -> Tensor<1> {
        let Range { start, .. } = self.images;
        let weights = coefficients.clone().narrow(0, start, self.images.len());
        let gradients = (self.energies.clone() * weights).sum().backward();
        parameters::flatten_gradients(&self.model, &gradients)
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
                let of = (of, kind.is_separable());
                let got = loss_gradient(&model, &device, IMAGES, micro_batch, energy, of);
                let error = (got.gradient - expected.clone()).abs().max();
                let error = error.into_scalar::<f32>() / largest;
                assert!(error <= 1e-5, "{error} for {kind:?}, {micro_batch:?}");
                assert_eq!(got.energies.dims(), [IMAGES]);
                assert!(got.loss.total().into_scalar::<f32>().is_finite());
            }
        }
    }
}
