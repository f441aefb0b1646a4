//! Lay out all windows of pictures as columns, and add columns back to the pixels that they came from.

use burn::tensor::{IndexingUpdateOp, Tensor};
use ebm_core::index_tensor;

/// Every window of `size` rows and columns of the pictures, a column each, those of a picture after those of the one
/// before, row by row.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - returns: `[columns · rows · channels, batch · (height − rows + 1) · (width − columns + 1)]`, in the order of
///   [`in_order`]
pub(super) fn windows(x: Tensor<4>, [rows, columns]: [usize; 2]) -> Tensor<2> {
    let [batch, channels, height, width] = x.dims();
    let (down, across) = (height - rows + 1, width - columns + 1);
    let x = x.swap_dims(0, 1); // [channels, batch, height, width]
    let by_row = (0..rows).map(|row| x.clone().narrow(2, row, down));
    let by_row: Tensor<5> = Tensor::stack(by_row.collect(), 0); // [rows, channels, batch, down, width]
    let by_column = (0..columns).map(|column| by_row.clone().narrow(4, column, across));
    let by_column: Tensor<6> = Tensor::stack(by_column.collect(), 0);
    by_column.reshape([columns * rows * channels, batch * down * across])
}

/// What multiplies windows, in the order of their columns.
///
/// # Shapes
/// - `kernels`: `[kernels, channels, rows, columns]`, returns `[kernels, columns · rows · channels]`
pub(super) fn in_order(kernels: Tensor<4>) -> Tensor<2> {
    let [count, channels, rows, columns] = kernels.dims();
    let kernels = kernels.permute([0, 3, 2, 1]);
    kernels.reshape([count, columns * rows * channels])
}

/// The sum of all columns at the pixels of their windows: the adjoint of [`windows`].
///
/// # Shapes
/// - `columns`: as [`windows`] returns them for pictures of `dims`, which is the shape of what is returned
pub(super) fn added(
    of_windows: Tensor<2>,
    [rows, columns]: [usize; 2],
    dims: [usize; 4],
) -> Tensor<4> {
    let [batch, channels, height, width] = dims;
    let (down, across) = (height - rows + 1, width - columns + 1);
    let of_windows: Tensor<6> = of_windows.reshape([columns, rows, channels, batch, down, across]);
    let options = (&of_windows.device(), of_windows.dtype());
    let mut by_row = Tensor::<5>::zeros([rows, channels, batch, down, width], options);
    for column in 0..columns {
        let part: Tensor<5> = of_windows.clone().narrow(0, column, 1).squeeze_dim(0);
        let place = [
            0..rows,
            0..channels,
            0..batch,
            0..down,
            column..column + across,
        ];
        let sum = by_row.clone().slice(place.clone()) + part;
        by_row = by_row.slice_assign(place, sum);
    }
    let mut x = Tensor::<4>::zeros([channels, batch, height, width], options);
    for row in 0..rows {
        let part: Tensor<4> = by_row.clone().narrow(0, row, 1).squeeze_dim(0);
        let place = [0..channels, 0..batch, row..row + down, 0..width];
        let sum = x.clone().slice(place.clone()) + part;
        x = x.slice_assign(place, sum);
    }
    x.swap_dims(0, 1)
}

/// The pictures with more pixels before and after the ends of an axis: their mirror image, the last pixel twice.
pub(super) fn mirrored(x: Tensor<4>, axis: usize, margins: [usize; 2]) -> Tensor<4> {
    let places = reflections(x.dims()[axis], margins);
    let places = index_tensor(&places, &x.device().inner());
    x.select(axis, places)
}

/// Every pixel with all that is its image: the adjoint of [`mirrored`] for pictures of `dims`.
pub(super) fn folded(
    x: Tensor<4>,
    axis: usize,
    margins: [usize; 2],
    dims: [usize; 4],
) -> Tensor<4> {
    let places = reflections(dims[axis], margins);
    let places = index_tensor(&places, &x.device().inner());
    let none = Tensor::zeros(dims, (&x.device(), x.dtype()));
    none.select_assign(axis, places, x, IndexingUpdateOp::Add)
}

/// Which pixel of a line each is the image of.
fn reflections(length: usize, [before, after]: [usize; 2]) -> Vec<u32> {
    let round = 2 * length;
    let places = (0..before + length + after).map(|place| {
        // A whole number of rounds up, so that nothing is below 0.
        let along = (place + round * before - before) % round;
        along.min(round - 1 - along) as u32
    });
    places.collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::testing::{floats, wave};

    #[test]
    fn a_line_goes_on_as_its_mirror_image_as_often_as_it_takes() {
        let line = |values: &[f32], margins| -> Vec<f32> {
            let x = Tensor::<1>::from_floats(values, &Device::flex());
            let x = mirrored(x.reshape([1, 1, 1, values.len()]), 3, margins);
            floats(x.into_data())
        };
        let got = line(&[1.0, 2.0, 3.0], [1, 2]);
        assert_eq!(got, [1.0, 1.0, 2.0, 3.0, 3.0, 2.0]);
        let got = line(&[1.0, 2.0], [3, 3]);
        assert_eq!(got, [2.0, 2.0, 1.0, 1.0, 2.0, 2.0, 1.0, 1.0]);
        assert_eq!(line(&[7.0], [4, 5]), [7.0; 10]);
    }

    #[test]
    fn a_column_has_the_pixels_of_its_window_in_the_order_of_kernels() {
        let pixels: Vec<f32> = (0..24).map(|place| place as f32).collect();
        let x = Tensor::<1>::from_floats(pixels.as_slice(), &Device::flex());
        let columns = windows(x.clone().reshape([1, 2, 3, 4]), [2, 3]);
        assert_eq!(columns.dims(), [12, 4]);
        // The window at row 1, column 0 is the third; a kernel that takes one of its pixels finds it.
        let third = floats(columns.narrow(1, 2, 1).into_data());
        for (channel, row, column) in [(0, 0, 0), (1, 0, 2), (0, 1, 1)] {
            let place = (channel * 2 + row) * 3 + column;
            let one: Vec<f32> = (0..12).map(|at| f32::from(at == place)).collect();
            let kernel = Tensor::<1>::from_floats(one.as_slice(), &Device::flex());
            let kernel = floats(in_order(kernel.reshape([1, 2, 2, 3])).into_data());
            let found: f32 = kernel.iter().zip(&third).map(|(a, b)| a * b).sum();
            assert_eq!(found, (channel * 12 + (row + 1) * 4 + column) as f32);
        }
    }

    /// ⟨Ax, y⟩ = ⟨x, Aᵀy⟩.
    #[test]
    fn what_adds_back_is_the_adjoint_of_what_lays_out() {
        let device = Device::flex();
        let x = wave::<4>([2, 3, 5, 6], 4, &device);
        let (size, dims) = ([2, 4], x.dims());
        let laid_out = windows(x.clone(), size);
        let y = wave::<2>(laid_out.dims(), 7, &device);
        let there = (laid_out * y.clone()).sum().into_scalar::<f64>();
        let back = (x.clone() * added(y, size, dims))
            .sum()
            .into_scalar::<f64>();
        assert!((there - back).abs() < 1e-4, "{there} is not {back}");

        let longer = mirrored(x.clone(), 2, [7, 3]);
        let y = wave::<4>(longer.dims(), 7, &device);
        let there = (longer * y.clone()).sum().into_scalar::<f64>();
        let back = (x * folded(y, 2, [7, 3], dims)).sum().into_scalar::<f64>();
        assert!((there - back).abs() < 1e-4, "{there} is not {back}");
    }
}
