//! Hand the kernels the slices of flex tensors, images spread over the threads of the caller's pool.

use std::ops::Range;
use std::sync::Arc;

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use burn::tensor::TensorData;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::conv::{self, ConvShape, Layouts, Weights};
use super::{ConvGeometry, EnergyOps, dense, elementwise, pool};

/// Images that share a sum of weight gradients: fixed, so that the order of additions does not
/// depend on the number of threads.
const SUMMED_IMAGES: usize = 16;

/// Images that the kernels take at a time.
const GROUP: usize = 16;
/// Numbers of an elementwise task of the pool.
const ELEMENTS: usize = 1 << 16;

impl EnergyOps for Flex {
    fn energy_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        layouts: Arc<Layouts>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self> {
        let [x, weight, bias] = [x, weight, bias].map(contiguous);
        let shape = shape_of(x.layout().shape().dims(), &weight, geometry);
        let [rows, columns] = shape.out();
        let images = images_per_task(shape.batch);
        let (x_len, y_len) = (image_len(&x, shape), shape.channels_out * rows * columns);
        let (weight, bias) = (weights(&weight, &layouts), floats(&bias));
        let mut y = vec![0.0; shape.batch * y_len];
        let xs = floats(&x).par_chunks(images * x_len);
        y.par_chunks_mut(images * y_len).zip(xs).for_each(|(y, x)| {
            let batch = x.len() / x_len;
            conv::forward(ConvShape { batch, ..shape }, x, weight, Some(bias), y);
        });
        tensor(y, [shape.batch, shape.channels_out, rows, columns])
    }

    fn energy_swish(x: FloatTensor<Self>) -> FloatTensor<Self> {
        map(x, elementwise::swish)
    }

    fn energy_leaky_relu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        map(x, elementwise::leaky_relu)
    }

    fn energy_halve(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = contiguous(x);
        let [batch, channels, height, width] = x.layout().shape().dims::<4>();
        let out = [batch, channels, height / 2, width / 2];
        let mut y = vec![0.0; out.iter().product()];
        pool::halve(floats(&x), [height, width], &mut y);
        tensor(y, out)
    }

    fn energy_dense(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        let [x, weight] = [x, weight].map(contiguous);
        let [inputs, outputs] = weight.layout().shape().dims();
        let [batch, _] = x.layout().shape().dims::<2>();
        let mut y = vec![0.0; batch * outputs];
        dense::product(floats(&x), floats(&weight), [inputs, outputs], &mut y);
        tensor(y, [batch, outputs])
    }
}

/// ∇ₓ of a dense product from the gradient of its output.
pub(super) fn dense_input_gradient(weight: &FlexTensor, gradient: &FlexTensor) -> FlexTensor {
    let [weight, gradient] = [weight, gradient].map(|t| contiguous(t.clone()));
    let [inputs, outputs] = weight.layout().shape().dims();
    let [batch, _] = gradient.layout().shape().dims::<2>();
    let mut grad_x = vec![0.0; batch * inputs];
    let size = [inputs, outputs];
    dense::input_gradient(floats(&gradient), floats(&weight), size, &mut grad_x);
    tensor(grad_x, [batch, inputs])
}

/// ∇ of the matrix of a dense product from the gradient of its output.
pub(super) fn dense_weight_gradient(x: &FlexTensor, gradient: &FlexTensor) -> FlexTensor {
    let [x, gradient] = [x, gradient].map(|t| contiguous(t.clone()));
    let [_, inputs] = x.layout().shape().dims::<2>();
    let [_, outputs] = gradient.layout().shape().dims::<2>();
    let mut grad_weight = vec![0.0; inputs * outputs];
    let size = [inputs, outputs];
    dense::matrix_gradient(floats(&x), floats(&gradient), size, &mut grad_weight);
    tensor(grad_weight, size)
}

/// ∇ₓ of a convolution from the gradient of its output.
pub(super) fn conv2d_input_gradient(
    x_shape: [usize; 4],
    weight: &FlexTensor,
    layouts: &Layouts,
    gradient: &FlexTensor,
    geometry: ConvGeometry,
) -> FlexTensor {
    let [weight, gradient] = [weight, gradient].map(|t| contiguous(t.clone()));
    let shape = shape_of(x_shape, &weight, geometry);
    let weight = weights(&weight, layouts);
    let images = images_per_task(shape.batch);
    let x_len = x_shape[1..].iter().product::<usize>().max(1);
    let y_len = image_len(&gradient, shape);
    let mut grad_x = vec![0.0; shape.batch * x_len];
    let gradients = floats(&gradient).par_chunks(images * y_len);
    let tasks = grad_x.par_chunks_mut(images * x_len).zip(gradients);
    tasks.for_each(|(grad_x, gradient)| {
        let batch = gradient.len() / y_len;
        conv::input_gradient(ConvShape { batch, ..shape }, weight, gradient, grad_x);
    });
    tensor(grad_x, x_shape)
}

