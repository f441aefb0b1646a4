//! Differentiate a loss of many energies with respect to the weights, some images at a time.
//!
//! A loss depends on the weights through energies alone, so that its gradient is
//! Σᵢ (∂L/∂Eᵢ) ∂E(xᵢ)/∂θ. The terms of pieces of the batch are computed on a tape each: on a CPU one
//! on each thread, and added in order, so that the sum does not depend on the number of threads. Where
//! ∂L/∂Eᵢ takes no other energy than Eᵢ, a piece is done with before the next begins, so that a thread
//! holds one tape at a time.

use core::ops::Range;

use burn::tensor::{Device, Tensor};
use ebm_core::{Shard, each_piece, pieces_for, pieces_of};
use ebm_model::{EnergyModel, Frozen};

use crate::objective::StepContext;
use crate::parameters;

/// Images of a piece on a CPU: enough to sum over, few enough that many cores have one each.
const CPU_PIECE: usize = 16;

/// Energies, and the gradient of a loss of them.
pub(crate) struct LossGradient {
    /// `[images]`.
    pub(crate) energies: Tensor<1>,
    /// Those that the loss is taken of: of data of all shards, then of their samples, where it couples energies; else
    /// `energies` themselves.
    pub(crate) of_loss: Tensor<1>,
    /// `[parameters]`.
    pub(crate) gradient: Tensor<1>,
}

/// Energies of a batch of images under one network, computed some images at a time.
pub(crate) struct Batched<'a, M, F> {
    /// A network without spectral norm.
    pub(crate) model: &'a Frozen<M>,
    pub(crate) device: Device,
    /// Images of the batch.
    pub(crate) images: usize,
    /// The most images for which a tape is held at a time; `None` for all.
    pub(crate) micro_batch: Option<usize>,
    /// The step, in which all shards meet where a loss couples energies.
    pub(crate) step: &'a StepContext<'a>,
    /// The energies of some of the images, `[range]`.
    pub(crate) energy: F,
}

impl<M, F> Batched<'_, M, F>
where
    M: EnergyModel + Sync,
    F: Fn(&M, Range<usize>) -> Tensor<1> + Sync,
{
    /// The gradient of a loss that is a sum of terms of one energy each: a piece is done with before
    /// the next begins.
    pub(crate) fn separable_gradient(
        &self,
        loss: impl Fn(Tensor<1>) -> Tensor<1> + Sync,
    ) -> LossGradient {
        let of_piece = |piece: Range<usize>| {
            let tape = self.record(piece.clone());
            // The loss takes energies of all images; those of other pieces do not matter here.
            let some = Tensor::zeros([self.images], &self.device);
            let some = some.slice_assign([piece], tape.energies());
            (tape.energies(), tape.gradient(&derivative(&loss, some)))
        };
        let (mut energies, mut gradient) = (Vec::new(), Sum(None));
        for part in self.parts() {
            each_few(
                &self.device,
                pieces(&self.device, part),
                of_piece,
                |(some, term)| {
                    energies.push(some);
                    gradient.add(term);
                },
            );
        }
        let energies = Tensor::cat(energies, 0);
        LossGradient {
            of_loss: energies.clone(),
            energies,
            gradient: gradient.total(),
        }
    }

    /// The gradient of a loss in which energies of different images meet, those of other shards among them: all
    /// energies come first. Images are data, then as many samples. With several micro-batches energies are computed
    /// twice, as no tape outlives its part.
    ///
    /// Times the number of shards, over which gradients are averaged.
    pub(crate) fn coupled_gradient(
        &self,
        loss: impl Fn(Tensor<1>) -> Tensor<1> + Sync,
    ) -> LossGradient {
        match self.parts().as_slice() {
            [all] => self.coupled_on_held_tapes(all.clone(), loss),
            parts => self.coupled_on_new_tapes(parts, loss),
        }
    }

    fn coupled_on_held_tapes(
        &self,
        all: Range<usize>,
        loss: impl Fn(Tensor<1>) -> Tensor<1> + Sync,
    ) -> LossGradient {
        let record = |piece| self.record(piece);
        let tapes = each_piece(&self.device, pieces(&self.device, all), record);
        let energies = Tensor::cat(tapes.iter().map(Tape::energies).collect(), 0);
        let (of_loss, coefficients) = self.among_all_shards(&energies, loss);
        let mut gradient = Sum(None);
        let of_tape = |tape: Range<usize>| tapes[tape.start].gradient(&coefficients);
        each_few(&self.device, pieces_of(tapes.len(), 1), of_tape, |term| {
            gradient.add(term)
        });
        LossGradient {
            energies,
            of_loss,
            gradient: gradient.total(),
        }
    }

    fn coupled_on_new_tapes(
        &self,
        parts: &[Range<usize>],
        loss: impl Fn(Tensor<1>) -> Tensor<1> + Sync,
    ) -> LossGradient {
        let energy = |part: &Range<usize>| (self.energy)(self.model, part.clone());
        let energies = Tensor::cat(parts.iter().map(energy).collect(), 0);
        let (of_loss, coefficients) = self.among_all_shards(&energies, loss);
        let mut gradient = Sum(None);
        for part in parts {
            let of_piece = |piece| self.record(piece).gradient(&coefficients);
            let pieces = pieces(&self.device, part.clone());
            each_few(&self.device, pieces, of_piece, |term| gradient.add(term));
        }
        LossGradient {
            energies,
            of_loss,
            gradient: gradient.total(),
        }
    }

    /// The energies of all shards, and how much each of this one's counts in a loss of them, times the number of
    /// shards.
    fn among_all_shards(
        &self,
        own: &Tensor<1>,
        loss: impl Fn(Tensor<1>) -> Tensor<1>,
    ) -> (Tensor<1>, Tensor<1>) {
        let Shard { rank, world } = self.step.shard;
        if world == 1 {
            return (own.clone(), derivative(&loss, own.clone()));
        }
        let half = self.images / 2;
        let own = own.clone().into_data();
        let of_shards = self.step.gather(own.iter::<f64>().collect());
        let halves = [0, half].map(|at| of_shards.iter().flat_map(move |all| &all[at..at + half]));
        let all: Vec<f32> = halves
            .into_iter()
            .flatten()
            .map(|&energy| energy as f32)
            .collect();
        let all = Tensor::<1>::from_floats(&all[..], &self.device);
        let derivative = derivative(&loss, all.clone()) * f64::from(world);
        let halves = [0, world].map(|before| {
            let start = (before + rank) as usize * half;
            derivative.clone().narrow(0, start, half)
        });
        (all, Tensor::cat(halves.into(), 0))
    }

    fn parts(&self) -> Vec<Range<usize>> {
        pieces_of(self.images, self.micro_batch.unwrap_or(self.images))
    }

    /// The energies of a piece, on a tape of its own.
    fn record(&self, images: Range<usize>) -> Tape<M> {
        let model = parameters::trainable((**self.model).clone());
        Tape {
            energies: (self.energy)(&model, images.clone()),
            images,
            model,
        }
    }
}

