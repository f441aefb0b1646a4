//! Run a Langevin step with tensor operations: the reference, and the path of ndarray.

use burn::tensor::{Int, Tensor, TensorData};

use crate::step::{Descent, Noise};

/// x + s·ξ, the noise made on the host.
///
/// # Shapes
/// - `x`: `[batch, ..]`, `chains`: `[batch]`
pub fn perturb<const D: usize>(x: Tensor<D>, chains: &Tensor<1, Int>, noise: Noise) -> Tensor<D> {
    let shape = x.shape();
    let chains: Vec<u32> = chains.to_data().iter::<i32>().map(|id| id as u32).collect();
    let pixels = shape.num_elements().checked_div(chains.len()).unwrap_or(0);
    let draws = TensorData::new(noise.of_batch(&chains, pixels), shape);
    let draws = Tensor::from_data(draws, &x.device());
    x + draws
}

/// The descent of a step, then the noise of the next one if there is any.
///
/// # Shapes
/// - `x`, `gradient`: `[batch, ..]`, `chains`: `[batch]`
pub fn descend<const D: usize>(
    x: Tensor<D>,
    gradient: Tensor<D>,
    chains: &Tensor<1, Int>,
    descent: Descent,
    noise: Option<Noise>,
) -> Tensor<D> {
    let x = descent.of_tensor(x, gradient);
    match noise {
        Some(noise) => perturb(x, chains, noise),
        None => x,
    }
}