/// ∇ of the weights and of the bias of a convolution from the gradient of its output.
pub(super) fn conv2d_parameter_gradients(
    x: &FlexTensor,
    weight: &FlexTensor,
    gradient: &FlexTensor,
    geometry: ConvGeometry,
) -> (FlexTensor, FlexTensor) {
    let [x, gradient] = [x, gradient].map(|t| contiguous(t.clone()));
    let shape = shape_of(x.layout().shape().dims(), weight, geometry);
    let (x_len, y_len) = (image_len(&x, shape), image_len(&gradient, shape));
    let weights = weight.layout().num_elements();
    let xs = floats(&x).par_chunks(SUMMED_IMAGES * x_len);
    let gradients = floats(&gradient).par_chunks(SUMMED_IMAGES * y_len);
    let sums: Vec<_> = xs
        .zip(gradients)
        .map(|(x, gradient)| {
            let batch = x.len() / x_len;
            let mut sums = (vec![0.0; weights], vec![0.0; shape.channels_out]);
            let shape = ConvShape { batch, ..shape };
            conv::weight_gradient(shape, x, gradient, &mut sums.0);
            conv::bias_gradient(shape, gradient, &mut sums.1);
            sums
        })
        .collect();
    let mut total = (vec![0.0; weights], vec![0.0; shape.channels_out]);
    for (weight, bias) in sums {
        add(&mut total.0, &weight);
        add(&mut total.1, &bias);
    }
    let dims = weight.layout().shape().dims::<4>();
    (tensor(total.0, dims), tensor(total.1, [shape.channels_out]))
}

/// The gradient of swish at `x`.
pub(super) fn swish_gradient(x: FlexTensor, gradient: FlexTensor) -> FlexTensor {
    map_gradient(x, gradient, elementwise::swish_gradient)
}

/// The gradient of leaky ReLU where it is `y`.
pub(super) fn leaky_relu_gradient(y: FlexTensor, gradient: FlexTensor) -> FlexTensor {
    map_gradient(y, gradient, elementwise::leaky_relu_gradient)
}

/// The gradient of the input, of `shape`, of a 2×2 average.
pub(super) fn halve_gradient(gradient: FlexTensor, shape: [usize; 4]) -> FlexTensor {
    let gradient = contiguous(gradient);
    let mut out = vec![0.0; shape.iter().product()];
    pool::halve_gradient(floats(&gradient), [shape[2], shape[3]], &mut out);
    tensor(out, shape)
}

fn map(x: FlexTensor, kernel: fn(&mut [f32])) -> FlexTensor {
    let mut y = contiguous(x);
    floats_mut(&mut y).par_chunks_mut(ELEMENTS).for_each(kernel);
    y
}

fn map_gradient(x: FlexTensor, gradient: FlexTensor, kernel: fn(&[f32], &mut [f32])) -> FlexTensor {
    let (x, mut gradient) = (contiguous(x), contiguous(gradient));
    let tasks = floats_mut(&mut gradient).par_chunks_mut(ELEMENTS);
    tasks
        .zip(floats(&x).par_chunks(ELEMENTS))
        .for_each(|(gradient, x)| kernel(x, gradient));
    gradient
}

/// Images for a task of the pool: whole groups of the kernels, and several tasks for each thread, so
/// that a slow one is waited for less; all where there is one thread.
fn images_per_task(batch: usize) -> usize {
    match rayon::current_num_threads() {
        1 => batch.max(1),
        _ => GROUP,
    }
}

fn weights<'a>(weight: &'a FlexTensor, layouts: &'a Layouts) -> Weights<'a> {
    let values = floats(weight);
    Weights { values, layouts }
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

fn image_len(tensor: &FlexTensor, shape: ConvShape) -> usize {
    (tensor.layout().num_elements() / shape.batch.max(1)).max(1)
}

/// The tensor with its numbers in order, which may be some of a longer storage: views like the weights
/// of a flat vector and the images of a batch are not copied.
fn contiguous(tensor: FlexTensor) -> FlexTensor {
    match tensor.is_contiguous() {
        true => tensor,
        false => tensor.to_contiguous(),
    }
}

/// The numbers of a contiguous tensor.
fn floats(tensor: &FlexTensor) -> &[f32] {
    &tensor.storage()[range(tensor)]
}

/// The numbers of a contiguous tensor, copied first where others see them, too.
fn floats_mut(tensor: &mut FlexTensor) -> &mut [f32] {
    if !tensor.is_unique() {
        *tensor = tensor.to_contiguous();
    }
    let range = range(tensor);
    &mut tensor.storage_mut()[range]
}

/// Where the numbers of a contiguous tensor lie in its storage.
fn range(tensor: &FlexTensor) -> Range<usize> {
    let start = tensor.layout().start_offset();
    start..start + tensor.layout().num_elements()
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

fn add(sum: &mut [f32], term: &[f32]) {
    for (sum, term) in sum.iter_mut().zip(term) {
        *sum += term;
    }
}
