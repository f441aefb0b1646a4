//! Define what an energy is, and differentiate it with respect to its input: the only file that
//! touches the tape for a gradient of images.

use core::ops::Range;

use burn::tensor::Tensor;

/// An energy of states, p(x) ∝ exp(−E(x)), each a function of its own state alone. A function from a
/// batch of states to its energies is one:
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use ebm_core::Energy;
///
/// let bowl = |x: Tensor<2>| -> Tensor<1> { x.square().sum_dim(1).squeeze_dim(1) };
/// let x = Tensor::<2>::from_floats([[1.0, 2.0]], &Device::flex());
/// let (energies, gradients) = bowl.energies_and_gradients(x);
/// assert_eq!(energies.into_scalar::<f32>(), 5.0);
/// assert_eq!(gradients.into_data().iter::<f32>().collect::<Vec<_>>(), [2.0, 4.0]);
/// ```
pub trait Energy<const D: usize>: Sync {
    /// E of every state.
    ///
    /// # Shapes
    /// - `x`: `[batch, ..]`, returns `[batch]`
    fn energies(&self, x: Tensor<D>) -> Tensor<1>;

    /// E and ∇E of every state. By default [`energy_and_gradient`] computes them; an energy with a faster
    /// way overrides this.
    ///
    /// # Shapes
    /// - `x`: `[batch, ..]`, not tracked by autodiff
    /// - returns: `[batch]`, `[batch, ..]`
    fn energies_and_gradients(&self, x: Tensor<D>) -> (Tensor<1>, Tensor<D>) {
        energy_and_gradient(x, &|x| self.energies(x))
    }

    /// The energy of the states at `rows` of a batch. An energy that differs between the rows, such as
    /// E(·, y) with a class for each image, must return one, as samplers cut batches into pieces. `None`
    /// where all rows have the same energy.
    fn of_rows(&self, rows: Range<usize>) -> Option<Box<dyn Energy<D> + '_>> {
        let _ = rows;
        None
    }
}

impl<const D: usize, F: Fn(Tensor<D>) -> Tensor<1> + Sync> Energy<D> for F {
    fn energies(&self, x: Tensor<D>) -> Tensor<1> {
        self(x)
    }
}

/// E(x) and ∇E(x) of every state of a batch. Weights are constants: no weight gradient is computed,
/// and the tape is consumed before this returns.
///
/// # Shapes
/// - `x`: `[batch, ..]`, not tracked by autodiff
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
