//! Put a network that one kernel computes on the tape.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, unary};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, AutodiffBackend, TensorMetadata};
use burn::tensor::Shape;

use super::plan::KernelPlan;
use super::resident_ops::ResidentOps;
use crate::ops::tape::record;

impl<B: ResidentOps, C: CheckpointStrategy> ResidentOps for Autodiff<B, C> {
    fn resident_energies(
        x: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        classes: IntTensor<Self>,
        plan: Arc<KernelPlan>,
    ) -> FloatTensor<Self> {
        let inputs = [x.node()];
        let [x, weights] = [x, weights].map(|tensor| tensor.into_primitive());
        record::<B, C, _, 1>(inputs, EnergyBackward, |is_tracked| {
            if is_tracked {
                let (energies, gradients) = B::resident_gradients(x, weights, classes, plan);
                (Some(gradients), energies)
            } else {
                (None, B::resident_energies(x, weights, classes, plan))
            }
        })
    }

    /// As constants.
    fn resident_gradients(
        x: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        classes: IntTensor<Self>,
        plan: Arc<KernelPlan>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [x, weights] = [x, weights].map(|tensor| tensor.into_primitive());
        let (energies, gradients) = B::resident_gradients(x, weights, classes, plan);
        (Self::from_inner(energies), Self::from_inner(gradients))
    }
}

/// Keeps the gradient of every energy with respect to its image.
#[derive(Debug)]
struct EnergyBackward;

impl<B: ResidentOps> Backward<B, 1> for EnergyBackward {
    type State = Option<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let of_images = ops.state.expect("kept where the images are tracked");
        unary::<B, _>(ops.parents, ops.node, gradients, |of_energies| {
            let batch = of_energies.shape()[0];
            let factors = B::float_reshape(of_energies, Shape::from([batch, 1, 1, 1]));
            B::float_mul(of_images, factors)
        });
    }
}