/// The gradient with respect to the model's own weights, of one with respect to the frozen weights that
/// were computed from them, and of what else depends on those. Without spectral norm and anything else,
/// nothing stands between the two.
pub(crate) fn through_folding<M: EnergyModel>(
    model: &M,
    tracked: &Frozen<M>,
    of_frozen: Tensor<1>,
    surrogate: Option<Tensor<1>>,
) -> Tensor<1> {
    if surrogate.is_none() && model.clone().spectral_norms().is_empty() {
        return of_frozen;
    }
    let weights = parameters::dot(&**tracked, &of_frozen);
    let total = surrogate.into_iter().fold(weights, Tensor::add);
    parameters::flatten_gradients(model, &total.backward())
}

/// ∂L/∂E of every energy, `[images]`.
fn derivative(loss: &impl Fn(Tensor<1>) -> Tensor<1>, energies: Tensor<1>) -> Tensor<1> {
    let tracked = energies.autodiff().require_grad();
    let gradients = loss(tracked.clone()).backward();
    tracked
        .grad(&gradients)
        .expect("a loss depends on energies")
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
    use ebm_core::{ImageShape, NoiseKey, PhiloxRng, Stream};
    use ebm_langevin::noise_images;
    use ebm_model::ConvNetConfig;

    use super::*;
    use crate::objective::contrastive::{LossConfig, LossKind, loss};

    /// The gradient of every loss from tapes of pieces is that of one tape of the whole.
    #[test]
    fn pieces_and_micro_batches_add_up_to_the_whole() {
        const IMAGES: usize = 52;
        let device = Device::flex();
        let shape = ImageShape::new(1, 16, 16);
        let mut rng = PhiloxRng::new(NoiseKey::new(0, Stream::Weights, 0), 0);
        let net = ConvNetConfig::uva_with_filters(8);
        let net = net.init(shape, &mut rng, &device).expect("fits");
        let frozen = Frozen::new(&net);
        let x = noise_images(IMAGES, shape, 3, &device);
        for kind in [LossKind::Cd, LossKind::Logsumexp, LossKind::Softplus] {
            let objective = LossConfig {
                kind,
                sharpness: 2.0,
            };
            let of = |energies: Tensor<1>| {
                let half = |at| energies.clone().narrow(0, at, IMAGES / 2);
                loss(&objective, half(0), half(IMAGES / 2), 0.1.into()).total()
            };
            let whole = parameters::trainable((*frozen).clone());
            let gradients = of(whole.energy(x.clone())).backward();
            let expected = parameters::flatten_gradients(&whole, &gradients);
            let largest = expected.clone().abs().max().into_scalar::<f32>();
            for micro_batch in [None, Some(20), Some(1), Some(100)] {
                let batched = Batched {
                    model: &frozen,
                    device: device.clone(),
                    images: IMAGES,
                    micro_batch,
                    step: &StepContext::default(),
                    energy: |model: &ebm_model::ConvNet, some: Range<usize>| {
                        model.energy(x.clone().narrow(0, some.start, some.len()))
                    },
                };
                let got = if kind.is_separable() {
                    batched.separable_gradient(of)
                } else {
                    batched.coupled_gradient(of)
                };
                let error = (got.gradient - expected.clone()).abs().max();
                let error = error.into_scalar::<f32>() / largest;
                assert!(error <= 1e-5, "{error} for {kind:?}, {micro_batch:?}");
                assert_eq!(got.energies.dims(), [IMAGES]);
            }
        }
    }
}
