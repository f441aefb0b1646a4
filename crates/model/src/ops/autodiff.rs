//! Put the kernels on the tape: what each one keeps, and what its backward pass computes.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn_flex::FlexTensor;

use super::{ConvGeometry, EnergyOps, Layouts, flex};

impl<C: CheckpointStrategy> EnergyOps for Autodiff<Flex, C> {
    fn energy_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        layouts: Arc<Layouts>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self> {
        let needs_x = [&weight, &bias].iter().any(|t| t.is_tracked());
        let prepared = ConvBackward
            .prepare::<C>([x.node(), weight.node(), bias.node()])
            .compute_bound()
            .stateful();
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let bias = bias.into_primitive();
        let forward = |x, weight, layouts| Flex::energy_conv2d(x, weight, bias, layouts, geometry);
        match prepared {
            OpsKind::Tracked(prep) => {
                let kept = ConvState {
                    x_shape: x.layout().shape().dims(),
                    x: needs_x.then(|| x.clone()),
                    weight: weight.clone(),
                    layouts: layouts.clone(),
                    geometry,
                };
                prep.finish(kept, forward(x, weight, layouts))
            }
            OpsKind::UnTracked(prep) => prep.finish(forward(x, weight, layouts)),
        }
    }

    fn energy_swish(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let backward = ElementwiseBackward(flex::swish_gradient);
        unary::<C, _>(x, backward, |x| (x.clone(), Flex::energy_swish(x)))
    }

    fn energy_leaky_relu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let backward = ElementwiseBackward(flex::leaky_relu_gradient);
        unary::<C, _>(x, backward, |x| {
            let y = Flex::energy_leaky_relu(x);
            (y.clone(), y)
        })
    }

    fn energy_halve(x: FloatTensor<Self>) -> FloatTensor<Self> {
        unary::<C, _>(x, HalveBackward, |x| {
            let shape = x.layout().shape().dims();
            (shape, Flex::energy_halve(x))
        })
    }

    fn energy_dense(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = DenseBackward
            .prepare::<C>([x.node(), weight.node()])
            .compute_bound()
            .stateful();
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let y = Flex::energy_dense(x.clone(), weight.clone());
        match prepared {
            OpsKind::Tracked(prep) => prep.finish((x, weight), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

/// Keeps input and weights; computes only the gradients that are asked for.
#[derive(Debug)]
struct DenseBackward;

impl Backward<Flex, 2> for DenseBackward {
    type State = (FlexTensor, FlexTensor);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [of_x, of_weight] = ops.parents;
        let gradient = gradients.consume::<Flex>(&ops.node);
        let (x, weight) = ops.state;
        if let Some(node) = of_x {
            let grad_x = flex::dense_input_gradient(&weight, &gradient);
            gradients.register::<Flex>(node.id, grad_x);
        }
        if let Some(node) = of_weight {
            gradients.register::<Flex>(node.id, flex::dense_weight_gradient(&x, &gradient));
        }
    }
}

/// Keeps the shape of the input alone.
#[derive(Debug)]
struct HalveBackward;

impl Backward<Flex, 1> for HalveBackward {
    type State = [usize; 4];

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [of_x] = ops.parents;
        let gradient = gradients.consume::<Flex>(&ops.node);
        if let Some(node) = of_x {
            gradients.register::<Flex>(node.id, flex::halve_gradient(gradient, ops.state));
        }
    }
}

/// Computes only the gradients that are asked for.
#[derive(Debug)]
struct ConvBackward;

/// What the backward pass of a convolution needs.
#[derive(Clone, Debug)]
struct ConvState {
    x_shape: [usize; 4],
    /// Where the parameters' gradients are asked for.
    x: Option<FlexTensor>,
    weight: FlexTensor,
    layouts: Arc<Layouts>,
    geometry: ConvGeometry,
}

impl Backward<Flex, 3> for ConvBackward {
    type State = ConvState;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [of_x, of_weight, of_bias] = ops.parents;
        let gradient = gradients.consume::<Flex>(&ops.node);
        let state = ops.state;
        if let Some(node) = of_x {
            let ConvState {
                weight, layouts, ..
            } = &state;
            let grad_x = flex::conv2d_input_gradient(
                state.x_shape,
                weight,
                layouts,
                &gradient,
                state.geometry,
            );
            gradients.register::<Flex>(node.id, grad_x);
        }
        if of_weight.is_some() || of_bias.is_some() {
            let x = state.x.expect("kept for the parameters' gradients");
            let (grad_weight, grad_bias) =
                flex::conv2d_parameter_gradients(&x, &state.weight, &gradient, state.geometry);
            if let Some(node) = of_weight {
                gradients.register::<Flex>(node.id, grad_weight);
            }
            if let Some(node) = of_bias {
                gradients.register::<Flex>(node.id, grad_bias);
            }
        }
    }
}

/// Keeps the input or the output; the input's gradient is the given function of that and of the
/// output's gradient.
#[derive(Debug)]
struct ElementwiseBackward(fn(FlexTensor, FlexTensor) -> FlexTensor);

impl Backward<Flex, 1> for ElementwiseBackward {
    type State = FlexTensor;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [of_x] = ops.parents;
        let gradient = gradients.consume::<Flex>(&ops.node);
        if let Some(node) = of_x {
            gradients.register::<Flex>(node.id, (self.0)(ops.state, gradient));
        }
    }
}

/// An operation of one tensor: `forward` gives what the backward pass needs, and the result.
fn unary<C: CheckpointStrategy, B: Backward<Flex, 1>>(
    x: FloatTensor<Autodiff<Flex, C>>,
    backward: B,
    forward: impl FnOnce(FlexTensor) -> (B::State, FlexTensor),
) -> FloatTensor<Autodiff<Flex, C>> {
    let prepared = backward.prepare::<C>([x.node()]).compute_bound().stateful();
    let (kept, y) = forward(x.into_primitive());
    match prepared {
        OpsKind::Tracked(prep) => prep.finish(kept, y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    }
}
