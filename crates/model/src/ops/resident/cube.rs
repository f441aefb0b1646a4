//! Compute energies and their gradients with a cube of units for each image.
//!
//! The units compute a plane together, each a tile of it that it holds in registers, and write it to
//! shared memory for the next layer. A unit has the same tile of a plane on the way back, so that it
//! holds the slopes of activations, too, and nothing but weights is read from outside.

#![allow(clippy::needless_range_loop)] // unrolled by the index

use std::sync::Arc;

use burn::backend::TensorMetadata;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use ebm_kernels::elementwise::LEAKY_SLOPE;

use super::ResidentOps;
use super::plan::{Condition, Conv, Plan, Plane, UNITS};
use crate::activation::Activation;

/// A row or column beyond every image; its products with strides and sums with kernels fit into 32 bits.
const OUTSIDE: u32 = 1 << 20;

impl ResidentOps for CubeBackend {
    fn resident_energies(
        x: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        classes: IntTensor<Self>,
        plan: Arc<Plan>,
    ) -> FloatTensor<Self> {
        launch(x, weights, classes, plan, false).0
    }

    fn resident_gradients(
        x: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        classes: IntTensor<Self>,
        plan: Arc<Plan>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        launch(x, weights, classes, plan, true)
    }
}

/// Energies, and gradients where asked for, else something of no use.
fn launch(
    x: CubeTensor,
    weights: CubeTensor,
    classes: CubeTensor,
    plan: Arc<Plan>,
    differentiate: bool,
) -> (CubeTensor, CubeTensor) {
    assert_eq!(x.dtype, DType::F32, "this kernel computes in f32");
    let (x, classes) = (into_contiguous(x), into_contiguous(classes));
    let batch = x.shape()[0];
    let empty = |shape| {
        empty_device_contiguous_dtype(x.client.clone(), x.device.clone(), shape, DType::F32)
    };
    let energies = empty(Shape::from([batch]));
    let gradients = match differentiate {
        true => empty(x.shape()),
        false => energies.clone(),
    };
    if batch > 0 {
        let client = x.client.clone();
        // SAFETY: there is a cube for each image, whose units read and write its numbers alone.
        unsafe {
            energy_kernel::launch_unchecked(
                &client,
                CubeCount::Static(batch as u32, 1, 1),
                CubeDim::new_1d(UNITS as u32),
                x.into_tensor_arg(),
                weights.into_tensor_arg(),
                classes.into_tensor_arg(),
                energies.clone().into_tensor_arg(),
                gradients.clone().into_tensor_arg(),
                plan.as_ref().clone(),
                differentiate,
            );
        }
    }
    (energies, gradients)
}

