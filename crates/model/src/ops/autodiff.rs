//! Put the kernels on the tape: what each one keeps, and what its backward pass computes.
//!
//! What is kept are tensors of flex, whose kernels run; other backends of the CPU hand theirs over.

use std::sync::{Arc, Mutex};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn_flex::FlexTensor;

use super::host::Host;
use super::{ConvGeometry, EnergyOps, Layouts, flex};

impl<B: Host, C: CheckpointStrategy> EnergyOps for Autodiff<B, C> {
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
        let [x, weight, bias] = [x, weight, bias].map(|t| B::to_flex(t.into_primitive()));
        let forward = |x, weight, layouts| {
            B::from_flex(Flex::energy_conv2d(x, weight, bias, layouts, geometry))
        };
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
        unary::<B, C, _>(x, backward, |x| (x.clone(), Flex::energy_swish(x)))
    }

    fn energy_leaky_relu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let backward = ElementwiseBackward(flex::leaky_relu_gradient);
        unary::<B, C, _>(x, backward, |x| {
            let y = Flex::energy_leaky_relu(x);
            (y.clone(), y)
        })
    }

    fn energy_halve(x: FloatTensor<Self>) -> FloatTensor<Self> {
        unary::<B, C, _>(x, HalveBackward, |x| {
            let shape = x.layout().shape().dims();
            (shape, Flex::energy_halve(x))
        })
    }

    fn energy_fork(x: FloatTensor<Self>, branches: Arc<Branches>) -> FloatTensor<Self> {
        unary::<B, C, _>(x, ForkBackward, |x| (branches, x))
    }

    fn energy_scale(x: FloatTensor<Self>, gains: FloatTensor<Self>) -> FloatTensor<Self> {
        let needs_x = gains.is_tracked();
        binary::<B, C, _>([x, gains], ScaleBackward, |x, gains| {
            let kept = (needs_x.then(|| x.clone()), gains.clone());
            (kept, Flex::energy_scale(x, gains))
        })
    }

    fn energy_shift(x: FloatTensor<Self>, biases: FloatTensor<Self>) -> FloatTensor<Self> {
        binary::<B, C, _>([x, biases], ShiftBackward, |x, biases| {
            let [rows, ..] = biases.layout().shape().dims::<4>();
            (rows, Flex::energy_shift(x, biases))
        })
    }

    fn energy_add(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self> {
        binary::<B, C, _>([x, y], AddBackward, |x, y| ((), Flex::energy_add(x, y)))
    }
}

/// The gradient of the first of two branches, until the second has its own.
#[derive(Debug, Default)]
pub(crate) struct Branches(Mutex<Option<FlexTensor>>);

/// Adds the gradients of both branches, where Burn would add them number by number.
#[derive(Debug)]
struct ForkBackward;

impl<B: Host> Backward<B, 1> for ForkBackward {
    type State = Arc<Branches>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [of_x] = ops.parents;
        let gradient = B::to_flex(gradients.consume::<B>(&ops.node));
        let mut first = ops.state.0.lock().expect("no panic while it is held");
        match first.take() {
            None => *first = Some(gradient),
            Some(other) => {
                if let Some(node) = of_x {
                    gradients
                        .register::<B>(node.id, B::from_flex(Flex::energy_add(gradient, other)));
                }
            }
        }
    }
}

/// Keeps the gains, and the input where the gains' gradient is asked for.
#[derive(Debug)]
struct ScaleBackward;

impl<B: Host> Backward<B, 2> for ScaleBackward {
    type State = (Option<FlexTensor>, FlexTensor);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [of_x, of_gains] = ops.parents;
        let gradient = B::to_flex(gradients.consume::<B>(&ops.node));
        let (x, gains) = ops.state;
        if let Some(node) = of_gains {
            let x = x.expect("kept for the gains' gradient");
            let [rows, ..] = gains.layout().shape().dims::<4>();
            let grad_gains = flex::sum_channels(Some(&x), &gradient, rows);
            gradients.register::<B>(node.id, B::from_flex(grad_gains));
        }
        if let Some(node) = of_x {
            gradients.register::<B>(node.id, B::from_flex(Flex::energy_scale(gradient, gains)));
        }
    }
}

/// Keeps the number of rows of biases.
#[derive(Debug)]
struct ShiftBackward;

