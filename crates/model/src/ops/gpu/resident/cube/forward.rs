//! Compute the planes of an image, layer by layer, and the slopes of its activations.

use cubecl::prelude::*;
use ebm_kernels::elementwise::LEAKY_SLOPE;

use super::taps::add_tap;
use super::tile::Tile;
use crate::ops::activation::Activation;
use crate::ops::gpu::resident::plan::{Condition, Conv, KernelPlan};

/// Replaces the image by the last plane. Returns the slopes of every layer's activations.
#[cube]
pub(super) fn forward_pass(
    plane: &mut Shared<[f32]>,
    weights: &Tensor<f32>,
    class: usize,
    #[comptime] plan: KernelPlan,
) -> Sequence<Array<f32>> {
    let layers = comptime!(plan.convs.len());
    let zero = comptime!(plan.largest());
    let mut slopes = Sequence::<Array<f32>>::new();
    #[unroll]
    for layer in 0..layers {
        let conv = comptime!(plan.convs[layer]);
        let next = comptime!(plan.convs.get(layer + 1).and_then(|next| next.condition));
        let tile = Tile::of_unit(comptime!(conv.to));
        sync_cube();
        let outputs = convolve(&*plane, weights, &tile, zero, conv);
        sync_cube();
        let slope = activate(
            plane,
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
    slopes
}

/// The sums of a convolution without its bias, the channels of a cell beside each other.
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

/// Writes the activation of the sums, plus the input bias of the next convolution. Returns the slopes
/// of the activation with respect to the sums.
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
pub(super) fn activated(z: f32, #[comptime] activation: Activation) -> (f32, f32) {
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
        Activation::Relu => {
            let slope = select(z > 0.0, 1.0f32, 0.0f32);
            (z * slope, slope)
        }
    }
}
