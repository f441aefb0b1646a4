//! Apply kernels to the elements of flex tensors.

use burn_flex::{FlexTensor, Layout};
use ebm_kernels::elementwise;
use rayon::prelude::*;

use super::order::{in_order, order_of, tensor, values, values_mut};

/// Elements of a task of the thread pool.
const TASK_ELEMENTS: usize = 1 << 16;
/// Elements that are copied before a kernel changes the copy, 8 KiB.
const COPIED_ELEMENTS: usize = 1 << 11;

/// `x` with a kernel applied to its elements.
pub(super) fn map(x: FlexTensor, kernel: fn(&mut [f32])) -> FlexTensor {
    let order = order_of(&x);
    let mut x = in_order(x, order);
    if x.is_unique() || rayon::current_num_threads() > 1 {
        let tasks = values_mut(&mut x).par_chunks_mut(TASK_ELEMENTS);
        tasks.for_each(kernel);
        return x;
    }
    // Copied a little at a time, so that the kernel finds it in the cache.
    let from = values(&x);
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

/// `y` with a kernel applied to its elements and those of `x`.
pub(super) fn map_with(x: FlexTensor, y: FlexTensor, kernel: fn(&[f32], &mut [f32])) -> FlexTensor {
    let order = order_of(&x);
    let (x, mut y) = (in_order(x, order), in_order(y, order));
    let tasks = values_mut(&mut y).par_chunks_mut(TASK_ELEMENTS);
    tasks
        .zip(values(&x).par_chunks(TASK_ELEMENTS))
        .for_each(|(y, x)| kernel(x, y));
    y
}

/// The gradient of swish at `x`.
pub(super) fn swish_gradient(x: FlexTensor, gradient: FlexTensor) -> FlexTensor {
    map_with(x, gradient, elementwise::swish_gradient)
}

/// The gradient of leaky ReLU where its result is `y`.
pub(super) fn leaky_relu_gradient(y: FlexTensor, gradient: FlexTensor) -> FlexTensor {
    map_with(y, gradient, elementwise::leaky_relu_gradient)
}