#[cube(launch_unchecked)]
fn energy_kernel(
    x: &Tensor<f32>,
    weights: &Tensor<f32>,
    classes: &Tensor<i32>,
    energies: &mut Tensor<f32>,
    gradients: &mut Tensor<f32>,
    #[comptime] plan: Plan,
    #[comptime] differentiate: bool,
) {
    let image = CUBE_POS;
    let layers = comptime!(plan.convs.len());
    let zero = comptime!(plan.largest());
    let mut plane = Shared::<[f32]>::new_slice(comptime!(plan.largest() + 1));
    let mut sums = Shared::<[f32]>::new_slice(UNITS);
    let mut hidden = Shared::<[f32]>::new_slice(comptime!(plan.hidden));

    let pixels = comptime!(plan.image().numbers());
    let rounds = comptime!(pixels.div_ceil(UNITS));
    for round in 0..rounds {
        let pixel = UNIT_POS as usize + round * UNITS;
        if pixel < pixels {
            let value = x[image * pixels + pixel];
            plane[pixel] = centered(value, comptime!(plan.centered_input));
        }
    }
    if UNIT_POS == 0 {
        plane[zero] = 0.0;
    }
    let mut class = 0usize;
    if comptime!(plan.is_conditioned()) {
        class = classes[image] as usize;
    }

    let mut slopes = Sequence::<Array<f32>>::new();
    #[unroll]
    for layer in 0..layers {
        let conv = comptime!(plan.convs[layer]);
        let next = comptime!(plan.convs.get(layer + 1).and_then(|next| next.condition));
        let tile = Tile::of_unit(comptime!(conv.to));
        sync_cube();
        let outputs = convolve(&plane, weights, &tile, zero, conv);
        sync_cube();
        let slope = activate(
            &mut plane,
            weights,
            &tile,
            &outputs,
            class,
            conv,
            next,
            comptime!(plan.activation),
        );
        slopes.push(slope);
    }
    sync_cube();

    let energy_terms = comptime!(plan.hidden);
    dense(
        &plane,
        weights,
        &mut sums,
        &mut hidden,
        comptime!(plan.clone()),
    );
    if UNIT_POS == 0 {
        let mut energy = weights[comptime!(plan.out + plan.hidden)];
        for term in 0..energy_terms {
            energy += sums[term];
        }
        energies[image] = energy;
    }

    if differentiate {
        let last = comptime!(plan.convs[layers - 1].to);
        let tile = Tile::of_unit(last);
        let gradient = dense_gradient(&hidden, weights, &tile, comptime!(plan.clone()));
        store(
            &mut plane,
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
            let gradient = input_gradient(&plane, weights, &tile, zero, conv);
            if comptime!(layer > 0) {
                sync_cube();
                let slope = &slopes[comptime!(layer - 1)];
                store(&mut plane, &tile, &gradient, slope, comptime!(conv.from));
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
}

#[cube]
fn centered(value: f32, #[comptime] is_centered: bool) -> f32 {
    if is_centered {
        value * 2.0 - 1.0
    } else {
        value
    }
}

/// The numbers of a plane that a unit computes: the pixel of every cell, and the first of the channels,
/// which are as many apart as there are groups.
#[derive(CubeType)]
struct Tile {
    channel: u32,
    /// Of the place in a cell.
    row_in_cell: u32,
    column_in_cell: u32,
    /// Of every cell, of cells; [`OUTSIDE`] where there is none.
    cell_rows: Array<u32>,
    cell_columns: Array<u32>,
}

#[cube]
impl Tile {
    fn of_unit(#[comptime] plane: Plane) -> Tile {
        let groups = comptime!(plane.groups() as u32);
        let places = comptime!(plane.places() as u32);
        let blocks = comptime!(plane.blocks() as u32);
        let columns = comptime!(plane.cells()[1] as u32);
        let cells = comptime!((plane.cells()[0] * plane.cells()[1]) as u32);
        let cell_width = comptime!(plane.cell[1] as u32);
        let channel = UNIT_POS % groups;
        let place = UNIT_POS / groups % places;
        let block = UNIT_POS / (groups * places);
        let row_in_cell = place / cell_width;
        let column_in_cell = place % cell_width;
        let mut cell_rows = Array::<u32>::new(comptime!(plane.tile[1]));
        let mut cell_columns = Array::<u32>::new(comptime!(plane.tile[1]));
        #[unroll]
        for j in 0..comptime!(plane.tile[1]) {
            let cell = block + comptime!(j as u32) * blocks;
            let row = cell / columns;
            let column = cell % columns;
            let in_image = block < blocks
                && cell < cells
                && row * comptime!(plane.cell[0] as u32) + row_in_cell
                    < comptime!(plane.size[0] as u32)
                && column * cell_width + column_in_cell < comptime!(plane.size[1] as u32);
            cell_rows[j] = select(in_image, row, OUTSIDE);
            cell_columns[j] = select(in_image, column, OUTSIDE);
        }
        Tile {
            channel,
            row_in_cell,
            column_in_cell,
            cell_rows,
            cell_columns,
        }
    }

    fn row(&self, #[comptime] j: usize, #[comptime] plane: Plane) -> u32 {
        self.cell_rows[j] * comptime!(plane.cell[0] as u32) + self.row_in_cell
    }

    fn column(&self, #[comptime] j: usize, #[comptime] plane: Plane) -> u32 {
        self.cell_columns[j] * comptime!(plane.cell[1] as u32) + self.column_in_cell
    }

    fn is_in_image(&self, #[comptime] j: usize) -> bool {
        self.cell_rows[j] < OUTSIDE
    }

    fn channel(&self, #[comptime] v: usize, #[comptime] plane: Plane) -> u32 {
        self.channel + comptime!((v * plane.groups()) as u32)
    }

    /// Where a number of the tile is in its plane.
    fn index(&self, #[comptime] j: usize, #[comptime] v: usize, #[comptime] plane: Plane) -> usize {
        let channel = self.channel(v, plane);
        let pixel = self.row(j, plane) * comptime!(plane.size[1] as u32) + self.column(j, plane);
        (channel * comptime!(plane.pixels() as u32) + pixel) as usize
    }
}

/// The sums of a convolution without its bias, channels of a cell beside each other.
#[cube]
fn convolve(
    plane: &Shared<[f32]>,
    weights: &Tensor<f32>,
    tile: &Tile,
    #[comptime] zero: usize,
    #[comptime] conv: Conv,
) -> Array<f32> {
    let [some, cells] = comptime!(conv.to.tile);
    let mut sums = Array::<f32>::new(comptime!(some * cells));
    for row in 0..comptime!(conv.kernel[0] as u32) {
        for column in 0..comptime!(conv.kernel[1] as u32) {
            let mut rows = Array::<u32>::new(cells);
            let mut columns = Array::<u32>::new(cells);
            #[unroll]
            for j in 0..cells {
                rows[j] = tile.row(j, comptime!(conv.to)) * comptime!(conv.from.cell[0] as u32)
                    + row
                    - comptime!(conv.before[0] as u32);
                columns[j] = tile.column(j, comptime!(conv.to))
                    * comptime!(conv.from.cell[1] as u32)
                    + column
                    - comptime!(conv.before[1] as u32);
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
                comptime!(conv.weight),
                comptime!(conv.from),
                comptime!(conv.to),
            );
        }
    }
    sums
}

/// Adds to every sum of a tile of `to`, of `channel` and others, the products of a pixel of `from`, at a
/// row and a column for each cell, with a tap of the kernels at `kernels`, `[taps, channels of from,
/// channels of to]`. Pixels outside of it are zero; those before it have wrapped around, and are beyond
/// its sides, too.
#[allow(clippy::too_many_arguments)]
#[cube]
fn add_tap(
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

/// Adds to every sum of a tile of `to` a number of its cell times a weight of its channel.
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
        let number = plane[at[j] as usize];
        #[unroll]
        for v in 0..some {
            sums[comptime!(j * some + v)] += number * factors[v];
        }
    }
}

/// Writes what the activation makes of the sums, and what the next convolution adds to its input.
/// Returns how steeply that rises with the sums.
#[allow(clippy::too_many_arguments)]
#[cube]
fn activate(
    plane: &mut Shared<[f32]>,
    weights: &Tensor<f32>,
    tile: &Tile,
    sums: &Array<f32>,
    class: usize,
    #[comptime] conv: Conv,
    #[comptime] next: Option<Condition>,
    #[comptime] activation: Activation,
) -> Array<f32> {
    let [some, cells] = comptime!(conv.to.tile);
    let channels = comptime!(conv.to.channels);
    let mut slopes = Array::<f32>::new(comptime!(some * cells));
    #[unroll]
    for v in 0..some {
        let channel = tile.channel(v, comptime!(conv.to)) as usize;
        let mut bias = 0.0f32;
        let mut gain = 1.0f32;
        let mut shift = 0.0f32;
        // Units without a tile may be of no channel.
        if channel < channels {
            bias = weights[comptime!(conv.bias) + channel];
            if comptime!(conv.condition.is_some()) {
                let at = comptime!(conv.condition.map_or(0, |condition| condition.gain));
                gain = weights[at + class * channels + channel];
            }
            if comptime!(next.is_some()) {
                let at = comptime!(next.map_or(0, |condition| condition.input_bias));
                shift = weights[at + class * channels + channel];
            }
        }
        #[unroll]
        for j in 0..cells {
            let at = comptime!(j * some + v);
            let z = (sums[at] + bias) * gain;
            let (value, slope) = activated(z, activation);
            slopes[at] = slope * gain;
            if tile.is_in_image(j) {
                plane[tile.index(j, v, comptime!(conv.to))] = value + shift;
            }
        }
    }
    slopes
}

/// An activation and its derivative.
#[cube]
fn activated(z: f32, #[comptime] activation: Activation) -> (f32, f32) {
    match comptime!(activation) {
        Activation::Swish => {
            let sigmoid = 1.0 / (1.0 + (-z).exp());
            let value = z * sigmoid;
            (value, sigmoid + value * (1.0 - sigmoid))
        }
        Activation::LeakyRelu => {
            let slope = select(z > 0.0, 1.0f32, LEAKY_SLOPE);
            (z * slope, slope)
        }
    }
}

/// Leaves in `sums` the terms of the energy, and in `hidden` its gradient with respect to the hidden
/// layer's sums; both are seen by all units.
#[cube]
fn dense(
    plane: &Shared<[f32]>,
    weights: &Tensor<f32>,
    sums: &mut Shared<[f32]>,
    hidden: &mut Shared<[f32]>,
    #[comptime] plan: Plan,
) {
    let outputs = comptime!(plan.hidden);
    let inputs = comptime!(plan.convs[plan.convs.len() - 1].to.numbers());
    // As many units share the sum of an output.
    let parts = comptime!(UNITS / plan.hidden);
    let inputs_of_part = comptime!(inputs.div_ceil(parts));
    let unit = UNIT_POS as usize;
    let output = unit % outputs;
    let part = unit / outputs;
    let mut sum = 0.0f32;
    if part < parts {
        for i in 0..inputs_of_part {
            let input = part * inputs_of_part + i;
            if input < inputs {
                sum += plane[input] * weights[comptime!(plan.weight) + input * outputs + output];
            }
        }
    }
    sums[unit] = sum;
    sync_cube();
    let mut term = 0.0f32;
    if unit < outputs {
        let mut z = weights[comptime!(plan.bias) + unit];
        #[unroll]
        for part in 0..parts {
            z += sums[part * outputs + unit];
        }
        let (value, slope) = activated(z, comptime!(plan.activation));
        let out = weights[comptime!(plan.out) + unit];
        hidden[unit] = slope * out;
        term = value * out;
    }
    sync_cube();
    sums[unit] = term;
    sync_cube();
}

/// The gradient with respect to the inputs of the dense layers.
#[cube]
fn dense_gradient(
    hidden: &Shared<[f32]>,
    weights: &Tensor<f32>,
    tile: &Tile,
    #[comptime] plan: Plan,
) -> Array<f32> {
    let plane = comptime!(plan.convs[plan.convs.len() - 1].to);
    let inputs = comptime!(plane.numbers());
    let [some, cells] = comptime!(plane.tile);
    let mut sums = Array::<f32>::new(comptime!(some * cells));
    #[unroll]
    for j in 0..cells {
        if tile.is_in_image(j) {
            #[unroll]
            for v in 0..some {
                let input = tile.index(j, v, plane);
                let mut sum = 0.0f32;
                for output in 0..comptime!(plan.hidden) {
                    let weight = weights[comptime!(plan.turned) + output * inputs + input];
                    sum += hidden[output] * weight;
                }
                sums[comptime!(j * some + v)] = sum;
            }
        }
    }
    sums
}

/// The gradient with respect to the input of a convolution, of that of its sums.
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

/// Writes a gradient times the slopes of the activation that it came through.
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
                let at = image * comptime!(of.numbers()) + tile.index(j, v, of);
                gradients[at] = gradient[comptime!(j * some + v)] * scale;
            }
        }
    }
}
