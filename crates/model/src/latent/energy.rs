//! Say what an energy of images and latent vectors does.

use burn::tensor::Tensor;
use ebm_core::rows::row_sums;

use super::inference::Inference;

/// An energy E(x, z) of images x and latent vectors z, p(x, z) ∝ exp(−E(x, z)).
///
/// Its part that no weight changes is ½‖z‖², but for a constant, so that z keeps near N(0, I) whatever else is learned.
pub trait LatentEnergy: Sync {
    /// d: elements of z.
    fn num_latents(&self) -> usize;

    /// E(x, z) of every pair.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, pixels in [0, 1], `z`: `[batch, latents]`
    /// - returns: `[batch]`
    fn joint_energy(&self, x: Tensor<4>, z: Tensor<2>) -> Tensor<1>;

    /// What the energy is made of, where images are generated from z; `None` for a free energy of both.
    fn generative(&self) -> Option<&dyn Generative>;

    /// How the z that explains an image is found.
    fn inference(&self) -> Inference;
}

/// An energy E(x, z) = ‖x − g(z)‖²/2σ² + E_prior(z) + ½‖z‖² (Pang et al., *Learning latent space energy-based prior
/// model*, 2020, eq. 2 and 3): images are generated from z, whose law is exp(−E_prior(z))·N(0, I).
pub trait Generative: Sync {
    /// g(z).
    ///
    /// # Shapes
    /// - `z`: `[batch, latents]`, returns `[batch, channels, height, width]`
    fn generated(&self, z: Tensor<2>) -> Tensor<4>;

    /// E_prior(z) + ½‖z‖².
    ///
    /// # Shapes
    /// - `z`: `[batch, latents]`, returns `[batch]`
    fn prior_energy(&self, z: Tensor<2>) -> Tensor<1>;

    /// σ, for pixels in [0, 1].
    fn observation_std(&self) -> f64;
}

/// ‖x − g(z)‖²/2σ² + E_prior(z) + ½‖z‖² of every pair; the first term over the `known` pixels alone, where they are
/// given: 1 where a pixel is known, 0 where it is not.
///
/// # Shapes
/// - `x`, `known`: `[batch, channels, height, width]`, `z`: `[batch, latents]`
/// - returns: `[batch]`
pub fn explained_energy(
    model: &(impl Generative + ?Sized),
    x: Tensor<4>,
    z: Tensor<2>,
    known: Option<&Tensor<4>>,
) -> Tensor<1> {
    let std = model.observation_std();
    let off = x - model.generated(z.clone());
    let off = match known {
        Some(known) => off * known.clone(),
        None => off,
    };
    row_sums(off.square()) / (2.0 * std * std) + model.prior_energy(z)
}

/// d/2, the mean of ½‖z‖² under N(0, I).
pub(super) fn mean_half_square(latents: usize) -> f64 {
    latents as f64 / 2.0
}

/// ½‖z‖².
///
/// # Shapes
/// - `z`: `[batch, latents]`, returns `[batch]`
pub(super) fn half_square(z: Tensor<2>) -> Tensor<1> {
    row_sums(z.square()) / 2.0
}
