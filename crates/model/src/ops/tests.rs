//! Hold the kernels that change the sides and channels of images to Burn's own operations.

use burn::tensor::{DType, Device, Tensor};

use super::functions::{conv2d, double, fork, halve, join, space_mean};
use super::geometry::ConvGeometry;
use crate::testing::{assert_close, floats, wave};

/// Sides that are even and differ.
const SIDES: [usize; 2] = [4, 6];
/// Images in planes, in lanes with and without gaps, and more than a kernel takes at once.
const BATCHES: [usize; 4] = [1, 3, 8, 19];

type Operation = fn(Tensor<4>) -> Tensor<4>;

const OPERATIONS: [(&str, Operation); 6] = [
    ("halve", halve),
    ("double", double),
    ("mean", space_mean),
    ("join of what was doubled and what was not", |h| {
        let [coarse, fine] = fork(h);
        join(double(halve(coarse)), fine)
    }),
    ("join of a product and a result", |h| {
        let [first, second] = fork(h);
        join(first * 2.0, second)
    }),
    ("join of means", |h| {
        let [first, second] = fork(h);
        join(space_mean(first), space_mean(halve(second)))
    }),
];

/// What a convolution leaves of images: in lanes where the batch is small.
fn features(x: Tensor<4>) -> Tensor<4> {
    let kernels = wave([5, 3, 1, 1], 7, &Device::flex()).cast(x.dtype());
    let geometry = ConvGeometry {
        stride: [1, 1],
        padding: [(0, 0); 2],
    };
    conv2d(x, kernels, None, None, geometry)
}

fn images(batch: usize, dtype: DType) -> Tensor<4> {
    wave([batch, 3, SIDES[0], SIDES[1]], 0, &Device::flex()).cast(dtype)
}

/// The result for images, and the gradient of a weighted sum of it with respect to them.
fn result_and_gradient(operation: Operation, batch: usize, dtype: DType) -> [Vec<f32>; 2] {
    let x = images(batch, dtype).autodiff().require_grad();
    let y = operation(features(x.clone()));
    let weights = wave(y.dims(), 11, &Device::flex()).cast(dtype);
    let mut gradients = (y.clone() * weights).sum().backward();
    let gradient = x.grad_remove(&mut gradients).expect("x matters");
    [y.inner().into_data(), gradient.into_data()].map(floats)
}

#[test]
fn results_and_gradients_are_those_of_burns_operations_in_double_precision() {
    for ((name, operation), batch) in OPERATIONS
        .into_iter()
        .flat_map(|of| BATCHES.map(|batch| (of, batch)))
    {
        let ours = result_and_gradient(operation, batch, DType::F32);
        let burns = result_and_gradient(operation, batch, DType::F64);
        for (ours, burns) in ours.iter().zip(&burns) {
            assert_close(ours, burns, &(name, batch));
        }
    }
}

#[test]
fn the_result_for_an_image_does_not_depend_on_its_batch() {
    for (name, operation) in OPERATIONS {
        for batch in BATCHES {
            let x = images(batch, DType::F32);
            let whole = floats(operation(features(x.clone())).into_data());
            let len = whole.len() / batch;
            for (i, expected) in whole.chunks(len).enumerate() {
                let alone = operation(features(x.clone().narrow(0, i, 1)));
                let alone = floats(alone.into_data());
                assert!(alone == expected, "{name}, image {i} of {batch}");
            }
        }
    }
}

#[test]
fn joined_channels_and_doubled_pixels_are_where_they_belong() {
    let pixels = |values: [f32; 2]| Tensor::<4>::from_floats([[[values]]], &Device::flex());
    let joined = join(pixels([1.0, 2.0]), pixels([3.0, 4.0]));
    assert_eq!(joined.dims(), [1, 2, 1, 2]);
    assert_eq!(floats(joined.into_data()), [1.0, 2.0, 3.0, 4.0]);
    let doubled = double(pixels([1.0, 2.0]));
    assert_eq!(doubled.dims(), [1, 1, 2, 4]);
    let row = [1.0, 1.0, 2.0, 2.0];
    assert_eq!(floats(doubled.into_data()), [row, row].concat());
    assert_eq!(floats(space_mean(pixels([1.0, 2.0])).into_data()), [1.5]);
}
