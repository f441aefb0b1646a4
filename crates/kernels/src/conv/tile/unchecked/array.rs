//! Define tiles whose vectors are arrays, for any CPU.

use std::ops::Range;

use super::gradient_tiles::gradient_tiles;
use super::output_tiles::{for_each_tile, output_tiles};
use crate::conv::blocks::ROWS;
use crate::conv::tile::outputs::{Offsets, Outputs};
use crate::conv::tile::tap_gradient::{MAX_SUMS, TapGradient};
use crate::lanes::MIN_WIDTH;

type Array = [f32; MIN_WIDTH];

fn zero() -> Array {
    [0.0; MIN_WIDTH]
}

/// # Safety
/// `at` points to as many elements as an array has.
unsafe fn load(at: *const f32) -> Array {
    // SAFETY: guaranteed by the caller, and arrays of f32 need no other alignment than f32.
    unsafe { at.cast::<Array>().read() }
}

/// # Safety
/// `at` points to as many elements as an array has, and the caller may write them.
unsafe fn store(at: *mut f32, vector: Array) {
    // SAFETY: guaranteed by the caller, and arrays of f32 need no other alignment than f32.
    unsafe { at.cast::<Array>().write(vector) }
}

fn broadcast(value: f32) -> Array {
    [value; MIN_WIDTH]
}

fn multiply_add(a: Array, b: Array, c: Array) -> Array {
    core::array::from_fn(|i| a[i] * b[i] + c[i])
}

fn total(vector: Array) -> f32 {
    let [a, b, c, d, e, f, g, h] = vector;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

output_tiles!(
    portable,
    16,
    Array,
    zero,
    load,
    store,
    broadcast,
    multiply_add
);
gradient_tiles!(portable_sums, Array, zero, load, multiply_add, total);
