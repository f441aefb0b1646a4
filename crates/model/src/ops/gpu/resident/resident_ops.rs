//! Name the operations of a network that one kernel computes.

use std::sync::Arc;

use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, backend_extension};
use burn::tensor::Shape;

use super::plan::KernelPlan;

/// Energies of images under packed weights, which are constants.
#[backend_extension(Cube, Fusion, Autodiff)]
pub(crate) trait ResidentOps: Backend {
    /// E of every image, `[batch]`.
    #[fusion(dtype = x, shape = Shape::from([x[0]]))]
    fn resident_energies(
        x: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        classes: IntTensor<Self>,
        plan: Arc<KernelPlan>,
    ) -> FloatTensor<Self>;

    /// E and ∇E of every image.
    #[fusion(meta = energies_and_gradients)]
    fn resident_gradients(
        x: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        classes: IntTensor<Self>,
        plan: Arc<KernelPlan>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

fn energies_and_gradients(
    x: &TensorSpec,
    _weights: &TensorSpec,
    _classes: &TensorSpec,
    _plan: &Arc<KernelPlan>,
) -> (TensorSpec, TensorSpec) {
    let energies = TensorSpec::new(Shape::from([x.shape[0]]), x.dtype);
    (energies, x.clone())
}
