//! Compare strided convolutions on every adapter with the CPU's.

use burn::backend::Dispatch;
use burn::tensor::{Device, Tensor};

use super::conv::turned;
use super::strided_ops::{Cells, Strided, StridedOps, by_phases};
use crate::ops::{ConvGeometry, conv2d};
use crate::testing::{assert_close, floats, wave};
use ebm_core::adapters_under_test;

/// y, and the gradients of Σ y·wave with respect to x, the weights and the bias.
fn results(
    device: &Device,
    size: [usize; 2],
    [rows, columns]: [usize; 2],
    geometry: ConvGeometry,
) -> [Vec<f32>; 4] {
    let x = wave([3, 2, size[0], size[1]], 0, device)
        .autodiff()
        .require_grad();
    let weight = wave([5, 2, rows, columns], 0, device)
        .autodiff()
        .require_grad();
    let bias = wave([5], 0, device).autodiff().require_grad();
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

/// Sides of an image and of a kernel, strides, padding before and after.
const GEOMETRIES: [[[usize; 2]; 5]; 5] = [
    [[7, 7], [4, 4], [2, 2], [1, 2], [1, 2]],
    [[8, 9], [5, 5], [2, 2], [4, 4], [4, 4]],
    [[6, 5], [3, 2], [2, 3], [0, 1], [2, 0]],
    [[5, 4], [1, 1], [2, 2], [0, 0], [0, 0]],
    [[9, 6], [2, 4], [3, 1], [3, 0], [1, 1]],
];

#[test]
#[ignore = "runs on GPU adapters; cargo test -- --ignored"]
fn every_adapter_agrees_with_the_cpu_on_every_geometry() {
    for device in &adapters_under_test() {
        for [size, kernel, stride, rows, columns] in GEOMETRIES {
            let padding = [rows, columns].map(|[before, after]| (before, after));
            let geometry = ConvGeometry { stride, padding };
            let expected = results(&Device::flex(), size, kernel, geometry);
            let got = results(device, size, kernel, geometry);
            for (got, expected) in got.iter().zip(&expected) {
                assert_close(got, expected, &geometry);
            }
            // Whichever way the device prefers.
            let strided = Strided {
                geometry,
                kernel,
                size,
            };
            let of_y = wave(dims_of_y(size, kernel, geometry), 0, device);
            let weight = wave([5, 2, kernel[0], kernel[1]], 0, device);
            let of_x = Tensor::<4>::from_dispatch(by_phases::<Dispatch>(
                of_y.into_dispatch(),
                turned(weight, stride).into_dispatch(),
                strided,
            ));
            let of_x: Vec<f32> = of_x.into_data().iter().collect();
            assert_close(&of_x, &expected[1], &geometry);
        }
    }
}

fn dims_of_y(size: [usize; 2], kernel: [usize; 2], geometry: ConvGeometry) -> [usize; 4] {
    let [rows, columns] = geometry.output(size, kernel);
    [3, 5, rows, columns]
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
