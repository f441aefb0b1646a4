//! Compare convolutions on every adapter with the CPU's.

use std::sync::Arc;

use burn::backend::Dispatch;
use burn::tensor::{Device, Tensor};

use super::conv_ops::{Cells, ConvOfSize, ConvOps, by_phases};
use super::functions::turned;
use crate::ops::layouts::Layouts;
use crate::ops::{ConvGeometry, Factors, conv2d};
use crate::testing::{assert_close, floats, wave};
use ebm_core::adapters_under_test;

/// y, and the gradients of Σ y·wave with respect to x, the weights and the bias.
fn results(
    device: &Device,
    [inputs, outputs]: [usize; 2],
    size: [usize; 2],
    [rows, columns]: [usize; 2],
    geometry: ConvGeometry,
) -> [Vec<f32>; 4] {
    let x = wave([3, inputs, size[0], size[1]], 0, device)
        .autodiff()
        .require_grad();
    let weight = wave([outputs, inputs, rows, columns], 0, device)
        .autodiff()
        .require_grad();
    let bias = wave([outputs], 0, device).autodiff().require_grad();
    let y = conv2d(
        x.clone(),
        weight.clone(),
        Some(bias.clone()),
        None,
        geometry,
    );
    let weighted = y.clone() * wave(y.dims(), 0, device);
    let mut gradients = weighted.sum().backward();
    [
        floats(y.inner().into_data()),
        floats(x.grad_remove(&mut gradients).expect("tracked").into_data()),
        floats(
            weight
                .grad_remove(&mut gradients)
                .expect("tracked")
                .into_data(),
        ),
        floats(
            bias.grad_remove(&mut gradients)
                .expect("tracked")
                .into_data(),
        ),
    ]
}

/// Within 2·10⁻⁴ of the largest: sums of hundreds of terms that cancel, whose factors matrix units round
/// to 17 bits.
fn assert_near(got: &[f32], expected: &[f32], what: &impl core::fmt::Debug) {
    assert_eq!(got.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |max, v| max.max(v.abs()));
    for (got, expected) in got.iter().zip(expected) {
        let error = (got - expected).abs();
        assert!(error < 2e-4 * largest, "{what:?}: {got} is not {expected}");
    }
}

/// Sides of an image and of a kernel, strides, padding before and after.
const GEOMETRIES: [[[usize; 2]; 5]; 6] = [
    [[7, 7], [4, 4], [2, 2], [1, 2], [1, 2]],
    [[8, 9], [5, 5], [2, 2], [4, 4], [4, 4]],
    [[6, 5], [3, 2], [2, 3], [0, 1], [2, 0]],
    [[5, 4], [1, 1], [2, 2], [0, 0], [0, 0]],
    [[9, 6], [2, 4], [3, 1], [3, 0], [1, 1]],
    [[6, 7], [3, 3], [1, 1], [1, 1], [1, 1]],
];

/// In and out: for Burn's algorithms, and for tiles, in which channels are read one by one or four at
/// once.
const CHANNELS: [[usize; 2]; 4] = [[2, 5], [3, 20], [20, 36], [8, 68]];

#[test]
#[ignore = "runs on GPU adapters; cargo test -- --ignored"]
fn every_adapter_agrees_with_the_cpu_on_every_geometry() {
    for device in &adapters_under_test() {
        for [size, kernel, stride, rows, columns] in GEOMETRIES {
            let padding = [rows, columns].map(|[before, after]| (before, after));
            let geometry = ConvGeometry { stride, padding };
            for channels in CHANNELS {
                let on = |device| results(device, channels, size, kernel, geometry);
                for (got, expected) in on(device).iter().zip(&on(&Device::flex())) {
                    assert_near(got, expected, &geometry);
                }
            }
            // Whichever way the device prefers.
            let [_, expected, ..] = results(&Device::flex(), [2, 5], size, kernel, geometry);
            let conv = ConvOfSize {
                geometry,
                factors: Factors::F32,
                kernel,
                size,
            };
            let of_y = wave(dims_of_y(size, kernel, geometry), 0, device);
            let weight = wave([5, 2, kernel[0], kernel[1]], 0, device);
            let of_x = Tensor::<4>::from_dispatch(by_phases::<Dispatch>(
                of_y.into_dispatch(),
                turned(weight, stride).into_dispatch(),
                conv,
            ));
            let of_x: Vec<f32> = of_x.into_data().iter().collect();
            assert_close(&of_x, &expected, &geometry);
        }
    }
}

