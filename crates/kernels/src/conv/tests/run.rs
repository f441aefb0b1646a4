//! Run the kernels on planes, whichever order they expect.

use super::operands::weights;
use super::shapes::sizes;
use crate::conv::factors::Factors;
use crate::conv::images::{ImageBatch, Order};
use crate::conv::shape::ConvShape;
use crate::conv::weights::Layouts;
use crate::conv::{algorithm, direct};
use crate::lanes::{collect, lanes_for, spread};

fn in_lanes(planes: &[f32], size @ [images, channels, pixels]: [usize; 3]) -> Vec<f32> {
    let mut lanes = vec![f32::NAN; lanes_for(images) * channels * pixels];
    spread(planes, size, &mut lanes);
    lanes
}

/// Runs a kernel on planes, converted to the order that it expects.
pub(super) fn run(
    order: Order,
    [from, to]: [[usize; 3]; 2],
    source: &[f32],
    target: &mut [f32],
    kernel: impl FnOnce(&[f32], &mut [f32]),
) {
    match order {
        Order::Planes => kernel(source, target),
        Order::Lanes => {
            let mut lanes = vec![f32::NAN; lanes_for(to[0]) * to[1] * to[2]];
            kernel(&in_lanes(source, from), &mut lanes);
            collect(&lanes, to, target);
        }
    }
}

/// The convolution of planes, with weights that have no layout yet.
pub(super) fn forward(
    shape: ConvShape,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    forward_in(Factors::F32, shape, x, weight, bias, out);
}

pub(super) fn forward_in(
    factors: Factors,
    shape: ConvShape,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    let weight = (weights(shape, weight), &Layouts::new(factors));
    run(shape.order(), sizes(&shape), x, out, |x, out| {
        algorithm::forward(shape, x, weight, bias, out);
    });
}

/// The gradient of its input, with weights that have no layout yet.
pub(super) fn input_gradient(
    shape: ConvShape,
    weight: &[f32],
    grad_out: &[f32],
    grad_x: &mut [f32],
) {
    input_gradient_in(Factors::F32, shape, weight, grad_out, grad_x);
}

pub(super) fn input_gradient_in(
    factors: Factors,
    shape: ConvShape,
    weight: &[f32],
    grad_out: &[f32],
    grad_x: &mut [f32],
) {
    let weight = (weights(shape, weight), &Layouts::new(factors));
    let [inputs, outputs] = sizes(&shape);
    let order = shape.gradient_order();
    run(
        order,
        [outputs, inputs],
        grad_out,
        grad_x,
        |grad_out, grad_x| {
            algorithm::input_gradient(shape, weight, grad_out, grad_x);
        },
    );
}

/// Gradients of the weights and the bias, from images in either order.
pub(super) fn parameter_gradients(
    shape: ConvShape,
    order: Order,
    x: &[f32],
    grad_out: &[f32],
    grad_weight: &mut [f32],
    grad_bias: &mut [f32],
) {
    let [height, width] = shape.out();
    let [inputs, outputs] = sizes(&shape);
    let lanes = [in_lanes(x, inputs), in_lanes(grad_out, outputs)];
    let [x, grad_out] = match order {
        Order::Planes => [x, grad_out],
        Order::Lanes => [lanes[0].as_slice(), &lanes[1]],
    };
    let size = [shape.batch, shape.channels_in, shape.height, shape.width];
    let x = ImageBatch {
        values: x,
        order,
        size,
    };
    let size = [shape.batch, shape.channels_out, height, width];
    let grad_out = ImageBatch {
        values: grad_out,
        order,
        size,
    };
    let steps = weights(shape, grad_weight).steps;
    direct::parameter_gradients(&shape, x, grad_out, (grad_weight, steps), grad_bias);
}
