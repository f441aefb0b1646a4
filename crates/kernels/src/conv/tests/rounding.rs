//! Test convolutions whose factors are rounded to bf16.

use super::operands::operands;
use super::reference::assert_close;
use super::run::{forward, forward_in, input_gradient, input_gradient_in};
use super::shapes::{Random, shapes, square};
use crate::conv::factors::{Factors, Packing};
use crate::conv::tile::{multiply, offsets_of};
use crate::conv::winograd::Winograd;

fn rounded(values: &[f32]) -> Vec<f32> {
    let mut rounded = vec![0.0; values.len()];
    Packing::Rounded.pack(values, values.len(), &mut rounded);
    rounded
}

/// Root mean square of the differences, relative to that of the expected values.
fn relative_error(got: &[f32], expected: &[f32]) -> f64 {
    let square = |value: f32| f64::from(value) * f64::from(value);
    let differences = got.iter().zip(expected).map(|(a, b)| square(a - b));
    let size = expected.iter().map(|&v| square(v)).sum::<f64>();
    (differences.sum::<f64>() / size.max(f64::MIN_POSITIVE)).sqrt()
}

#[test]
fn direct_convolutions_in_bf16_equal_those_of_rounded_factors() {
    let mut random = Random(6);
    for shape in shapes(&mut random) {
        let [x, weight, bias, grad] = operands(shape, &mut random);
        let [x_rounded, weight_rounded, grad_rounded] = [&x, &weight, &grad].map(|v| rounded(v));
        let is_even = |channels: usize| channels.is_multiple_of(2);
        if Winograd::forward(&shape).is_none() && is_even(shape.channels_in) {
            let [mut got, mut expected] = [0, 0].map(|_: i32| vec![f32::NAN; grad.len()]);
            let bias = Some(bias.as_slice());
            forward_in(Factors::Bf16, shape, &x, &weight, bias, &mut got);
            forward(shape, &x_rounded, &weight_rounded, bias, &mut expected);
            let expected: Vec<_> = expected.into_iter().map(f64::from).collect();
            assert_close(&got, &expected, shape);
        }
        if Winograd::input_gradient(&shape).is_none() && is_even(shape.channels_out) {
            let [mut got, mut expected] = [0, 0].map(|_: i32| vec![f32::NAN; x.len()]);
            input_gradient_in(Factors::Bf16, shape, &weight, &grad, &mut got);
            input_gradient(shape, &weight_rounded, &grad_rounded, &mut expected);
            let expected: Vec<_> = expected.into_iter().map(f64::from).collect();
            assert_close(&got, &expected, shape);
        }
    }
}

/// A tile of six pixels has the largest error, 1.3e-2. That of a direct convolution is 2.1e-3, as each
/// factor is off by up to 2⁻⁹ of its size.
#[test]
fn the_error_of_rounded_factors_is_bounded_for_every_tile() {
    let mut random = Random(7);
    let shapes = [
        square(64, 16, 16, 3, 1, (1, 1)),
        square(16, 20, 16, 4, 2, (1, 1)),
        square(16, 14, 32, 4, 2, (1, 1)),
        square(32, 7, 16, 4, 2, (1, 2)),
        square(16, 16, 32, 3, 2, (1, 1)),
    ];
    for shape in shapes.into_iter().filter(|_| !cfg!(miri)) {
        let [x, weight, _, grad] = operands(shape, &mut random);
        let mut outs = [0, 0].map(|_: i32| vec![0.0; grad.len()]);
        let mut grads = [0, 0].map(|_: i32| vec![0.0; x.len()]);
        for (i, factors) in [Factors::F32, Factors::Bf16].into_iter().enumerate() {
            forward_in(factors, shape, &x, &weight, None, &mut outs[i]);
            input_gradient_in(factors, shape, &weight, &grad, &mut grads[i]);
        }
        for error in [
            relative_error(&outs[1], &outs[0]),
            relative_error(&grads[1], &grads[0]),
        ] {
            assert!((1e-3..1.5e-2).contains(&error), "{shape:?}: {error}");
        }
    }
}

/// Both packings of the same rounded factors, one factor or two to an element.
#[test]
fn a_product_of_pairs_equals_that_of_rounded_factors() {
    let pairs = Packing::for_factors(Factors::Bf16, 2);
    if pairs != Packing::Pairs {
        return; // a CPU without AVX-512 BF16 does not multiply pairs
    }
    let mut random = Random(8);
    for (rows, depth, lanes) in [
        (1, 2, 8),
        (6, 4, 16),
        (29, 130, 8),
        (24, 64, 48),
        (17, 258, 16),
    ] {
        let (a, b) = (random.values(rows * depth), random.values(depth * lanes));
        let product = |packing: Packing| {
            let mut right = vec![0.0; packing.packed_len(b.len())];
            packing.pack(&b, lanes, &mut right);
            let left = packing.pack_matrix(a.clone(), depth);
            let mut out = vec![f32::NAN; rows * lanes];
            let size = [rows, packing.packed_len(depth)];
            multiply(
                packing,
                &left,
                size,
                (&right, lanes),
                &offsets_of(lanes, packing),
                &mut out,
            );
            out
        };
        let (got, expected) = (product(pairs), product(Packing::Rounded));
        let largest = expected.iter().fold(0.0f32, |max, v| max.max(v.abs()));
        for (got, expected) in got.iter().zip(&expected) {
            assert!((got - expected).abs() <= 1e-6 * largest * (depth as f32).sqrt());
        }
    }
}
