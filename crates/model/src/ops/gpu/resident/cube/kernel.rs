//! Compute an image: forward pass, dense layers, backward pass.

use cubecl::prelude::*;

use super::backward::backward_pass;
use super::dense::dense;
use super::forward::forward_pass;
use crate::ops::gpu::resident::plan::KernelPlan;
use crate::ops::gpu::resident::plane::UNITS;

#[cube(launch_unchecked)]
pub(super) fn energy_kernel(
    x: &Tensor<f32>,
    weights: &Tensor<f32>,
    classes: &Tensor<i32>,
    energies: &mut Tensor<f32>,
    gradients: &mut Tensor<f32>,
    #[comptime] plan: KernelPlan,
    #[comptime] differentiate: bool,
) {
    let image = CUBE_POS;
    let mut plane = Shared::<[f32]>::new_slice(comptime!(plan.largest() + 1));
    let mut sums = Shared::<[f32]>::new_slice(UNITS);
    let mut hidden = Shared::<[f32]>::new_slice(comptime!(plan.hidden));

    load_image(&mut plane, x, image, comptime!(plan.clone()));
    let mut class = 0usize;
    if comptime!(plan.is_conditioned()) {
        class = class_of_image(classes, image, comptime!(plan.num_classes));
    }
    let slopes = forward_pass(&mut plane, weights, class, comptime!(plan.clone()));

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
        backward_pass(
            &mut plane,
            weights,
            &hidden,
            &slopes,
            gradients,
            image,
            comptime!(plan.clone()),
        );
    }
}

/// Writes an image, and the zero that convolutions see outside of it.
#[cube]
fn load_image(
    plane: &mut Shared<[f32]>,
    x: &Tensor<f32>,
    image: usize,
    #[comptime] plan: KernelPlan,
) {
    let zero = comptime!(plan.largest());
    let pixels = comptime!(plan.image().elements());
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
}

#[cube]
fn centered(value: f32, #[comptime] is_centered: bool) -> f32 {
    if is_centered {
        value * 2.0 - 1.0
    } else {
        value
    }
}

/// The class of an image, or the nearest one that there are weights for.
#[cube]
fn class_of_image(classes: &Tensor<i32>, image: usize, #[comptime] num_classes: usize) -> usize {
    let given = classes[image];
    let not_negative = select::<i32>(given < 0i32, 0i32, given);
    let is_too_large = not_negative > comptime!(num_classes as i32 - 1);
    let class = select::<i32>(
        is_too_large,
        comptime!(num_classes as i32 - 1),
        not_negative,
    );
    class as usize
}
