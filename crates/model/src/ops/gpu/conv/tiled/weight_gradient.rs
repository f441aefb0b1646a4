//! Sum the gradient of a convolution's weights over all pixels.
//!
//! It is a product of matrices, too: of the output's gradient, whose columns are pixels, with what the
//! taps read at those pixels. There are many more pixels than weights, so cubes share the pixels as
//! well, and each writes a sum of its own.

use cubecl::prelude::*;

use super::conv_shape::ConvShape;
use super::gather::insert;
use super::tiling::{SIDE, UNITS, VECTOR};

/// A tile of channels by taps and channels.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) struct GradientTiling {
    /// Vectors of rows and of columns of a unit.
    share: usize,
}

impl GradientTiling {
    /// The tile for a convolution.
    pub(super) fn of(conv: &ConvShape) -> Self {
        let is_large = conv.channels[1] > Self { share: 1 }.side();
        Self {
            share: if is_large { 2 } else { 1 },
        }
    }

    /// Rows and columns of a tile.
    fn side(self) -> usize {
        self.share * SIDE * VECTOR
    }

    /// Vectors of a side of the tile.
    fn vectors(self) -> usize {
        self.share * SIDE
    }

    /// Pixels that are in shared memory at a time: each unit brings a vector of either matrix.
    fn step(self) -> usize {
        UNITS / self.vectors()
    }

    /// Tiles along the channels, and along the taps and their channels.
    pub(super) fn cubes(self, conv: &ConvShape) -> [usize; 2] {
        [conv.channels[1], conv.columns()].map(|side| side.div_ceil(self.side()))
    }

    /// In how many parts the pixels are summed, and how many are in each.
    pub(super) fn parts(self, conv: &ConvShape, pixels: usize) -> [usize; 2] {
        // As many cubes as keep a large card busy, unless a part were short.
        const CUBES: usize = 512;
        const SHORTEST: usize = 256;
        let tiles = self.cubes(conv).iter().product::<usize>();
        let parts = (CUBES / tiles).clamp(1, pixels.div_ceil(SHORTEST).max(1));
        let of_part = pixels.div_ceil(parts).max(1).next_multiple_of(self.step());
        [pixels.div_ceil(of_part).max(1), of_part]
    }
}

/// `x` is `[batch, height, width, channels_in]` in vectors of 1 or 4, `gradient` `[batch, height', width',
/// channels_out]`, `sums` `[parts, channels_out, rows, columns, channels_in]`; `pixels` is
/// batch · height' · width', of which a part sums `of_part`.
#[cube(launch_unchecked)]
pub(super) fn weight_gradient_kernel<N: Size>(
    x: &Tensor<Vector<f32, N>>,
    gradient: &Tensor<Vector<f32, Const<4>>>,
    sums: &mut Tensor<f32>,
    pixels: u32,
    of_part: u32,
    #[comptime] conv: ConvShape,
    #[comptime] tiling: GradientTiling,
) {
    let vectors = comptime!(tiling.vectors() as u32);
    let step = comptime!(tiling.step() as u32);
    let in_step = UNIT_POS / vectors;
    let row = CUBE_POS_X * vectors + UNIT_POS % vectors;
    let column = CUBE_POS_Y * vectors + UNIT_POS % vectors;
    let mut left = Shared::<[Vector<f32, Const<4>>]>::new_slice(UNITS);
    let mut right = Shared::<[Vector<f32, Const<4>>]>::new_slice(UNITS);
    let share = comptime!(tiling.share);
    let mut products = Array::<f32>::new(comptime!((share * VECTOR) * (share * VECTOR)));
    #[unroll]
    for i in 0..comptime!((share * VECTOR) * (share * VECTOR)) {
        products[i] = 0.0;
    }

    let first = CUBE_POS_Z * of_part;
    let end = min(first + of_part, pixels);
    let steps = (end - first).div_ceil(step);
    let mut of_gradient = read_gradient(gradient, first + in_step, end, row, conv);
    let mut of_image = read_image(x, first + in_step, end, column, conv);
    for i in 0..steps {
        sync_cube();
        left[UNIT_POS as usize] = of_gradient;
        right[UNIT_POS as usize] = of_image;
        sync_cube();
        // The next pixels are on their way while these are computed.
        let next = first + (i + 1) * step + in_step;
        of_gradient = read_gradient(gradient, next, end, row, conv);
        of_image = read_image(x, next, end, column, conv);
        multiply(&left, &right, &mut products, tiling);
    }
    write(&products, sums, conv, tiling);
}

