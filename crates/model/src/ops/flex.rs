//! Hand the kernels the numbers of flex tensors, images spread over the threads of the caller's pool.

use std::sync::Arc;

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use burn_flex::{FlexTensor, Layout};
use ebm_kernels::conv::{self, ConvShape, Images, Order, Weights};
use ebm_kernels::lanes::{collect, lanes_for};
use ebm_kernels::{elementwise, pool};
use rayon::prelude::*;

use super::order::{
    contiguous, in_order, numbers, numbers_mut, order_of, spread_out, tensor, tensor_in,
};
use super::{Branches, ConvGeometry, EnergyOps, Layouts};

/// Images that share a sum of weight gradients: fixed, so that the order of additions does not
/// depend on the number of threads.
const SUMMED_IMAGES: usize = 16;

/// The most images that lie beside each other; of more, so many are a task for the pool.
const MAX_BESIDE: usize = 16;
/// Numbers of an elementwise task of the pool.
const ELEMENTS: usize = 1 << 16;
/// Numbers that are copied before something is made of them, 8 KiB.
const COPIED_ELEMENTS: usize = 1 << 11;
/// The most channels of a picture; what has more is read by another layer.
const PICTURE_CHANNELS: usize = 3;

impl EnergyOps for Flex {
    fn energy_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        layouts: Arc<Layouts>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self> {
        let bias = contiguous(bias);
        let shape = shape_of(x.layout().shape().dims(), &weight, geometry);
        let [height, width] = shape.out();
        let to = [shape.channels_out, height, width];
        let (weight, bias) = ((weights(&weight), &layouts.host), numbers(&bias));
        let order = |batch| ConvShape { batch, ..shape }.order();
        convolve(order, x, to, |batch, x, y| {
            conv::forward(ConvShape { batch, ..shape }, x, weight, Some(bias), y);
        })
    }

    fn energy_swish(x: FloatTensor<Self>) -> FloatTensor<Self> {
        map(x, elementwise::swish)
    }

    fn energy_leaky_relu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        map(x, elementwise::leaky_relu)
    }

    fn energy_halve(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let order = order_of(&x);
        let x = in_order(x, order);
        let shape @ [batch, channels, height, width] = x.layout().shape().dims();
        let out = [batch, channels, height / 2, width / 2];
        let mut y = vec![0.0; order.len(out)];
        pool::halve(numbers(&x), order.plane(shape), &mut y);
        tensor_in(order, y, out)
    }

    fn energy_add(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self> {
        let (sum, term) = match x.is_unique() {
            true => (x, y),
            false => (y, x),
        };
        map_with(term, sum, elementwise::add)
    }

    fn energy_fork(x: FloatTensor<Self>, _branches: Arc<Branches>) -> FloatTensor<Self> {
        x
    }

    fn energy_scale(x: FloatTensor<Self>, gains: FloatTensor<Self>) -> FloatTensor<Self> {
        map_channels(x, &gains, elementwise::multiply)
    }

    fn energy_shift(x: FloatTensor<Self>, biases: FloatTensor<Self>) -> FloatTensor<Self> {
        map_channels(x, &biases, elementwise::shift)
    }
}

/// What a kernel makes of each run of numbers of `x`, with those of `rows`: images' numbers in lanes,
/// an image's plane with one number in planes.
fn map_channels(x: FlexTensor, rows: &FlexTensor, kernel: fn(&[f32], &mut [f32])) -> FlexTensor {
    let order = order_of(&x);
    let mut x = in_order(x, order);
    let shape @ [_, _, height, width] = x.layout().shape().dims::<4>();
    let rows = numbers_of_channels(rows, shape, order);
    match order {
        Order::Planes => {
            let planes = numbers_mut(&mut x).chunks_exact_mut((height * width).max(1));
            let numbers = rows.chunks_exact(1);
            planes
                .zip(numbers)
                .for_each(|(plane, number)| kernel(number, plane));
        }
        Order::Lanes => {
            let pixels = numbers_mut(&mut x).chunks_exact_mut(rows.len().max(1));
            pixels.for_each(|pixel| kernel(&rows, pixel));
        }
    }
    x
}

