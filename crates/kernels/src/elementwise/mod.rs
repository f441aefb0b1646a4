//! Apply activations, their derivatives, sums and products to slices in place, in one vectorised pass
//! each.
//!
//! An element takes the same operations whatever its position in the slice.

mod activations;
mod arithmetic;

pub use activations::{LEAKY_SLOPE, leaky_relu, leaky_relu_gradient, swish, swish_gradient};
pub use arithmetic::{add, add_product, multiply, shift};