/// Four channels of the output's gradient at a pixel; zero from `end` on.
#[cube]
fn read_gradient(
    gradient: &Tensor<Vector<f32, Const<4>>>,
    pixel: u32,
    end: u32,
    row: u32,
    #[comptime] conv: ConvShape,
) -> Vector<f32, Const<4>> {
    let rows = comptime!((conv.channels[1] / VECTOR) as u32);
    let mut read = Vector::<f32, Const<4>>::new(0.0);
    if pixel < end && row < rows {
        read = gradient[(pixel * rows + row) as usize];
    }
    read
}

/// What four columns' taps read for an output's pixel; zero outside of the image, and from `end` on.
#[cube]
fn read_image<N: Size>(
    x: &Tensor<Vector<f32, N>>,
    pixel: u32,
    end: u32,
    column: u32,
    #[comptime] conv: ConvShape,
) -> Vector<f32, Const<4>> {
    let width = comptime!(conv.out[1] as u32);
    let area = comptime!(conv.pixels() as u32);
    let place = pixel % area;
    let image = pixel / area * comptime!((conv.size[0] * conv.size[1]) as u32);
    let row = place / width * comptime!(conv.stride[0] as u32) - comptime!(conv.before[0] as u32);
    let out_column =
        place % width * comptime!(conv.stride[1] as u32) - comptime!(conv.before[1] as u32);
    let size = comptime!(conv.vector_size());
    let mut read = Vector::<f32, Const<4>>::new(0.0);
    #[unroll]
    for i in 0..comptime!(VECTOR / size) {
        let element = column * comptime!((VECTOR / size) as u32) + comptime!(i as u32);
        let of_pixel = comptime!((conv.channels[0] / size) as u32);
        let tap = element / of_pixel;
        let down = row + tap / comptime!(conv.kernel[1] as u32);
        let across = out_column + tap % comptime!(conv.kernel[1] as u32);
        let is_inside = pixel < end
            && tap < comptime!((conv.kernel[0] * conv.kernel[1]) as u32)
            && down < comptime!(conv.size[0] as u32)
            && across < comptime!(conv.size[1] as u32);
        if is_inside {
            let at = image + down * comptime!(conv.size[1] as u32) + across;
            let vector = x[(at * of_pixel + element % of_pixel) as usize];
            insert(&mut read, vector, comptime!(i * size), size);
        }
    }
    read
}

/// Adds the products of a step's pixels.
#[cube]
fn multiply(
    left: &Shared<[Vector<f32, Const<4>>]>,
    right: &Shared<[Vector<f32, Const<4>>]>,
    products: &mut Array<f32>,
    #[comptime] tiling: GradientTiling,
) {
    let share = comptime!(tiling.share);
    let row = UNIT_POS as usize / SIDE;
    let column = UNIT_POS as usize % SIDE;
    #[unroll]
    for pixel in 0..comptime!(tiling.step()) {
        #[unroll]
        for i in 0..share {
            let of_rows = left[row + comptime!(pixel * tiling.vectors() + i * SIDE)];
            #[unroll]
            for j in 0..share {
                let of_columns = right[column + comptime!(pixel * tiling.vectors() + j * SIDE)];
                #[unroll]
                for v in 0..VECTOR {
                    #[unroll]
                    for w in 0..VECTOR {
                        let at = comptime!(((i * VECTOR + v) * share + j) * VECTOR + w);
                        products[at] = fma(of_rows.extract(v), of_columns.extract(w), products[at]);
                    }
                }
            }
        }
    }
}

#[cube]
fn write(
    products: &Array<f32>,
    sums: &mut Tensor<f32>,
    #[comptime] conv: ConvShape,
    #[comptime] tiling: GradientTiling,
) {
    let share = comptime!(tiling.share);
    let side = comptime!(tiling.side() as u32);
    let rows = comptime!(conv.channels[1] as u32);
    let columns = comptime!(conv.columns() as u32);
    let first_row =
        CUBE_POS_X * side + UNIT_POS / comptime!(SIDE as u32) * comptime!(VECTOR as u32);
    let first_column =
        CUBE_POS_Y * side + UNIT_POS % comptime!(SIDE as u32) * comptime!(VECTOR as u32);
    #[unroll]
    for i in 0..share {
        #[unroll]
        for v in 0..VECTOR {
            let row = first_row + comptime!((i * SIDE * VECTOR + v) as u32);
            #[unroll]
            for j in 0..share {
                #[unroll]
                for w in 0..VECTOR {
                    let column = first_column + comptime!((j * SIDE * VECTOR + w) as u32);
                    if row < rows && column < columns {
                        let at = (CUBE_POS_Z * rows + row) * columns + column;
                        sums[at as usize] =
                            products[comptime!(((i * VECTOR + v) * share + j) * VECTOR + w)];
                    }
                }
            }
        }
    }
}
