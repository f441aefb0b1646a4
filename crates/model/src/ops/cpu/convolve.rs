//! Hand convolutions of flex tensors to the kernels, images spread over the threads of the caller's
//! pool.

use burn_flex::{FlexTensor, Layout};
use ebm_kernels::conv::{self, ConvShape, ImageBatch, Order, Weights};
use ebm_kernels::elementwise;
use ebm_kernels::lanes::{collect, lanes_for};
use rayon::prelude::*;

use super::order::{contiguous, in_order, spread_out, tensor, tensor_in, values};
use crate::ops::geometry::ConvGeometry;
use crate::ops::layouts::Layouts;

/// Images that share a sum of weight gradients: fixed, so that the order of additions does not
/// depend on the number of threads.
const SUMMED_IMAGES: usize = 16;
/// The most images that a kernel takes at once; larger batches are tasks of so many for the pool.
const MAX_AT_ONCE: usize = 16;
/// The most channels of a picture; the outputs of other layers have more.
const PICTURE_CHANNELS: usize = 3;

/// A convolution with a bias.
pub(super) fn forward(
    x: FlexTensor,
    weight: &FlexTensor,
    bias: FlexTensor,
    layouts: &Layouts,
    geometry: ConvGeometry,
) -> FlexTensor {
    let bias = contiguous(bias);
    let shape = shape_of(x.layout().shape().dims(), weight, geometry);
    let [height, width] = shape.out();
    let to = [shape.channels_out, height, width];
    let (weight, bias) = ((weights(weight), &layouts.host), values(&bias));
    let order = |batch| ConvShape { batch, ..shape }.order();
    convolve(order, x, to, |batch, x, y| {
        conv::forward(ConvShape { batch, ..shape }, x, weight, Some(bias), y);
    })
}

/// ∇ₓ of a convolution from the gradient of its output.
pub(super) fn input_gradient(
    x_shape: [usize; 4],
    weight: &FlexTensor,
    layouts: &Layouts,
    gradient: FlexTensor,
    geometry: ConvGeometry,
) -> FlexTensor {
    let shape = shape_of(x_shape, weight, geometry);
    let weight = (weights(weight), &layouts.host);
    let [_, channels, height, width] = x_shape;
    let order = |batch| ConvShape { batch, ..shape }.gradient_order();
    let to = [channels, height, width];
    convolve(order, gradient, to, |batch, gradient, grad_x| {
        conv::input_gradient(ConvShape { batch, ..shape }, weight, gradient, grad_x);
    })
}

/// Images of channels, rows and columns `to`, computed from `x` by a kernel that takes and gives a
/// number of images in their `order`.
fn convolve(
    order: impl Fn(usize) -> Order + Sync,
    x: FlexTensor,
    to: [usize; 3],
    kernel: impl Fn(usize, &[f32], &mut [f32]) + Sync,
) -> FlexTensor {
    let [batch, channels, height, width] = x.layout().shape().dims();
    let [x_len, y_len] = [channels * height * width, to.iter().product()];
    let out = [batch, to[0], to[1], to[2]];
    if batch <= MAX_AT_ONCE {
        let order = order(batch);
        let x = in_order(x, order);
        let mut y = vec![0.0; order.len(out)];
        kernel(batch, values(&x), &mut y);
        let y = tensor_in(order, y, out);
        return if to[0] <= PICTURE_CHANNELS {
            in_order(y, Order::Planes)
        } else {
            y
        };
    }
    let x = in_order(x, Order::Planes);
    let mut y = vec![0.0; batch * y_len];
    let xs = values(&x).par_chunks(MAX_AT_ONCE * x_len);
    let tasks = y.par_chunks_mut(MAX_AT_ONCE * y_len).zip(xs);
    tasks.for_each(|(y, x)| {
        let images = x.len() / x_len;
        match order(images) {
            Order::Planes => kernel(images, x, y),
            Order::Lanes => {
                let lanes = spread_out(x, [images, channels, height * width]);
                let mut result = vec![0.0; y_len * lanes_for(images)];
                kernel(images, &lanes, &mut result);
                collect(&result, [images, to[0], to[1] * to[2]], y);
            }
        }
    });
    tensor(y, out)
}

