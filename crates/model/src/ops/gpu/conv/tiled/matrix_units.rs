//! Multiply the fragments of a tile with matrix units, whose factors have 16 bits and whose sums are f32.

use cubecl::cmma::{self, MatrixIdent, MatrixLayout};
use cubecl::prelude::*;

use super::conv_shape::ConvShape;
use super::gather::{Gather, put, read_taps};
use super::tiling::{FRAGMENT, PLANE, PLANES, Tiling, VECTOR};
use super::write::write;

/// Elements of a fragment.
const ELEMENTS: usize = FRAGMENT * FRAGMENT;

/// `x`, `weights`, `bias`, `y` and `pixels` as those of `fma_kernel`, in a type `F`; factors are sums of
/// `parts` values of type `P`.
#[cube(launch_unchecked)]
pub(super) fn matrix_kernel<F: Float, P: Float, N: Size>(
    x: &Tensor<Vector<F, N>>,
    weights: &Tensor<Vector<F, N>>,
    bias: &Tensor<F>,
    y: &mut Tensor<F>,
    pixels: u32,
    steps_per_slice: u32,
    elements_per_slice: u32,
    #[comptime] conv: ConvShape,
    #[comptime] tiling: Tiling,
    #[comptime] parts: usize,
    #[comptime] has_bias: bool,
    #[define(F)] _dtype: ElemType,
    #[define(P)] _of_part: ElemType,
) {
    let [rows, columns] = comptime!(tiling.tile);
    let of_left = comptime!(rows * tiling.pitch);
    let of_right = comptime!(columns * tiling.pitch);
    let mut left = Shared::<[Vector<P, Const<4>>]>::new_slice(comptime!(parts * of_left));
    let mut right = Shared::<[Vector<P, Const<4>>]>::new_slice(comptime!(parts * of_right));
    let mut exchange = Shared::<[f32]>::new_slice(comptime!(PLANES[0] * PLANES[1] * ELEMENTS));
    let first_pixel = CUBE_POS_X * comptime!(rows as u32);
    let first_channel = CUBE_POS_Y * comptime!(columns as u32);

    let gather = Gather::of_unit(first_pixel, pixels, conv, tiling);
    let mut of_pixels = Array::<Vector<F, Const<4>>>::new(comptime!(tiling.vectors_of_unit(rows)));
    let mut of_taps = Array::<Vector<F, Const<4>>>::new(comptime!(tiling.vectors_of_unit(columns)));
    let mut sums = Sequence::<cmma::Matrix<f32>>::new();
    #[unroll]
    for _ in 0..comptime!(tiling.share[0] * tiling.share[1]) {
        sums.push(cmma::Matrix::<f32>::from_value(
            MatrixIdent::Accumulator,
            FRAGMENT,
            FRAGMENT,
            FRAGMENT,
            MatrixLayout::Undefined,
            0.0,
        ));
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
        put(&mut left, &of_pixels, rows, tiling, parts);
        put(&mut right, &of_taps, columns, tiling, parts);
        sync_cube();
        // The next step's elements are on their way while this one is computed.
        if step + 1 < end {
            gather.read(x, &mut of_pixels, step + 1, conv, tiling);
            read_taps(weights, &mut of_taps, first_channel, step + 1, conv, tiling);
        }
        multiply(&left, &right, &sums, tiling, parts);
    }
    write_sums(
        &sums,
        &mut exchange,
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

/// Adds the products of a step to the sums.
#[cube]
fn multiply<P: Float>(
    left: &Shared<[Vector<P, Const<4>>]>,
    right: &Shared<[Vector<P, Const<4>>]>,
    sums: &Sequence<cmma::Matrix<f32>>,
    #[comptime] tiling: Tiling,
    #[comptime] parts: usize,
) {
    let [rows, columns] = comptime!(tiling.share);
    let row = PLANE_POS / comptime!(PLANES[1] as u32) * comptime!((rows * FRAGMENT) as u32);
    let column = PLANE_POS % comptime!(PLANES[1] as u32) * comptime!((columns * FRAGMENT) as u32);
    #[unroll]
    for k in 0..comptime!(tiling.vectors_per_step * VECTOR / FRAGMENT) {
        let mut of_columns = Sequence::<cmma::Matrix<P>>::new();
        #[unroll]
        for part in 0..parts {
            #[unroll]
            for j in 0..columns {
                let first = place(column, k, j, comptime!(part * tiling.tile[1]), tiling);
                of_columns.push(load(
                    right,
                    first,
                    MatrixIdent::B,
                    MatrixLayout::ColMajor,
                    tiling,
                ));
            }
        }
        #[unroll]
        for i in 0..rows {
            #[unroll]
            for part in 0..parts {
                let first = place(row, k, i, comptime!(part * tiling.tile[0]), tiling);
                let of_row = load(left, first, MatrixIdent::A, MatrixLayout::RowMajor, tiling);
                // Not the product of both second parts.
                #[unroll]
                for other in 0..comptime!(parts - part) {
                    #[unroll]
                    for j in 0..columns {
                        let sum = sums.index(comptime!(i * columns + j));
                        let of_column = of_columns.index(comptime!(other * columns + j));
                        cmma::execute(&of_row, of_column, sum, sum);
                    }
                }
            }
        }
    }
}

/// The first vector of the `i`-th fragment of a plane whose rows begin at `row`, at the `k`-th columns
/// of a step, `rows_before` rows further.
#[cube]
fn place(
    row: u32,
    #[comptime] k: usize,
    #[comptime] i: usize,
    #[comptime] rows_before: usize,
    #[comptime] tiling: Tiling,
) -> usize {
    let row = row + comptime!((i * FRAGMENT + rows_before) as u32);
    (row * comptime!(tiling.pitch as u32) + comptime!((k * FRAGMENT / VECTOR) as u32)) as usize
}

/// The fragment of a side of the tile whose first vector is at `first`.
#[cube]
fn load<P: Float>(
    from: &Shared<[Vector<P, Const<4>>]>,
    first: usize,
    #[comptime] ident: MatrixIdent,
    #[comptime] layout: MatrixLayout,
    #[comptime] tiling: Tiling,
) -> cmma::Matrix<P> {
    // SAFETY: loaded before it is used.
    let mut fragment =
        unsafe { cmma::Matrix::<P>::uninitialized(ident, FRAGMENT, FRAGMENT, FRAGMENT, layout) };
    let end = first + comptime!((FRAGMENT - 1) * tiling.pitch + FRAGMENT / VECTOR);
    let stride = comptime!((tiling.pitch * VECTOR) as u32);
    cmma::load(&mut fragment, &from[first..end], stride);
    fragment
}

/// Writes the plane's sums, with the bias; a fragment's elements are exchanged among its units.
#[allow(clippy::too_many_arguments)]
#[cube]
fn write_sums<F: Float>(
    sums: &Sequence<cmma::Matrix<f32>>,
    exchange: &mut Shared<[f32]>,
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
    let row = PLANE_POS / comptime!(PLANES[1] as u32) * comptime!((rows * FRAGMENT) as u32);
    let column = PLANE_POS % comptime!(PLANES[1] as u32) * comptime!((columns * FRAGMENT) as u32);
    let mine = PLANE_POS as usize * ELEMENTS;
    #[unroll]
    for i in 0..rows {
        #[unroll]
        for j in 0..columns {
            let sum = sums.index(comptime!(i * columns + j));
            sync_cube();
            cmma::store(
                &mut exchange[mine..mine + ELEMENTS],
                sum,
                comptime!(FRAGMENT as u32),
                MatrixLayout::RowMajor,
            );
            sync_cube();
            #[unroll]
            for k in 0..comptime!(ELEMENTS / PLANE) {
                let element = UNIT_POS_PLANE + comptime!((k * PLANE) as u32);
                let pixel = first_pixel
                    + row
                    + comptime!((i * FRAGMENT) as u32)
                    + element / comptime!(FRAGMENT as u32);
                let channel = first_channel
                    + column
                    + comptime!((j * FRAGMENT) as u32)
                    + element % comptime!(FRAGMENT as u32);
                if pixel < pixels && channel < comptime!(conv.channels[1] as u32) {
                    let mut output = exchange[mine + element as usize];
                    if has_bias && CUBE_POS_Z == 0 {
                        output += f32::cast_from(bias[channel as usize]);
                    }
                    write(output, y, slice_offset, pixel, channel, conv);
                }
            }
        }
    }
}
