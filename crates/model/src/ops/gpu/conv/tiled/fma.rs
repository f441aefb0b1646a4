//! Multiply the elements of a tile one by one; products and sums are f32.

use cubecl::prelude::*;

use super::conv_shape::ConvShape;
use super::gather::{Gather, put, read_taps};
use super::tiling::{SIDE, Tiling, VECTOR};
use super::write::write;

/// `x` is `[batch, height, width, channels_in]`, `weights` `[channels_out, rows, columns, channels_in]`,
/// `bias` `[channels_out]` where there is one, `y` `[batch, height', width', channels_out]` or the
/// pixels of cells, once for each slice; `pixels` is batch · height' · width'.
#[cube(launch_unchecked)]
pub(super) fn fma_kernel<F: Float, N: Size>(
    x: &Tensor<Vector<F, N>>,
    weights: &Tensor<Vector<F, N>>,
    bias: &Tensor<F>,
    y: &mut Tensor<F>,
    pixels: u32,
    steps_per_slice: u32,
    elements_per_slice: u32,
    #[comptime] conv: ConvShape,
    #[comptime] tiling: Tiling,
    #[comptime] has_bias: bool,
    #[define(F)] _dtype: ElemType,
) {
    let [rows, columns] = comptime!(tiling.tile);
    let mut left = Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(rows * tiling.pitch));
    let mut right = Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(columns * tiling.pitch));
    let first_pixel = CUBE_POS_X * comptime!(rows as u32);
    let first_channel = CUBE_POS_Y * comptime!(columns as u32);

    let gather = Gather::of_unit(first_pixel, pixels, conv, tiling);
    let mut of_pixels = Array::<Vector<F, Const<4>>>::new(comptime!(tiling.vectors_of_unit(rows)));
    let mut of_taps = Array::<Vector<F, Const<4>>>::new(comptime!(tiling.vectors_of_unit(columns)));
    let mut sums = Array::<f32>::new(comptime!(tiling.share[0] * tiling.share[1]));
    #[unroll]
    for i in 0..comptime!(tiling.share[0] * tiling.share[1]) {
        sums[i] = 0.0;
    }

    let first = CUBE_POS_Z * steps_per_slice;
    let end = min(
        first + steps_per_slice,
        comptime!(tiling.steps(&conv) as u32),
    );
    gather.read(x, &mut of_pixels, first, conv, tiling);
    read_taps(weights, &mut of_taps, first_channel, first, conv, tiling);
    for step in first..end {
        sync_cube();
        put(&mut left, &of_pixels, rows, tiling, 1usize);
        put(&mut right, &of_taps, columns, tiling, 1usize);
        sync_cube();
        // The next step's elements are on their way while this one is computed.
        if step + 1 < end {
            gather.read(x, &mut of_pixels, step + 1, conv, tiling);
            read_taps(weights, &mut of_taps, first_channel, step + 1, conv, tiling);
        }
        multiply(&left, &right, &mut sums, tiling);
    }
    write_sums(
        &sums,
        bias,
        y,
        first_pixel,
        first_channel,
        pixels,
        elements_per_slice,
        conv,
        tiling,
        has_bias,
    );
}

/// Adds the products of a step to the unit's sums.
#[cube]
fn multiply(
    left: &Shared<[Vector<f32, Const<4>>]>,
    right: &Shared<[Vector<f32, Const<4>>]>,
    sums: &mut Array<f32>,
    #[comptime] tiling: Tiling,
) {
    let [rows, columns] = comptime!(tiling.share);
    let row = UNIT_POS / comptime!(SIDE as u32);
    let column = UNIT_POS % comptime!(SIDE as u32);
    #[unroll]
    for vector in 0..comptime!(tiling.vectors_per_step) {
        let mut of_rows = Array::<Vector<f32, Const<4>>>::new(rows);
        #[unroll]
        for i in 0..rows {
            let at = (row + comptime!((i * SIDE) as u32)) * comptime!(tiling.pitch as u32);
            of_rows[i] = left[at as usize + vector];
        }
        #[unroll]
        for j in 0..columns {
            let at = (column + comptime!((j * SIDE) as u32)) * comptime!(tiling.pitch as u32);
            let of_column = right[at as usize + vector];
            #[unroll]
            for i in 0..rows {
                let of_row = of_rows[i];
                let mut sum = sums[comptime!(i * columns + j)];
                #[unroll]
                for v in 0..VECTOR {
                    sum = fma(of_row.extract(v), of_column.extract(v), sum);
                }
                sums[comptime!(i * columns + j)] = sum;
            }
        }
    }
}

/// Writes the unit's sums, with the bias.
#[allow(clippy::too_many_arguments)]
#[cube]
fn write_sums<F: Float>(
    sums: &Array<f32>,
    bias: &Tensor<F>,
    y: &mut Tensor<F>,
    first_pixel: u32,
    first_channel: u32,
    pixels: u32,
    elements_per_slice: u32,
    #[comptime] conv: ConvShape,
    #[comptime] tiling: Tiling,
    #[comptime] has_bias: bool,
) {
    let [rows, columns] = comptime!(tiling.share);
    let slice_offset = CUBE_POS_Z * elements_per_slice;
    #[unroll]
    for j in 0..columns {
        let channel =
            first_channel + UNIT_POS % comptime!(SIDE as u32) + comptime!((j * SIDE) as u32);
        if channel < comptime!(conv.channels[1] as u32) {
            let mut added = 0.0f32;
            if has_bias && CUBE_POS_Z == 0 {
                added = f32::cast_from(bias[channel as usize]);
            }
            #[unroll]
            for i in 0..rows {
                let pixel =
                    first_pixel + UNIT_POS / comptime!(SIDE as u32) + comptime!((i * SIDE) as u32);
                if pixel < pixels {
                    write(
                        sums[comptime!(i * columns + j)] + added,
                        y,
                        slice_offset,
                        pixel,
                        channel,
                        conv,
                    );
                }
            }
        }
    }
}