/// ∇ of the weights and of the bias of a convolution from the gradient of its output.
pub(super) fn parameter_gradients(
    x: &FlexTensor,
    weight: &FlexTensor,
    gradient: FlexTensor,
    geometry: ConvGeometry,
) -> (FlexTensor, FlexTensor) {
    let shape = shape_of(x.layout().shape().dims(), weight, geometry);
    let steps = weights(weight).steps;
    let weight_layout = weight.layout();
    let sums_of = |x: ImageBatch, gradient: ImageBatch| {
        let mut of_weight = vec![0.0; weight_layout.num_elements()];
        let mut of_bias = vec![0.0; shape.channels_out];
        let batch = x.size[0];
        conv::parameter_gradients(
            &ConvShape { batch, ..shape },
            x,
            gradient,
            (of_weight.as_mut_slice(), steps),
            &mut of_bias,
        );
        (of_weight, of_bias)
    };
    let in_lanes = shape.batch <= SUMMED_IMAGES && lanes_for(shape.batch) == shape.batch;
    let order = if in_lanes && !shape.is_dense() {
        Order::Lanes
    } else {
        Order::Planes
    };
    let (x, gradient) = (in_order(x.clone(), order), in_order(gradient, order));
    let [xs, gradients] = [&x, &gradient].map(|tensor| image_batches(tensor, order));
    let sums: Vec<_> = xs
        .into_par_iter()
        .zip(gradients)
        .map(|(x, gradient)| sums_of(x, gradient))
        .collect();
    let total = sums.into_iter().reduce(|mut total, term| {
        elementwise::add(&term.0, &mut total.0);
        elementwise::add(&term.1, &mut total.1);
        total
    });
    let (of_weight, of_bias) = total.expect("a batch is not empty");
    let (shape_of_weight, strides) = (weight_layout.shape().clone(), weight_layout.strides());
    let layout = Layout::new(shape_of_weight, strides.to_vec(), 0);
    let len = of_weight.len();
    let of_weight = tensor(of_weight, [len]).with_layout(layout);
    (of_weight, tensor(of_bias, [shape.channels_out]))
}

fn weights(weight: &FlexTensor) -> Weights<'_> {
    let steps = weight.layout().strides();
    Weights {
        values: &weight.storage()[weight.layout().start_offset()..],
        size: weight.layout().shape().dims(),
        steps: core::array::from_fn(|axis| steps[axis].unsigned_abs()),
    }
}

fn shape_of(
    [batch, channels_in, height, width]: [usize; 4],
    weight: &FlexTensor,
    geometry: ConvGeometry,
) -> ConvShape {
    let [channels_out, _, rows, columns] = weight.layout().shape().dims();
    ConvShape {
        batch,
        channels_in,
        height,
        width,
        channels_out,
        kernel: [rows, columns],
        stride: geometry.stride,
        padding: geometry.padding,
    }
}

/// The images of a tensor in an order, [`SUMMED_IMAGES`] at a time; all at once in lanes.
fn image_batches(tensor: &FlexTensor, order: Order) -> Vec<ImageBatch<'_>> {
    let [batch, channels, height, width] = tensor.layout().shape().dims();
    let at_once = match order {
        Order::Planes => SUMMED_IMAGES,
        Order::Lanes => batch,
    };
    let image_len = channels * height * width;
    let len = at_once * image_len;
    let chunks = values(tensor).chunks(len.max(1));
    chunks
        .map(|values| ImageBatch {
            values,
            order,
            size: [values.len() / image_len, channels, height, width],
        })
        .collect()
}