/// The numbers that each channel of each image of a batch of `shape` is given by `rows`,
/// `[batch or 1, channels, 1, 1]`, as they lie.
fn numbers_of_channels(rows: &FlexTensor, shape: [usize; 4], order: Order) -> Vec<f32> {
    let [batch, channels, ..] = shape;
    let rows = contiguous(rows.clone());
    let given = numbers(&rows).chunks_exact(channels.max(1));
    let planes = match given.len() == batch {
        true => numbers(&rows).to_vec(),
        false => numbers(&rows).repeat(batch),
    };
    match order {
        Order::Planes => planes,
        Order::Lanes => spread_out(&planes, [batch, channels, 1]),
    }
}

/// Σ of x·gradient, or of the gradient alone, over each channel of each image, `[batch, channels, 1, 1]`;
/// over all images where there is to be one row.
pub(super) fn sum_channels(
    x: Option<&FlexTensor>,
    gradient: &FlexTensor,
    row_count: usize,
) -> FlexTensor {
    let [batch, channels, height, width] = gradient.layout().shape().dims();
    let order = order_of(gradient);
    let gradient = in_order(gradient.clone(), order);
    let x = x.map(|x| in_order(x.clone(), order));
    let mut sums = vec![0.0; batch * channels];
    let x = x.as_ref().map(numbers);
    let len = match order {
        Order::Planes => height * width,
        Order::Lanes => channels * lanes_for(batch),
    };
    let runs = numbers(&gradient).chunks_exact(len.max(1)).enumerate();
    let runs = runs.map(|(i, run)| (run, x.map(|x| &x[i * len..][..len])));
    match order {
        Order::Planes => {
            for (sum, (gradient, x)) in sums.iter_mut().zip(runs) {
                *sum = match x {
                    Some(x) => x.iter().zip(gradient).map(|(x, g)| x * g).sum(),
                    None => gradient.iter().sum(),
                };
            }
        }
        Order::Lanes => {
            let mut of_lanes = vec![0.0; len];
            for (gradient, x) in runs {
                match x {
                    Some(x) => elementwise::add_product(x, gradient, &mut of_lanes),
                    None => elementwise::add(gradient, &mut of_lanes),
                }
            }
            collect(&of_lanes, [batch, channels, 1], &mut sums);
        }
    }
    if row_count != batch {
        let mut total = vec![0.0; channels];
        sums.chunks_exact(channels.max(1))
            .for_each(|row| elementwise::add(row, &mut total));
        sums = total;
    }
    tensor(sums, [row_count, channels, 1, 1])
}

/// ∇ₓ of a convolution from the gradient of its output.
pub(super) fn conv2d_input_gradient(
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
    if batch <= MAX_BESIDE {
        let order = order(batch);
        let x = in_order(x, order);
        let mut y = vec![0.0; order.len(out)];
        kernel(batch, numbers(&x), &mut y);
        let y = tensor_in(order, y, out);
        return match to[0] <= PICTURE_CHANNELS {
            true => in_order(y, Order::Planes),
            false => y,
        };
    }
    let x = in_order(x, Order::Planes);
    let mut y = vec![0.0; batch * y_len];
    let xs = numbers(&x).par_chunks(MAX_BESIDE * x_len);
    let tasks = y.par_chunks_mut(MAX_BESIDE * y_len).zip(xs);
    tasks.for_each(|(y, x)| {
        let images = x.len() / x_len;
        match order(images) {
            Order::Planes => kernel(images, x, y),
            Order::Lanes => {
                let beside = spread_out(x, [images, channels, height * width]);
                let mut result = vec![0.0; y_len * lanes_for(images)];
                kernel(images, &beside, &mut result);
                collect(&result, [images, to[0], to[1] * to[2]], y);
            }
        }
    });
    tensor(y, out)
}

