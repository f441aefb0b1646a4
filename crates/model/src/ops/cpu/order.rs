//! Know the layout of a tensor: its images one after the other (planes), or in lanes.
//!
//! The kernels take and return images in lanes ([`ebm_kernels::lanes`]); to flex such a tensor is one
//! with unusual strides, which all its operations can read.

use std::ops::Range;

use burn::tensor::{Shape, TensorData};
use burn_flex::{FlexTensor, Layout};
use ebm_kernels::conv::Order;
use ebm_kernels::lanes::{collect, lanes_for, spread};

/// Strides of a tensor whose images are in lanes.
fn strides_in_lanes([batch, channels, _, width]: [usize; 4]) -> [isize; 4] {
    let lanes = lanes_for(batch) as isize;
    let pixel = channels as isize * lanes;
    [1, lanes, width as isize * pixel, pixel]
}

/// The order of a tensor's images; [`Order::Planes`] where it is not known.
pub(super) fn order_of(tensor: &FlexTensor) -> Order {
    let layout = tensor.layout();
    if layout.num_dims() != 4 || layout.start_offset() != 0 {
        return Order::Planes;
    }
    let shape @ [batch, channels, height, width] = layout.shape().dims();
    let len = channels * height * width * lanes_for(batch);
    let in_lanes = layout.strides() == strides_in_lanes(shape);
    if in_lanes && tensor.storage::<f32>().len() == len {
        Order::Lanes
    } else {
        Order::Planes
    }
}

/// The tensor in an order; in planes it may be a part of a longer storage, so that views like the
/// weights of a flat vector and the images of a batch are not copied.
pub(super) fn in_order(tensor: FlexTensor, order: Order) -> FlexTensor {
    match (order_of(&tensor), order) {
        (Order::Lanes, Order::Lanes) => tensor,
        (Order::Planes, Order::Planes) => contiguous(tensor),
        (Order::Lanes, Order::Planes) => {
            let shape @ [batch, channels, height, width] = tensor.layout().shape().dims();
            let mut planes = vec![0.0; shape.iter().product()];
            let size = [batch, channels, height * width];
            collect(values(&tensor), size, &mut planes);
            self::tensor(planes, shape)
        }
        (Order::Planes, Order::Lanes) => {
            let tensor = contiguous(tensor);
            let shape @ [batch, channels, height, width] = tensor.layout().shape().dims();
            let lanes = spread_out(values(&tensor), [batch, channels, height * width]);
            tensor_in(Order::Lanes, lanes, shape)
        }
    }
}

/// Planes of images, channels and pixels `size` in lanes.
pub(super) fn spread_out(planes: &[f32], size: [usize; 3]) -> Vec<f32> {
    let [images, channels, pixels] = size;
    let mut lanes = vec![0.0; lanes_for(images) * channels * pixels];
    spread(planes, size, &mut lanes);
    lanes
}

pub(super) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

/// The elements of a tensor in planes or lanes.
pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    &tensor.storage()[range(tensor)]
}

/// The elements of a tensor in planes or lanes, copied first where another tensor shares them.
pub(super) fn values_mut(tensor: &mut FlexTensor) -> &mut [f32] {
    if !tensor.is_unique() && order_of(tensor) == Order::Planes {
        *tensor = tensor.to_contiguous();
    }
    let range = range(tensor);
    &mut tensor.storage_mut()[range]
}

/// Where the elements of such a tensor are in its storage.
fn range(tensor: &FlexTensor) -> Range<usize> {
    let start = tensor.layout().start_offset();
    match order_of(tensor) {
        Order::Planes => start..start + tensor.layout().num_elements(),
        Order::Lanes => 0..tensor.storage::<f32>().len(),
    }
}

pub(super) fn tensor_in(order: Order, values: Vec<f32>, shape: [usize; 4]) -> FlexTensor {
    match order {
        Order::Planes => tensor(values, shape),
        Order::Lanes => {
            let layout = Layout::new(Shape::from(shape), strides_in_lanes(shape).to_vec(), 0);
            let len = values.len();
            tensor(values, [len]).with_layout(layout)
        }
    }
}

pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(batch: usize) -> FlexTensor {
        let shape = [batch, 3, 2, 5];
        let len = shape.iter().product::<usize>();
        tensor((0..len).map(|i| i as f32).collect(), shape)
    }

    fn in_planes(tensor: FlexTensor) -> Vec<f32> {
        let tensor = in_order(tensor, Order::Planes);
        values(&tensor).to_vec()
    }

    #[test]
    fn flex_reads_images_in_lanes() {
        for batch in [1, 7, 8, 11] {
            let expected = in_planes(images(batch));
            let lanes = in_order(images(batch), Order::Lanes);
            assert_eq!(order_of(&lanes), Order::Lanes);
            assert_eq!(in_planes(lanes.clone()), expected);
            assert_eq!(values(&lanes.to_contiguous()), expected);
            let last = lanes.narrow(0, batch - 1, 1);
            assert_eq!(in_planes(last), expected[(batch - 1) * 30..]);
        }
    }

    #[test]
    fn writing_leaves_tensors_that_shared_the_storage_as_they_were() {
        for order in [Order::Planes, Order::Lanes] {
            let mut ours = in_order(images(9), order);
            let theirs = ours.clone();
            values_mut(&mut ours)[0] = 42.0;
            assert_eq!(in_planes(theirs)[0], 0.0);
            assert_eq!(in_planes(ours)[0], 42.0);
        }
    }

    #[test]
    fn a_part_of_a_batch_is_not_copied() {
        let whole = images(4);
        let part = whole.narrow(0, 1, 2);
        let start = values(&part).as_ptr();
        assert_eq!(values(&in_order(part, Order::Planes)).as_ptr(), start);
    }
}
