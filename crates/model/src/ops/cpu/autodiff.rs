//! Put the kernels on the tape: what each operation keeps for its backward pass.
//!
//! What is kept are tensors of flex, whose kernels run; other backends of the CPU hand theirs over.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::Backward;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn_flex::FlexTensor;

use super::backward::{
    AddBackward, BranchBackward, Branches, ConvBackward, ConvState, ElementwiseBackward,
    ForkBackward, JoinBackward, ResizeBackward, ScaleBackward, ShiftBackward,
};
use super::energy_ops::{ConvOperands, EnergyOps};
use super::host::Host;
use super::{elements, space};
use crate::ops::geometry::ConvGeometry;
use crate::ops::layouts::Layouts;
use crate::ops::tape::record;

impl<B: Host, C: CheckpointStrategy> EnergyOps for Autodiff<B, C> {
    fn energy_conv2d(
        operands: ConvOperands<Self>,
        layouts: Arc<Layouts>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self> {
        let ConvOperands { x, weight, bias } = operands;
        let needs_x = weight.is_tracked() || bias.is_tracked();
        on_tape::<B, C, _, 3>([x, weight, bias], ConvBackward, |[x, weight, bias]| {
            let kept = ConvState {
                x_shape: x.layout().shape().dims(),
                x: needs_x.then(|| x.clone()),
                weight: weight.clone(),
                layouts: layouts.clone(),
                geometry,
            };
            let operands = ConvOperands::<Flex> { x, weight, bias };
            (kept, Flex::energy_conv2d(operands, layouts, geometry))
        })
    }

    fn energy_swish(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let backward = ElementwiseBackward(elements::swish_gradient);
        on_tape::<B, C, _, 1>([x], backward, |[x]| (x.clone(), Flex::energy_swish(x)))
    }

    fn energy_leaky_relu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let backward = ElementwiseBackward(elements::leaky_relu_gradient);
        on_tape::<B, C, _, 1>([x], backward, |[x]| {
            let y = Flex::energy_leaky_relu(x);
            (y.clone(), y)
        })
    }

    fn energy_halve(x: FloatTensor<Self>) -> FloatTensor<Self> {
        resized::<B, C>(x, space::halve, space::halve_gradient)
    }

    fn energy_double(x: FloatTensor<Self>) -> FloatTensor<Self> {
        resized::<B, C>(x, space::double, space::double_gradient)
    }

    fn energy_mean(x: FloatTensor<Self>) -> FloatTensor<Self> {
        resized::<B, C>(x, space::mean, space::mean_gradient)
    }

    fn energy_join(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self> {
        on_tape::<B, C, _, 2>([x, y], JoinBackward, |[x, y]| {
            let [_, channels, ..] = x.layout().shape().dims::<4>();
            (channels, Flex::energy_join(x, y))
        })
    }

    fn energy_add(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self> {
        on_tape::<B, C, _, 2>([x, y], AddBackward, |[x, y]| ((), Flex::energy_add(x, y)))
    }

    /// A node for the fork and one for each branch: the gradients of the branches meet at the fork.
    fn energy_fork(x: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let branches = Arc::<Branches>::default();
        let at_fork = branches.clone();
        let fork = on_tape::<B, C, _, 1>([x], ForkBackward, |[x]| (at_fork, x));
        let branch =
            |fork| on_tape::<B, C, _, 1>([fork], BranchBackward, |[x]| (branches.clone(), x));
        (branch(fork.clone()), branch(fork))
    }

    fn energy_scale(x: FloatTensor<Self>, gains: FloatTensor<Self>) -> FloatTensor<Self> {
        let needs_x = gains.is_tracked();
        on_tape::<B, C, _, 2>([x, gains], ScaleBackward, |[x, gains]| {
            let kept = (needs_x.then(|| x.clone()), gains.clone());
            (kept, Flex::energy_scale(x, gains))
        })
    }

    fn energy_shift(x: FloatTensor<Self>, biases: FloatTensor<Self>) -> FloatTensor<Self> {
        on_tape::<B, C, _, 2>([x, biases], ShiftBackward, |[x, biases]| {
            let [rows, ..] = biases.layout().shape().dims::<4>();
            (rows, Flex::energy_shift(x, biases))
        })
    }
}

/// Images of other sides, recorded, with the gradient of their input from that of the result and the
/// input's shape.
fn resized<B: Host, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    forward: fn(FlexTensor) -> FlexTensor,
    gradient: fn(FlexTensor, [usize; 4]) -> FlexTensor,
) -> FloatTensor<Autodiff<B, C>> {
    on_tape::<B, C, _, 1>([x], ResizeBackward(gradient), |[x]| {
        (x.layout().shape().dims(), forward(x))
    })
}

/// An operation on tensors of flex, recorded: `forward` returns what the backward pass keeps, and the
/// result.
fn on_tape<B: Host, C: CheckpointStrategy, R: Backward<B, N>, const N: usize>(
    inputs: [FloatTensor<Autodiff<B, C>>; N],
    backward: R,
    forward: impl FnOnce([FlexTensor; N]) -> (R::State, FlexTensor),
) -> FloatTensor<Autodiff<B, C>> {
    let nodes = inputs.each_ref().map(|input| input.node());
    record::<B, C, R, N>(nodes, backward, |_| {
        let inputs = inputs.map(|input| B::to_flex(input.into_primitive()));
        let (kept, output) = forward(inputs);
        (kept, B::from_flex(output))
    })
}
