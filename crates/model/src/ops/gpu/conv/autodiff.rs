//! Put convolutions on the tape.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, TensorMetadata};
use burn::tensor::Shape;
use ebm_kernels::conv::Factors;

use super::conv_ops::{ConvOfSize, ConvOps};
use crate::ops::geometry::ConvGeometry;
use crate::ops::tape::record;

impl<B: ConvOps, C: CheckpointStrategy> ConvOps for Autodiff<B, C> {
    fn gpu_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        turned: FloatTensor<Self>,
        geometry: ConvGeometry,
        factors: Factors,
    ) -> FloatTensor<Self> {
        let is_trained = weight.is_tracked();
        let inputs = [x.node(), weight.node()];
        let tensors = [x, weight, bias, turned];
        let [x, weight, bias, turned] = tensors.map(|tensor| tensor.into_primitive());
        record::<B, C, _, 2>(inputs, ConvBackward, |_| {
            let kept = Kept::<B> {
                x: is_trained.then(|| x.clone()),
                weight: weight.clone(),
                turned: turned.clone(),
                conv: ConvOfSize::of(&x.shape(), &weight.shape(), geometry, factors),
            };
            (
                kept,
                B::gpu_conv2d(x, weight, bias, turned, geometry, factors),
            )
        })
    }
}

/// Computes only the gradients that are asked for.
#[derive(Debug)]
struct ConvBackward;

/// What the gradients of a convolution need.
#[derive(Clone, Debug)]
struct Kept<B: Backend> {
    /// Where the weights' gradient is asked for.
    x: Option<FloatTensor<B>>,
    weight: FloatTensor<B>,
    turned: FloatTensor<B>,
    conv: ConvOfSize,
}

/// Images of one channel, row by row: Burn's fused operations misread those that lie as a convolution leaves them.
fn in_rows<B: Backend>(images: FloatTensor<B>) -> FloatTensor<B> {
    let shape @ [batch, channels, rows, columns] = images.shape().dims();
    if channels > 1 {
        return images;
    }
    let flat = B::float_reshape(images, Shape::from([batch, rows * columns]));
    B::float_reshape(flat, Shape::from(shape))
}

impl<B: ConvOps> Backward<B, 2> for ConvBackward {
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
            conv,
        } = ops.state;
        if let Some(node) = of_x {
            let (gradient, weight) = (gradient.clone(), weight.clone());
            let of_x = in_rows::<B>(B::input_gradient(gradient, weight, turned, conv));
            gradients.register::<B>(node.id, of_x);
        }
        if let Some(node) = of_weight {
            let x = x.expect("kept for the weights' gradient");
            let of_weight = B::weight_gradient(x, weight, gradient, conv.geometry);
            gradients.register::<B>(node.id, of_weight);
        }
    }
}
