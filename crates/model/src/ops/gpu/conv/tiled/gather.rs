//! Read the rows of both matrices, and bring them to shared memory.

use cubecl::prelude::*;

use super::conv_shape::ConvShape;
use super::tiling::{Tiling, VECTOR};

/// A row beyond every image, to which a row of a kernel can be added: images have fewer elements.
const OUTSIDE: u32 = 1 << 31;

/// Where in the images a unit reads its rows of the left matrix.
#[derive(CubeType)]
pub(super) struct Gather {
    /// First pixel of the row's image.
    image: Array<u32>,
    /// Of the kernel's first tap; one before the image is a large number.
    row: Array<u32>,
    column: Array<u32>,
}

#[cube]
impl Gather {
    pub(super) fn of_unit(
        first_pixel: u32,
        pixels: u32,
        #[comptime] conv: ConvShape,
        #[comptime] tiling: Tiling,
    ) -> Gather {
        let count = comptime!(tiling.vectors_of_unit(tiling.tile[0]));
        let mut image = Array::<u32>::new(count);
        let mut row = Array::<u32>::new(count);
        let mut column = Array::<u32>::new(count);
        let width = comptime!(conv.out[1] as u32);
        let area = comptime!(conv.pixels() as u32);
        #[unroll]
        for i in 0..count {
            let pixel = first_pixel
                + UNIT_POS / comptime!(tiling.vectors_per_step as u32)
                + comptime!((i * tiling.rows_at_once()) as u32);
            let place = pixel % area;
            image[i] = pixel / area * comptime!((conv.size[0] * conv.size[1]) as u32);
            let first =
                place / width * comptime!(conv.stride[0] as u32) - comptime!(conv.before[0] as u32);
            row[i] = select(pixel < pixels, first, OUTSIDE);
            column[i] =
                place % width * comptime!(conv.stride[1] as u32) - comptime!(conv.before[1] as u32);
        }
        Gather { image, row, column }
    }

    /// The unit's vector of each of its rows in a step; zero outside of an image.
    pub(super) fn read<F: Float, N: Size>(
        &self,
        x: &Tensor<Vector<F, N>>,
        into: &mut Array<Vector<F, Const<4>>>,
        step: u32,
        #[comptime] conv: ConvShape,
        #[comptime] tiling: Tiling,
    ) {
        let size = comptime!(conv.vector_size());
        let of_pixel = comptime!((conv.channels[0] / size) as u32);
        let kernel_width = comptime!(conv.kernel[1] as u32);
        let in_step = comptime!(tiling.vectors_per_step as u32);
        let vector = step * in_step + UNIT_POS % in_step;
        #[unroll]
        for i in 0..comptime!(tiling.vectors_of_unit(tiling.tile[0])) {
            let mut read = Vector::<F, Const<4>>::new(F::new(0.0));
            #[unroll]
            for part in 0..comptime!(VECTOR / size) {
                let column_read =
                    vector * comptime!((VECTOR / size) as u32) + comptime!(part as u32);
                let tap = column_read / of_pixel;
                let row = self.row[i] + tap / kernel_width;
                let column = self.column[i] + tap % kernel_width;
                let is_inside = column_read < comptime!((conv.columns() / size) as u32)
                    && row < comptime!(conv.size[0] as u32)
                    && column < comptime!(conv.size[1] as u32);
                if is_inside {
                    let pixel = self.image[i] + row * comptime!(conv.size[1] as u32) + column;
                    let at = pixel * of_pixel + column_read % of_pixel;
                    insert(&mut read, x[at as usize], comptime!(part * size), size);
                }
            }
            into[i] = read;
        }
    }
}

/// The unit's vector of each of its rows of the right matrix in a step; zero beyond the weights.
#[cube]
pub(super) fn read_taps<F: Float, N: Size>(
    weights: &Tensor<Vector<F, N>>,
    into: &mut Array<Vector<F, Const<4>>>,
    first_channel: u32,
    step: u32,
    #[comptime] conv: ConvShape,
    #[comptime] tiling: Tiling,
) {
    let size = comptime!(conv.vector_size());
    let of_row = comptime!((conv.columns() / size) as u32);
    let in_step = comptime!(tiling.vectors_per_step as u32);
    let vector = step * in_step + UNIT_POS % in_step;
    #[unroll]
    for j in 0..comptime!(tiling.vectors_of_unit(tiling.tile[1])) {
        let channel =
            first_channel + UNIT_POS / in_step + comptime!((j * tiling.rows_at_once()) as u32);
        let mut read = Vector::<F, Const<4>>::new(F::new(0.0));
        #[unroll]
        for part in 0..comptime!(VECTOR / size) {
            let column = vector * comptime!((VECTOR / size) as u32) + comptime!(part as u32);
            if column < of_row && channel < comptime!(conv.channels[1] as u32) {
                let at = channel * of_row + column;
                insert(
                    &mut read,
                    weights[at as usize],
                    comptime!(part * size),
                    size,
                );
            }
        }
        into[j] = read;
    }
}

/// Replaces the elements of a vector from `first` on.
#[cube]
pub(super) fn insert<F: Float, N: Size>(
    into: &mut Vector<F, Const<4>>,
    elements: Vector<F, N>,
    #[comptime] first: usize,
    #[comptime] size: usize,
) {
    #[unroll]
    for i in 0..size {
        into.insert(comptime!(first + i), elements.extract(i));
    }
}

/// Brings what a unit has read to shared memory, as sums of `parts` values: the first of all rows, then
/// the second.
#[cube]
pub(super) fn put<F: Float, P: Float>(
    into: &mut Shared<[Vector<P, Const<4>>]>,
    read: &Array<Vector<F, Const<4>>>,
    #[comptime] rows: usize,
    #[comptime] tiling: Tiling,
    #[comptime] parts: usize,
) {
    #[unroll]
    for i in 0..comptime!(tiling.vectors_of_unit(rows)) {
        let at = place_of_vector(i, tiling);
        let whole = read[i];
        let first = Vector::<P, Const<4>>::cast_from(whole);
        into[at] = first;
        if comptime!(parts == 2) {
            let rest = whole - Vector::<F, Const<4>>::cast_from(first);
            into[at + comptime!(rows * tiling.pitch)] = Vector::<P, Const<4>>::cast_from(rest);
        }
    }
}

/// Where in shared memory the unit's vector of its `i`-th row is.
#[cube]
fn place_of_vector(#[comptime] i: usize, #[comptime] tiling: Tiling) -> usize {
    let in_step = comptime!(tiling.vectors_per_step as u32);
    let row = UNIT_POS / in_step + comptime!((i * tiling.rows_at_once()) as u32);
    (row * comptime!(tiling.pitch as u32) + UNIT_POS % in_step) as usize
}
