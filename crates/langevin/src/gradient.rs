//! Differentiate an energy with respect to its input; the only file that touches the tape.

use burn::tensor::Tensor;

/// An energy of states, each a function of its own state alone. A function from states to energies is one.
pub trait Energy<const D: usize> {
    /// E of every state.
    ///
    /// # Shapes
    /// - `x`: `[batch, ..]`, returns `[batch]`
    fn energies(&self, x: Tensor<D>) -> Tensor<1>;

    /// As [`energy_and_gradient`], for energies that have a quicker way.
    fn energies_and_gradients(&self, x: Tensor<D>) -> (Tensor<1>, Tensor<D>) {
        energy_and_gradient(x, &|x| self.energies(x))
    }
}

impl<const D: usize, F: Fn(Tensor<D>) -> Tensor<1>> Energy<D> for F {
    fn energies(&self, x: Tensor<D>) -> Tensor<1> {
        self(x)
    }
}

/// E(x) and ∇E(x) of every image of a batch. The weights are constants: no weight gradient is
/// computed, and the tape is consumed before this returns.
///
/// # Shapes
/// - `x`: `[batch, ..]`, not tracked
/// - returns: energies `[batch]`, gradients `[batch, ..]`
///
/// # Panics
/// If `energy` does not depend on its argument.
pub fn energy_and_gradient<const D: usize>(
    x: Tensor<D>,
    energy: &impl Fn(Tensor<D>) -> Tensor<1>,
) -> (Tensor<1>, Tensor<D>) {
    let x = x.autodiff().require_grad();
    let energies = energy(x.clone());
    // Energies of a batch are independent, so the gradient of their sum holds each one's own.
    let mut gradients = energies.backward();
    let gradient = x
        .grad_remove(&mut gradients)
        .expect("the energy depends on its argument");
    (energies.inner(), gradient)
}