/// ∇ of the weights and of the bias of a convolution from the gradient of its output.
pub(super) fn conv2d_parameter_gradients(
    x: &FlexTensor,
    weight: &FlexTensor,
    gradient: FlexTensor,
    geometry: ConvGeometry,
) -> (FlexTensor, FlexTensor) {
    let shape = shape_of(x.layout().shape().dims(), weight, geometry);
    let steps = weights(weight).steps;
    let sums_of = |x: Images, gradient: Images| {
        let mut sums = (
            vec![0.0; weight.layout().num_elements()],
            vec![0.0; shape.channels_out],
        );
        let batch = x.size[0];
        let of_weight = (sums.0.as_mut_slice(), steps);
        conv::parameter_gradients(
            &ConvShape { batch, ..shape },
            x,
            gradient,
            of_weight,
            &mut sums.1,
        );
        sums
    };
    let in_lanes = shape.batch <= SUMMED_IMAGES && lanes_for(shape.batch) == shape.batch;
    let order = match in_lanes && !shape.is_dense() {
        true => Order::Lanes,
        false => Order::Planes,
    };
    let (x, gradient) = (in_order(x.clone(), order), in_order(gradient, order));
    let [xs, gradients] = [&x, &gradient].map(|t| some_images(t, order));
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
    let layout = Layout::new(
        weight.layout().shape().clone(),
        weight.layout().strides().to_vec(),
        0,
    );
    let len = of_weight.len();
    let of_weight = tensor(of_weight, [len]).with_layout(layout);
    (of_weight, tensor(of_bias, [shape.channels_out]))
}

/// The gradient of swish at `x`.
pub(super) fn swish_gradient(x: FlexTensor, gradient: FlexTensor) -> FlexTensor {
    map_with(x, gradient, elementwise::swish_gradient)
}

/// The gradient of leaky ReLU where it is `y`.
pub(super) fn leaky_relu_gradient(y: FlexTensor, gradient: FlexTensor) -> FlexTensor {
    map_with(y, gradient, elementwise::leaky_relu_gradient)
}

/// The gradient of the input, of `shape`, of a 2×2 average.
pub(super) fn halve_gradient(gradient: FlexTensor, shape: [usize; 4]) -> FlexTensor {
    let order = order_of(&gradient);
    let gradient = in_order(gradient, order);
    let mut out = vec![0.0; order.len(shape)];
    pool::halve_gradient(numbers(&gradient), order.plane(shape), &mut out);
    tensor_in(order, out, shape)
}

fn map(x: FlexTensor, kernel: fn(&mut [f32])) -> FlexTensor {
    let order = order_of(&x);
    let mut x = in_order(x, order);
    if x.is_unique() || rayon::current_num_threads() > 1 {
        let tasks = numbers_mut(&mut x).par_chunks_mut(ELEMENTS);
        tasks.for_each(kernel);
        return x;
    }
    // Copied a little at a time, so that the kernel finds it in the cache.
    let from = numbers(&x);
    let mut y = Vec::with_capacity(from.len());
    for some in from.chunks(COPIED_ELEMENTS) {
        let start = y.len();
        y.extend_from_slice(some);
        kernel(&mut y[start..]);
    }
    let len = y.len();
    let layout = Layout::new(x.layout().shape().clone(), x.layout().strides().to_vec(), 0);
    tensor(y, [len]).with_layout(layout)
}

/// What a kernel makes of `y` with the numbers of `x`.
fn map_with(x: FlexTensor, y: FlexTensor, kernel: fn(&[f32], &mut [f32])) -> FlexTensor {
    let order = order_of(&x);
    let (x, mut y) = (in_order(x, order), in_order(y, order));
    let tasks = numbers_mut(&mut y).par_chunks_mut(ELEMENTS);
    tasks
        .zip(numbers(&x).par_chunks(ELEMENTS))
        .for_each(|(y, x)| kernel(x, y));
    y
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
fn some_images(tensor: &FlexTensor, order: Order) -> Vec<Images<'_>> {
    let [batch, channels, height, width] = tensor.layout().shape().dims();
    let at_once = match order {
        Order::Planes => SUMMED_IMAGES,
        Order::Lanes => batch,
    };
    let image_len = channels * height * width;
    let len = at_once * image_len;
    let chunks = numbers(tensor).chunks(len.max(1));
    chunks
        .map(|numbers| Images {
            numbers,
            order,
            size: [numbers.len() / image_len, channels, height, width],
        })
        .collect()
}