fn dims_of_y(size: [usize; 2], kernel: [usize; 2], geometry: ConvGeometry) -> [usize; 4] {
    let [rows, columns] = geometry.output(size, kernel);
    [3, 5, rows, columns]
}

#[test]
#[ignore = "runs on GPU adapters; cargo test -- --ignored"]
fn tiles_of_every_size_agree_with_the_cpu() {
    // So many pixels that large tiles are taken.
    let (size, kernel) = ([106, 105], [3, 1]);
    let geometry = ConvGeometry {
        stride: [1, 1],
        padding: [(1, 1), (0, 0)],
    };
    for device in &adapters_under_test() {
        for channels in [[4, 68], [4, 20]] {
            let y = |device| {
                let x = wave([3, channels[0], size[0], size[1]], 0, device);
                let weight = wave([channels[1], channels[0], kernel[0], kernel[1]], 0, device);
                floats(conv2d(x, weight, None, None, geometry).into_data())
            };
            assert_near(&y(device), &y(&Device::flex()), &channels);
        }
    }
}

#[test]
#[ignore = "runs on GPU adapters; cargo test -- --ignored"]
fn weights_may_be_constant_and_then_trained_with_the_same_layouts() {
    let geometry = ConvGeometry {
        stride: [1, 1],
        padding: [(1, 1); 2],
    };
    for [inputs, outputs] in [[32, 1], [1, 32], [8, 20]] {
        // Input gradients of both, and the gradient of the weights.
        let gradients = |device: &Device| {
            let layouts = Arc::new(Layouts::default());
            let weight = wave([outputs, inputs, 3, 3], 0, device);
            let trained = weight.clone().autodiff().require_grad();
            let gradients_of = |weight: Tensor<4>| {
                let x = wave([3, inputs, 12, 12], 0, device)
                    .autodiff()
                    .require_grad();
                let y = conv2d(x.clone(), weight, None, Some(layouts.clone()), geometry);
                let weighted = y.clone() * wave(y.dims(), 0, device);
                let mut gradients = weighted.sum().backward();
                let of_x = x.grad_remove(&mut gradients).expect("tracked");
                (floats(of_x.into_data()), gradients)
            };
            let (of_x, _) = gradients_of(weight);
            let (again, mut gradients) = gradients_of(trained.clone());
            let of_weight = trained.grad_remove(&mut gradients).expect("tracked");
            [of_x, again, floats(of_weight.into_data())]
        };
        for device in &adapters_under_test() {
            for (got, expected) in gradients(device).iter().zip(&gradients(&Device::flex())) {
                assert_near(got, expected, &[inputs, outputs]);
            }
        }
    }
}

#[test]
#[ignore = "runs on GPU adapters; cargo test -- --ignored"]
fn the_kernel_moves_pixels_as_the_operations_do() {
    for device in &adapters_under_test() {
        let cells = wave([2, 12, 3, 4], 0, device);
        let layout = Cells {
            stride: [2, 3],
            before: [1, 2],
            size: [5, 9],
        };
        let got = Tensor::<4>::from_dispatch(Dispatch::cells_to_pixels(
            cells.clone().into_dispatch(),
            layout,
        ));
        let apart: Tensor<6> = cells.reshape([2, 2, 3, 2, 3, 4]);
        let whole: Tensor<4> = apart.permute([0, 3, 4, 1, 5, 2]).reshape([2, 2, 6, 12]);
        let expected = whole.slice([0..2, 0..2, 1..6, 2..11]);
        assert_eq!(got.into_data(), expected.into_data());
    }
}
