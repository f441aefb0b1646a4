//! Add the products of a tap of a convolution, forward and backward.

use cubecl::prelude::*;

use crate::ops::gpu::resident::plane::Plane;

/// Adds to every sum of a tile of `to`, whose first channel is `channel`, the products of a pixel of
/// `from`, at a row and a column for each cell, with a tap of the kernels at `kernels`,
/// `[taps, channels of from, channels of to]`. Pixels outside of `from` are zero: the rows and columns
/// before it have wrapped around, so that they are beyond its sides, too.
#[allow(clippy::too_many_arguments)]
#[cube]
pub(super) fn add_tap(
    sums: &mut Array<f32>,
    plane: &Shared<[f32]>,
    weights: &Tensor<f32>,
    channel: u32,
    rows: &Array<u32>,
    columns: &Array<u32>,
    tap: u32,
    #[comptime] zero: usize,
    #[comptime] kernels: usize,
    #[comptime] from: Plane,
    #[comptime] to: Plane,
) {
    let cells = comptime!(to.tile[1]);
    let mut at = Array::<u32>::new(cells);
    let mut step = Array::<u32>::new(cells);
    #[unroll]
    for j in 0..cells {
        let is_inside =
            rows[j] < comptime!(from.size[0] as u32) && columns[j] < comptime!(from.size[1] as u32);
        let pixel = rows[j] * comptime!(from.size[1] as u32) + columns[j];
        at[j] = select(is_inside, pixel, comptime!(zero as u32));
        step[j] = select(is_inside, comptime!(from.pixels() as u32), 0);
    }
    let mut weight =
        comptime!(kernels as u32) + tap * comptime!((from.channels * to.channels) as u32) + channel;
    for _ in 0..comptime!(from.channels as u32) {
        add_products(sums, plane, weights, &at, weight, to);
        #[unroll]
        for j in 0..cells {
            at[j] += step[j];
        }
        weight += comptime!(to.channels as u32);
    }
}

/// Adds to every sum of a tile of `to` the element of its cell times the weight of its channel.
#[cube]
fn add_products(
    sums: &mut Array<f32>,
    plane: &Shared<[f32]>,
    weights: &Tensor<f32>,
    at: &Array<u32>,
    weight: u32,
    #[comptime] to: Plane,
) {
    let [some, cells] = comptime!(to.tile);
    let mut factors = Array::<f32>::new(some);
    #[unroll]
    for v in 0..some {
        factors[v] = weights[(weight + comptime!((v * to.groups()) as u32)) as usize];
    }
    #[unroll]
    for j in 0..cells {
        let value = plane[at[j] as usize];
        #[unroll]
        for v in 0..some {
            sums[comptime!(j * some + v)] += value * factors[v];
        }
    }
}
