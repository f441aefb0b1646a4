//! Run the two halves of a Langevin step as one kernel per backend family.
//!
//! [`flex`] is the CPU, `cube` every GPU, [`reference`] tensor operations for every other backend.

#[cfg(feature = "wgpu")]
mod cube;
mod flex;
pub mod reference;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, DispatchDevice, backend_extension};
use burn::tensor::{Device, Int, Tensor};

use crate::step::{Descent, Noise};

/// The kernels that a backend brings for Langevin dynamics.
///
/// `chains` holds the identity of every row of `x` (i32); a row's noise depends on its identity
/// alone, not on its place in the batch.
#[allow(missing_docs)] // the macro's generated items
#[backend_extension(
    Cube: cfg(feature = "wgpu"),
    Flex,
    Fusion: cfg(feature = "wgpu")
)]
pub trait LangevinOps: Backend {
    /// x + s·ξ.
    #[fusion(dtype = x, shape = x)]
    fn perturb(x: FloatTensor<Self>, chains: IntTensor<Self>, noise: Noise) -> FloatTensor<Self>;

    /// The descent of a step, then the noise of the next one if there is any.
    #[fusion(dtype = x, shape = x)]
    fn descend(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        chains: IntTensor<Self>,
        descent: Descent,
        noise: Option<Noise>,
    ) -> FloatTensor<Self>;
}

/// x + s·ξ, in one kernel.
///
/// # Shapes
/// - `x`: `[batch, ..]` f32, not tracked by autodiff
/// - `chains`: `[batch]` i32
///
/// # Panics
/// If `chains` is not as long as the batch.
pub fn perturb<const D: usize>(x: Tensor<D>, chains: &Tensor<1, Int>, noise: Noise) -> Tensor<D> {
    assert_rows(&x, chains);
    if !has_kernel(&x.device()) {
        return reference::perturb(x, chains, noise);
    }
    let chains = chains.clone().into_dispatch();
    Tensor::from_dispatch(Dispatch::perturb(x.into_dispatch(), chains, noise))
}

/// The descent of a Langevin step and the noise of the one after it, in one kernel.
///
/// # Shapes
/// - `x`, `gradient`: `[batch, ..]` f32, not tracked by autodiff
/// - `chains`: `[batch]` i32
///
/// # Panics
/// If `gradient` has another shape than `x`, or `chains` is not as long as the batch.
pub fn descend<const D: usize>(
    x: Tensor<D>,
    gradient: Tensor<D>,
    chains: &Tensor<1, Int>,
    descent: Descent,
    noise: Option<Noise>,
) -> Tensor<D> {
    assert_rows(&x, chains);
    assert_eq!(x.dims(), gradient.dims(), "one gradient element per pixel");
    if !has_kernel(&x.device()) {
        return reference::descend(x, gradient, chains, descent, noise);
    }
    let (gradient, chains) = (gradient.into_dispatch(), chains.clone().into_dispatch());
    Tensor::from_dispatch(Dispatch::descend(
        x.into_dispatch(),
        gradient,
        chains,
        descent,
        noise,
    ))
}

/// Whether the device's backend implements [`LangevinOps`].
fn has_kernel(device: &Device) -> bool {
    match device.as_dispatch() {
        DispatchDevice::Flex(_) => true,
        #[cfg(feature = "wgpu")]
        DispatchDevice::Cube(_) => true,
        #[allow(unreachable_patterns)] // with flex alone
        _ => false,
    }
}

fn assert_rows<const D: usize>(x: &Tensor<D>, chains: &Tensor<1, Int>) {
    let (rows, [ids]) = (x.dims()[0], chains.dims());
    assert_eq!(rows, ids, "{rows} rows need as many chain ids, got {ids}");
}