impl<B: Host> Backward<B, 2> for ShiftBackward {
    type State = usize;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [of_x, of_biases] = ops.parents;
        let gradient = B::to_flex(gradients.consume::<B>(&ops.node));
        if let Some(node) = of_biases {
            let grad_biases = flex::sum_channels(None, &gradient, ops.state);
            gradients.register::<B>(node.id, B::from_flex(grad_biases));
        }
        if let Some(node) = of_x {
            gradients.register::<B>(node.id, B::from_flex(gradient));
        }
    }
}

/// Keeps nothing.
#[derive(Debug)]
struct AddBackward;

impl<B: Host> Backward<B, 2> for AddBackward {
    type State = ();

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = B::to_flex(gradients.consume::<B>(&ops.node));
        for node in ops.parents.into_iter().flatten() {
            gradients.register::<B>(node.id, B::from_flex(gradient.clone()));
        }
    }
}

/// Keeps the shape of the input alone.
#[derive(Debug)]
struct HalveBackward;

impl<B: Host> Backward<B, 1> for HalveBackward {
    type State = [usize; 4];

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [of_x] = ops.parents;
        let gradient = B::to_flex(gradients.consume::<B>(&ops.node));
        if let Some(node) = of_x {
            gradients.register::<B>(
                node.id,
                B::from_flex(flex::halve_gradient(gradient, ops.state)),
            );
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

impl<B: Host> Backward<B, 3> for ConvBackward {
    type State = ConvState;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [of_x, of_weight, of_bias] = ops.parents;
        let gradient = B::to_flex(gradients.consume::<B>(&ops.node));
        let state = ops.state;
        if let Some(node) = of_x {
            let ConvState {
                weight, layouts, ..
            } = &state;
            let grad_x = flex::conv2d_input_gradient(
                state.x_shape,
                weight,
                layouts,
                gradient.clone(),
                state.geometry,
            );
            gradients.register::<B>(node.id, B::from_flex(grad_x));
        }
        if of_weight.is_some() || of_bias.is_some() {
            let x = state.x.expect("kept for the parameters' gradients");
            let (grad_weight, grad_bias) =
                flex::conv2d_parameter_gradients(&x, &state.weight, gradient, state.geometry);
            if let Some(node) = of_weight {
                gradients.register::<B>(node.id, B::from_flex(grad_weight));
            }
            if let Some(node) = of_bias {
                gradients.register::<B>(node.id, B::from_flex(grad_bias));
            }
        }
    }
}

/// Keeps the input or the output; the input's gradient is the given function of that and of the
/// output's gradient.
#[derive(Debug)]
struct ElementwiseBackward(fn(FlexTensor, FlexTensor) -> FlexTensor);

impl<B: Host> Backward<B, 1> for ElementwiseBackward {
    type State = FlexTensor;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [of_x] = ops.parents;
        let gradient = B::to_flex(gradients.consume::<B>(&ops.node));
        if let Some(node) = of_x {
            gradients.register::<B>(node.id, B::from_flex((self.0)(ops.state, gradient)));
        }
    }
}

/// An operation of one tensor: `forward` gives what the backward pass needs, and the result.
fn unary<B: Host, C: CheckpointStrategy, R: Backward<B, 1>>(
    x: FloatTensor<Autodiff<B, C>>,
    backward: R,
    forward: impl FnOnce(FlexTensor) -> (R::State, FlexTensor),
) -> FloatTensor<Autodiff<B, C>> {
    let prepared = backward.prepare::<C>([x.node()]).compute_bound().stateful();
    let (kept, y) = forward(B::to_flex(x.into_primitive()));
    let y = B::from_flex(y);
    match prepared {
        OpsKind::Tracked(prep) => prep.finish(kept, y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    }
}

/// An operation of two tensors, in the same way.
fn binary<B: Host, C: CheckpointStrategy, R: Backward<B, 2>>(
    tensors: [FloatTensor<Autodiff<B, C>>; 2],
    backward: R,
    forward: impl FnOnce(FlexTensor, FlexTensor) -> (R::State, FlexTensor),
) -> FloatTensor<Autodiff<B, C>> {
    let nodes = [tensors[0].node(), tensors[1].node()];
    let prepared = backward.prepare::<C>(nodes).compute_bound().stateful();
    let [x, y] = tensors.map(|tensor| B::to_flex(tensor.into_primitive()));
    let (kept, result) = forward(x, y);
    let result = B::from_flex(result);
    match prepared {
        OpsKind::Tracked(prep) => prep.finish(kept, result),
        OpsKind::UnTracked(prep) => prep.finish(result),
    }
}
