//! Scale, shift and join the channels of flex tensors, and sum over them for the gradients.

use std::ops::Range;

use burn_flex::FlexTensor;
use ebm_kernels::conv::Order;
use ebm_kernels::lanes::{collect, lanes_for};
use ebm_kernels::{elementwise, join};

use super::order::{
    contiguous, in_order, order_of, spread_out, tensor, tensor_in, values, values_mut,
};

/// The channels of `x`, and after them those of `y`.
pub(super) fn join(x: FlexTensor, y: FlexTensor) -> FlexTensor {
    let order = order_of(&x);
    let [x, y] = [x, y].map(|tensor| in_order(tensor, order));
    let shapes = [&x, &y].map(|tensor| tensor.layout().shape().dims());
    let [[batch, x_channels, height, width], [_, y_channels, ..]] = shapes;
    let out = [batch, x_channels + y_channels, height, width];
    let mut joined = vec![0.0; order.len(out)];
    let lens = shapes.map(|shape| order.run(shape));
    join::join(values(&x), values(&y), lens, &mut joined);
    tensor_in(order, joined, out)
}

/// Some channels of `x`.
pub(super) fn take(x: FlexTensor, some: Range<usize>) -> FlexTensor {
    let order = order_of(&x);
    let x = in_order(x, order);
    let shape @ [batch, _, height, width] = x.layout().shape().dims();
    let out = [batch, some.len(), height, width];
    let mut taken = vec![0.0; order.len(out)];
    let [before, until] =
        [some.start, some.end].map(|channels| order.run([batch, channels, height, width]));
    join::take(values(&x), order.run(shape), before..until, &mut taken);
    tensor_in(order, taken, out)
}

/// `x` with a kernel applied to each channel of each image and its element of `rows`,
/// `[batch or 1, channels, 1, 1]`.
pub(super) fn map(x: FlexTensor, rows: &FlexTensor, kernel: fn(&[f32], &mut [f32])) -> FlexTensor {
    let order = order_of(&x);
    let mut x = in_order(x, order);
    let shape @ [_, _, height, width] = x.layout().shape().dims::<4>();
    let rows = row_values(rows, shape, order);
    match order {
        Order::Planes => {
            let planes = values_mut(&mut x).chunks_exact_mut((height * width).max(1));
            let of_planes = rows.chunks_exact(1);
            planes
                .zip(of_planes)
                .for_each(|(plane, of_plane)| kernel(of_plane, plane));
        }
        Order::Lanes => {
            let pixels = values_mut(&mut x).chunks_exact_mut(rows.len().max(1));
            pixels.for_each(|pixel| kernel(&rows, pixel));
        }
    }
    x
}

/// The element of `rows`, `[batch or 1, channels, 1, 1]`, for each channel of each image of a batch of
/// `shape`, in an order.
fn row_values(rows: &FlexTensor, shape: [usize; 4], order: Order) -> Vec<f32> {
    let [batch, channels, ..] = shape;
    let rows = contiguous(rows.clone());
    let rows = values(&rows);
    let planes = if rows.chunks_exact(channels.max(1)).len() == batch {
        rows.to_vec()
    } else {
        rows.repeat(batch)
    };
    match order {
        Order::Planes => planes,
        Order::Lanes => spread_out(&planes, [batch, channels, 1]),
    }
}

/// Σ of x·gradient, or of the gradient alone, over each channel of each image,
/// `[row_count, channels, 1, 1]`; over all images where `row_count` is not the batch.
pub(super) fn sums(x: Option<&FlexTensor>, gradient: &FlexTensor, row_count: usize) -> FlexTensor {
    let [batch, channels, ..] = gradient.layout().shape().dims::<4>();
    let order = order_of(gradient);
    let gradient = in_order(gradient.clone(), order);
    let x = x.map(|x| in_order(x.clone(), order));
    let of_images = match order {
        Order::Planes => sums_in_planes(x.as_ref(), &gradient),
        Order::Lanes => sums_in_lanes(x.as_ref(), &gradient),
    };
    let sums = if row_count == batch {
        of_images
    } else {
        let mut total = vec![0.0; channels];
        let rows = of_images.chunks_exact(channels.max(1));
        rows.for_each(|row| elementwise::add(row, &mut total));
        total
    };
    tensor(sums, [row_count, channels, 1, 1])
}

/// The sums of each channel of each image, of tensors in planes.
fn sums_in_planes(x: Option<&FlexTensor>, gradient: &FlexTensor) -> Vec<f32> {
    let [batch, channels, height, width] = gradient.layout().shape().dims();
    let len = height * width;
    let x = x.map(values);
    let mut sums = vec![0.0; batch * channels];
    let planes = values(gradient).chunks_exact(len.max(1));
    for (i, (sum, gradient)) in sums.iter_mut().zip(planes).enumerate() {
        *sum = match x.map(|x| &x[i * len..][..len]) {
            Some(x) => x.iter().zip(gradient).map(|(x, g)| x * g).sum(),
            None => gradient.iter().sum(),
        };
    }
    sums
}

/// The sums of each channel of each image, of tensors in lanes.
fn sums_in_lanes(x: Option<&FlexTensor>, gradient: &FlexTensor) -> Vec<f32> {
    let [batch, channels, ..] = gradient.layout().shape().dims::<4>();
    let len = channels * lanes_for(batch);
    let x = x.map(values);
    let mut of_lanes = vec![0.0; len];
    let pixels = values(gradient).chunks_exact(len.max(1));
    for (i, gradient) in pixels.enumerate() {
        match x.map(|x| &x[i * len..][..len]) {
            Some(x) => elementwise::add_product(x, gradient, &mut of_lanes),
            None => elementwise::add(gradient, &mut of_lanes),
        }
    }
    let mut sums = vec![0.0; batch * channels];
    collect(&of_lanes, [batch, channels, 1], &mut sums);
    sums
}
