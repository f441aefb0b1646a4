//! Put strided convolutions on the tape.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, TensorMetadata};

use super::strided_ops::{Strided, StridedOps};
use crate::ops::geometry::ConvGeometry;
use crate::ops::tape::record;

impl<B: StridedOps, C: CheckpointStrategy> StridedOps for Autodiff<B, C> {
    fn strided_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        turned: FloatTensor<Self>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self> {
        let is_trained = weight.is_tracked();
        let inputs = [x.node(), weight.node()];
        let tensors = [x, weight, bias, turned];
        let [x, weight, bias, turned] = tensors.map(|tensor| tensor.into_primitive());
        record::<B, C, _, 2>(inputs, StridedBackward, |_| {
            let [_, _, height, width] = x.shape().dims();
            let [_, _, rows, columns] = weight.shape().dims();
            let kept = Kept::<B> {
                x: is_trained.then(|| x.clone()),
                weight: weight.clone(),
                turned: turned.clone(),
                strided: Strided {
                    geometry,
                    kernel: [rows, columns],
                    size: [height, width],
                },
            };
            (kept, B::strided_conv2d(x, weight, bias, turned, geometry))
        })
    }
}

/// Computes only the gradients that are asked for.
#[derive(Debug)]
struct StridedBackward;

/// What the gradients of a convolution need.
#[derive(Clone, Debug)]
struct Kept<B: Backend> {
    /// Where the weights' gradient is asked for.
    x: Option<FloatTensor<B>>,
    weight: FloatTensor<B>,
    turned: FloatTensor<B>,
    strided: Strided,
}

impl<B: StridedOps> Backward<B, 2> for StridedBackward {
    type State = Kept<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [of_x, of_weight] = ops.parents;
        let gradient = gradients.consume::<B>(&ops.node);
        let Kept {
            x,
            weight,
            turned,
            strided,
        } = ops.state;
        if let Some(node) = of_x {
            let (gradient, weight) = (gradient.clone(), weight.clone());
            let of_x = B::strided_input_gradient(gradient, weight, turned, strided);
            gradients.register::<B>(node.id, of_x);
        }
        if let Some(node) = of_weight {
            let x = x.expect("kept for the weights' gradient");
            let options = strided.geometry.options();
            let of_weight = B::conv2d_weight_backward(x, weight, gradient, options);
            gradients.register::<B>(node.id, of_weight);
        }
    }
}
