//! Take the noise off chains that is left when their steps are done.

use burn::tensor::Tensor;

use super::dynamics::Dynamics;
use crate::kernel::descend;
use crate::step::Descent;

/// x ← clip(x − σ₀²∇E(x)), σ₀ = `std`: the mean of the images that noise of σ₀ has made x of, where E is the
/// energy of images with such noise (Tweedie's formula; Robbins 1956). Annealed Langevin dynamics ends by it (Li,
/// Chen & Sommer 2019; Song & Ermon 2020).
///
/// # Shapes
/// - `x`: `[batch, ..]`, not tracked by autodiff
pub(super) fn denoised<const D: usize>(
    dynamics: &Dynamics<'_, D>,
    x: Tensor<D>,
    std: f64,
) -> Tensor<D> {
    let (_, gradient) = dynamics.energy.energies_and_gradients(x.clone());
    let bounds = (dynamics.config.clip()).unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
    let descent = Descent {
        step_size: (std * std) as f32,
        inverse_temperature: 1.0,
        grad_clip: f32::INFINITY,
        bounds: bounds.map(|bound| bound as f32),
    };
    descend(x, gradient, &dynamics.index, descent, None)
}
