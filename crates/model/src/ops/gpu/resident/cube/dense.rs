//! Compute the dense layers of a network and their gradient.

use cubecl::prelude::*;

use super::forward::activated;
use super::tile::Tile;
use crate::ops::gpu::resident::plan::KernelPlan;
use crate::ops::gpu::resident::plane::UNITS;

/// Writes the terms of the energy to `sums`, and its gradient with respect to the hidden layer's sums to
/// `hidden`; all units see both.
#[cube]
pub(super) fn dense(
    plane: &Shared<[f32]>,
    weights: &Tensor<f32>,
    sums: &mut Shared<[f32]>,
    hidden: &mut Shared<[f32]>,
    #[comptime] plan: KernelPlan,
) {
    let outputs = comptime!(plan.hidden);
    let inputs = comptime!(plan.convs[plan.convs.len() - 1].to.elements());
    // Units that share the sum of an output.
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
pub(super) fn dense_gradient(
    hidden: &Shared<[f32]>,
    weights: &Tensor<f32>,
    tile: &Tile,
    #[comptime] plan: KernelPlan,
) -> Array<f32> {
    let plane = comptime!(plan.convs[plan.convs.len() - 1].to);
    let inputs = comptime!(plane.elements());
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
