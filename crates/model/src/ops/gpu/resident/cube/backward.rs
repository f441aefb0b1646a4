//! Compute the gradient of an energy with respect to its image, layer by layer.

use cubecl::prelude::*;

use super::dense::dense_gradient;
use super::taps::add_tap;
use super::tile::Tile;
use crate::ops::gpu::resident::plan::{Conv, KernelPlan};
use crate::ops::gpu::resident::plane::Plane;

/// Writes the gradient of an image, from that of its hidden layer and the slopes of its activations.
#[cube]
pub(super) fn backward_pass(
    plane: &mut Shared<[f32]>,
    weights: &Tensor<f32>,
    hidden: &Shared<[f32]>,
    slopes: &Sequence<Array<f32>>,
    gradients: &mut Tensor<f32>,
    image: usize,
    #[comptime] plan: KernelPlan,
) {
    let layers = comptime!(plan.convs.len());
    let zero = comptime!(plan.largest());
    let last = comptime!(plan.convs[layers - 1].to);
    let tile = Tile::of_unit(last);
    let gradient = dense_gradient(hidden, weights, &tile, comptime!(plan.clone()));
    store(
        plane,
        &tile,
        &gradient,
        &slopes[comptime!(layers - 1)],
        last,
    );
    #[unroll]
    for back in 0..layers {
        let layer = comptime!(layers - 1 - back);
        let conv = comptime!(plan.convs[layer]);
        let tile = Tile::of_unit(comptime!(conv.from));
        sync_cube();
        let gradient = input_gradient(&*plane, weights, &tile, zero, conv);
        if comptime!(layer > 0) {
            sync_cube();
            let slope = &slopes[comptime!(layer - 1)];
            store(plane, &tile, &gradient, slope, comptime!(conv.from));
        } else {
            let scale = comptime!(if plan.centered_input { 2.0f32 } else { 1.0 });
            write(
                gradients,
                &tile,
                &gradient,
                image,
                scale,
                comptime!(conv.from),
            );
        }
    }
}

/// The gradient with respect to the input of a convolution, from that of its sums.
///
/// A pixel i is of phase a = (i + p) mod s, and sees output ⌊(i + p)/s⌋ − t through tap a + s·t.
#[cube]
fn input_gradient(
    plane: &Shared<[f32]>,
    weights: &Tensor<f32>,
    tile: &Tile,
    #[comptime] zero: usize,
    #[comptime] conv: Conv,
) -> Array<f32> {
    let [some, cells] = comptime!(conv.from.tile);
    let [height, width] = comptime!(conv.from.cell);
    let mut sums = Array::<f32>::new(comptime!(some * cells));
    let first_row = tile.row_in_cell + comptime!(conv.before[0] as u32);
    let first_column = tile.column_in_cell + comptime!(conv.before[1] as u32);
    for t in 0..comptime!(conv.kernel[0].div_ceil(height) as u32) {
        for u in 0..comptime!(conv.kernel[1].div_ceil(width) as u32) {
            let row = first_row % comptime!(height as u32) + comptime!(height as u32) * t;
            let column = first_column % comptime!(width as u32) + comptime!(width as u32) * u;
            if row < comptime!(conv.kernel[0] as u32) && column < comptime!(conv.kernel[1] as u32) {
                let mut rows = Array::<u32>::new(cells);
                let mut columns = Array::<u32>::new(cells);
                #[unroll]
                for j in 0..cells {
                    rows[j] = tile.cell_rows[j] + first_row / comptime!(height as u32) - t;
                    columns[j] = tile.cell_columns[j] + first_column / comptime!(width as u32) - u;
                }
                add_tap(
                    &mut sums,
                    plane,
                    weights,
                    tile.channel,
                    &rows,
                    &columns,
                    row * comptime!(conv.kernel[1] as u32) + column,
                    zero,
                    comptime!(conv.turned),
                    comptime!(conv.to),
                    comptime!(conv.from),
                );
            }
        }
    }
    sums
}

/// Writes a gradient times the slopes of the activation before it.
#[cube]
fn store(
    plane: &mut Shared<[f32]>,
    tile: &Tile,
    gradient: &Array<f32>,
    slopes: &Array<f32>,
    #[comptime] of: Plane,
) {
    let [some, cells] = comptime!(of.tile);
    #[unroll]
    for j in 0..cells {
        if tile.is_in_image(j) {
            #[unroll]
            for v in 0..some {
                let at = comptime!(j * some + v);
                plane[tile.index(j, v, of)] = gradient[at] * slopes[at];
            }
        }
    }
}

/// Writes the gradient of an image.
#[cube]
fn write(
    gradients: &mut Tensor<f32>,
    tile: &Tile,
    gradient: &Array<f32>,
    image: usize,
    #[comptime] scale: f32,
    #[comptime] of: Plane,
) {
    let [some, cells] = comptime!(of.tile);
    #[unroll]
    for j in 0..cells {
        if tile.is_in_image(j) {
            #[unroll]
            for v in 0..some {
                let at = image * comptime!(of.elements()) + tile.index(j, v, of);
                gradients[at] = gradient[comptime!(j * some + v)] * scale;
            }
        }
    }
}
