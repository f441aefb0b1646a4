//! Fit ∇E to a vector field, on a tape of first order.

use core::ops::Range;

use burn::tensor::{Int, Tensor};
use ebm_core::rows::{one_per_row, row_sums};
use ebm_core::{Energy, chain_pieces, each_piece, pieces_of};
use ebm_model::{EnergyContext, EnergyModel, Frozen};

use super::{Gradient, StepContext, piece_size};
use crate::directional::directional_derivative;
use crate::gradient::{Batched, through_folding};

/// Root mean square of the displacement of a pixel over which an energy is differentiated: the error of the
/// gradient is least there, 1e-4 to 6e-3 of it, for energies of any scale.
///
/// It is in units of pixels whatever `input_scale` is: the network of the preset `photos`, which sees differences of
/// pixels ten times larger, has errors of 2e-4 to 3e-3 once it is trained. A tenth of the displacement would not help:
/// truncation falls below 3e-5, but the rounding of f32 grows to 7e-4 to 2e-3.
pub(crate) const DISPLACEMENT: f64 = 1.5e-3;

/// What ∇E is to be at some images.
pub(super) struct Field {
    /// x: where, `[batch, channels, height, width]`.
    pub(super) x: Tensor<4>,
    /// v: what ∇E(x) is to be, `[batch, channels, height, width]`.
    pub(super) gradient: Tensor<4>,
    /// w: how much each image counts, `[batch]`.
    pub(super) weights: Tensor<1>,
    /// The classes under which E is taken, `[batch]`; `None` for E(x) itself.
    pub(super) classes: Option<Tensor<1, Int>>,
    /// σ of the noise that E is told of, `[batch]`; `None` where it is not.
    pub(super) noise: Option<Tensor<1>>,
}

/// The gradient of the mean of ½·w·‖∇E(x) − v‖² over images and pixels with respect to the weights.
///
/// With r = ∇E(x) − v held constant it is that of w·r·∇E(x), a directional derivative. Tells `unexplained`, the
/// share of w·‖v‖² that is left, and `energy`, the mean of E(x).
pub(super) fn regress<M: EnergyModel + Sync>(
    model: &M,
    field: &Field,
    micro_batch: Option<usize>,
    step: &StepContext,
) -> Gradient {
    let tracked = Frozen::tracked(model);
    let frozen = tracked.valid();
    let (energies, gradients) = energies_and_gradients(&frozen, field, micro_batch);
    let residual = gradients - field.gradient.clone(); // [batch, channels, height, width]
    let [batch, channels, height, width] = residual.dims();
    let per_image = field.weights.clone() / (channels * height * width) as f64; // [batch]
    let batched = Batched {
        model: &frozen,
        device: residual.device(),
        images: batch,
        micro_batch,
        step,
        energy: |model: &M, some: Range<usize>| {
            let [x, residual] =
                [&field.x, &residual].map(|all| all.clone().narrow(0, some.start, some.len()));
            let (classes, noise) = (field.classes_of(&some), field.noise_of(&some));
            let energy = |x| {
                let context = EnergyContext {
                    classes: classes.as_ref(),
                    noise: noise.as_ref(),
                    ..EnergyContext::default()
                };
                model.energy_in(x, context, 1.0)
            };
            let slope = directional_derivative(energy, x, residual, DISPLACEMENT);
            slope * per_image.clone().narrow(0, some.start, some.len())
        },
    };
    let of_frozen = batched.separable_gradient(Tensor::mean).gradient;
    let weighted = |field: Tensor<4>| (row_sums(field.square()) * per_image.clone()).mean(); // [1]
    let left = weighted(residual.clone());
    let loss = left.clone() * 0.5;
    let terms = if step.record {
        vec![
            ("loss", loss.clone()),
            ("unexplained", left / weighted(field.gradient.clone())),
            ("energy", energies.mean()),
        ]
    } else {
        Vec::new()
    };
    Gradient {
        flat: through_folding(model, &tracked, of_frozen, None),
        loss,
        contrasted: None,
        terms,
    }
}

impl Field {
    fn classes_of(&self, some: &Range<usize>) -> Option<Tensor<1, Int>> {
        let classes = self.classes.clone();
        classes.map(|classes| classes.narrow(0, some.start, some.len()))
    }

    fn noise_of(&self, some: &Range<usize>) -> Option<Tensor<1>> {
        let noise = self.noise.clone();
        noise.map(|noise| noise.narrow(0, some.start, some.len()))
    }
}

/// E and ∇E at the images of a field, some images at a time.
fn energies_and_gradients<M: EnergyModel + Sync>(
    frozen: &Frozen<M>,
    field: &Field,
    micro_batch: Option<usize>,
) -> (Tensor<1>, Tensor<4>) {
    let (device, batch) = (field.x.device(), field.x.dims()[0]);
    let pieces = match piece_size(micro_batch, &device) {
        Some(images) => pieces_of(batch, images),
        None => chain_pieces(&device, batch),
    };
    let of_piece = |some: Range<usize>| {
        let x = field.x.clone().narrow(0, some.start, some.len());
        let energy = match field.classes_of(&some) {
            Some(classes) => frozen.given(classes),
            None => frozen.marginal(),
        };
        match field.noise_of(&some) {
            Some(noise) => energy.with_noise(noise).energies_and_gradients(x),
            None => energy.energies_and_gradients(x),
        }
    };
    let (energies, gradients) = each_piece(&device, pieces, of_piece).into_iter().unzip();
    (Tensor::cat(energies, 0), Tensor::cat(gradients, 0))
}

/// One factor for each image, `[batch, 1, 1, 1]`.
///
/// # Shapes
/// - `factors`: `[batch]`, `x`: `[batch, channels, height, width]`
pub(super) fn for_each_image(factors: Tensor<1>, x: &Tensor<4>) -> Tensor<4> {
    factors.reshape(one_per_row(x))
}
