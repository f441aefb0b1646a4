//! Say what an energy offers that is one of whitened coordinates, and what a network holds that it does not learn.

use burn::tensor::Tensor;
use ebm_core::Energy;

/// An energy E(z) of coordinates z that an image has, fewer than its pixels: where such energies are learned.
pub trait Whitened: Sync {
    /// z of every image.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, returns `[batch, dimensions]`
    fn coordinates(&self, x: Tensor<4>) -> Tensor<2>;

    /// E(z).
    ///
    /// # Shapes
    /// - `z`: `[batch, dimensions]`, returns `[batch]`
    fn energy_of(&self, z: Tensor<2>) -> Tensor<1>;

    /// ∇E(z) with respect to z.
    ///
    /// # Shapes
    /// - `z`: `[batch, dimensions]`, returns the same
    fn slopes(&self, z: Tensor<2>) -> Tensor<2>;

    /// ½‖∇E(z)‖² − ΔE(z), whose mean over data is least where E is −log p of them but for a constant (Hyvärinen 2005).
    ///
    /// # Shapes
    /// - `z`: `[batch, dimensions]`, returns `[batch]`
    fn score_matching(&self, z: Tensor<2>) -> Tensor<1>;
}

/// E(z) as the energy of states that are coordinates, which samplers move.
pub struct InCoordinates<'a>(pub &'a dyn Whitened);

impl Energy<2> for InCoordinates<'_> {
    fn energies(&self, z: Tensor<2>) -> Tensor<1> {
        self.0.energy_of(z)
    }

    fn energies_and_gradients(&self, z: Tensor<2>) -> (Tensor<1>, Tensor<2>) {
        (self.0.energy_of(z.clone()), self.0.slopes(z))
    }
}

/// A matrix that a network has measured and does not learn: no gradient, no decay and no average changes it.
#[derive(Debug)]
pub struct Constant<'a> {
    /// Its name in a checkpoint.
    pub name: &'static str,
    /// What it is, without autodiff.
    pub value: &'a mut Tensor<2>,
}
