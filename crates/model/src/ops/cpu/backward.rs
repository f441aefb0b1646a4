//! Compute the backward passes of the kernels, and only the gradients that are asked for.

use std::sync::{Arc, Mutex};

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, unary};
use burn_flex::FlexTensor;

use super::energy_ops::EnergyOps;
use super::host::Host;
use super::{channels, convolve};
use crate::ops::geometry::ConvGeometry;
use crate::ops::layouts::Layouts;

/// What the backward pass of a convolution needs.
#[derive(Clone, Debug)]
pub(super) struct ConvState {
    pub(super) x_shape: [usize; 4],
    /// Where the parameters' gradients are asked for.
    pub(super) x: Option<FlexTensor>,
    pub(super) weight: FlexTensor,
    pub(super) layouts: Arc<Layouts>,
    pub(super) geometry: ConvGeometry,
}

/// Keeps the weights, and the input where the parameters' gradients are asked for.
#[derive(Debug)]
pub(super) struct ConvBackward;

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
            let grad_x = convolve::input_gradient(
                state.x_shape,
                &state.weight,
                &state.layouts,
                gradient.clone(),
                state.geometry,
            );
            gradients.register::<B>(node.id, B::from_flex(grad_x));
        }
        if of_weight.is_some() || of_bias.is_some() {
            let x = state.x.expect("kept for the parameters' gradients");
            let (grad_weight, grad_bias) =
                convolve::parameter_gradients(&x, &state.weight, gradient, state.geometry);
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
pub(super) struct ElementwiseBackward(pub(super) fn(FlexTensor, FlexTensor) -> FlexTensor);

impl<B: Host> Backward<B, 1> for ElementwiseBackward {
    type State = FlexTensor;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        unary::<B, _>(ops.parents, ops.node, gradients, |gradient| {
            B::from_flex((self.0)(ops.state, B::to_flex(gradient)))
        });
    }
}

/// Keeps the shape of the input alone; the input's gradient is the given function of the output's
/// gradient and that shape.
#[derive(Debug)]
pub(super) struct ResizeBackward(pub(super) fn(FlexTensor, [usize; 4]) -> FlexTensor);

impl<B: Host> Backward<B, 1> for ResizeBackward {
    type State = [usize; 4];

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        unary::<B, _>(ops.parents, ops.node, gradients, |gradient| {
            B::from_flex((self.0)(B::to_flex(gradient), ops.state))
        });
    }
}

/// Keeps the number of channels of the first input.
#[derive(Debug)]
pub(super) struct JoinBackward;

impl<B: Host> Backward<B, 2> for JoinBackward {
    type State = usize;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = B::to_flex(gradients.consume::<B>(&ops.node));
        let [_, channels, ..] = gradient.layout().shape().dims::<4>();
        let parts = [0..ops.state, ops.state..channels];
        for (node, part) in ops.parents.into_iter().zip(parts) {
            if let Some(node) = node {
                let of_part = channels::take(gradient.clone(), part);
                gradients.register::<B>(node.id, B::from_flex(of_part));
            }
        }
    }
}

/// Keeps nothing.
#[derive(Debug)]
pub(super) struct AddBackward;

impl<B: Host> Backward<B, 2> for AddBackward {
    type State = ();

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        for node in ops.parents.into_iter().flatten() {
            gradients.register::<B>(node.id, gradient.clone());
        }
    }
}

/// The sum of the gradients of a fork's branches, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Branches(Mutex<Option<FlexTensor>>);

/// Adds the gradient of a branch to the other's, where Burn would add them element by element.
#[derive(Debug)]
pub(super) struct BranchBackward;

impl<B: Host> Backward<B, 1> for BranchBackward {
    type State = Arc<Branches>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = B::to_flex(gradients.consume::<B>(&ops.node));
        let mut sum = ops.state.0.lock().expect("no panic while it is held");
        *sum = Some(match sum.take() {
            Some(other) => Flex::energy_add(gradient, other),
            None => gradient,
        });
    }
}

/// Hands on the sum of its branches' gradients. A fork is nearer to the tape's beginning than its
/// branches, so that the gradients of all branches in use are known, be it one or both; none is
/// registered for the fork's own node.
#[derive(Debug)]
pub(super) struct ForkBackward;

impl<B: Host> Backward<B, 1> for ForkBackward {
    type State = Arc<Branches>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [of_x] = ops.parents;
        let mut sum = ops.state.0.lock().expect("no panic while it is held");
        if let (Some(node), Some(gradient)) = (of_x, sum.take()) {
            gradients.register::<B>(node.id, B::from_flex(gradient));
        }
    }
}

/// Keeps the gains, and the input where the gains' gradient is asked for.
#[derive(Debug)]
pub(super) struct ScaleBackward;

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
            let grad_gains = channels::sums(Some(&x), &gradient, rows);
            gradients.register::<B>(node.id, B::from_flex(grad_gains));
        }
        if let Some(node) = of_x {
            gradients.register::<B>(node.id, B::from_flex(Flex::energy_scale(gradient, gains)));
        }
    }
}

/// Keeps the number of rows of biases.
#[derive(Debug)]
pub(super) struct ShiftBackward;

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
            let grad_biases = channels::sums(None, &gradient, ops.state);
            gradients.register::<B>(node.id, B::from_flex(grad_biases));
        }
        if let Some(node) = of_x {
            gradients.register::<B>(node.id, B::from_flex(gradient));
        }
    }
}
