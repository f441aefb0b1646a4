//! Apply SiLU and leaky ReLU, and their derivatives.
//!
//! Fused multiply-adds are explicit and used only where the CPU has them, so results may differ
//! between kinds of CPU in the last bits.

use super::arithmetic::assert_same_len;
use crate::per_cpu::per_cpu;

/// 1/ln 2, and ln 2 as a sum whose first part has few bits (Cephes, `expf`).
const LOG2_E: f32 = std::f32::consts::LOG2_E;
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// (eʳ − 1 − r)/r² for |r| ≤ ½ ln 2, highest power first (Cephes, `expf`).
const EXP_POLYNOMIAL: [f32; 6] = [
    1.987_569_1e-4,
    1.398_2e-3,
    8.333_452e-3,
    4.166_579_6e-2,
    1.666_666_5e-1,
    0.5,
];
/// 1.5 · 2²³: adding it rounds to an integer, which is then in the low bits.
const ROUND: f32 = 12_582_912.0;
/// Range that arguments are clamped to: at its ends the exponent field n + 127 of the result reaches
/// its codes for zero and infinity.
const EXP_RANGE: [f32; 2] = [-88.0, 88.6];
/// Slope of the leaky ReLU below zero.
pub const LEAKY_SLOPE: f32 = 0.2;

/// Turns x into x·σ(x), within 3e-7 relative for x > −88.3.
///
/// Below, the result is −0 (the exact value is above −3e-37). NaN and −∞ give NaN, +∞ gives +∞.
pub fn swish(x: &mut [f32]) {
    silu(x);
}

/// Multiplies `grad` by σ(x)(1 + x(1 − σ(x))).
///
/// For large finite |x| this is `grad` or ∓0; a NaN or an infinite `x` gives NaN.
///
/// # Panics
///
/// When the lengths differ.
pub fn swish_gradient(x: &[f32], grad: &mut [f32]) {
    assert_same_len(x, grad);
    silu_gradient(x, grad);
}

/// Multiplies x by 0.2 where it is not positive.
pub fn leaky_relu(x: &mut [f32]) {
    for x in x {
        *x = if *x > 0.0 { *x } else { LEAKY_SLOPE * *x };
    }
}

/// Multiplies `grad` by 0.2 where the result `y` of the leaky ReLU, and so its argument, is not
/// positive.
///
/// # Panics
///
/// When the lengths differ.
pub fn leaky_relu_gradient(y: &[f32], grad: &mut [f32]) {
    assert_same_len(y, grad);
    for (grad, &y) in grad.iter_mut().zip(y) {
        *grad = if y > 0.0 { *grad } else { LEAKY_SLOPE * *grad };
    }
}

/// a·b + c, rounded once if `FMA`.
#[inline(always)]
fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// eˣ within 2e-7 relative, 0 below −87.6 and +∞ above 88.4; any value where x is NaN.
#[inline(always)]
fn exp<const FMA: bool>(x: f32) -> f32 {
    let x = if x > EXP_RANGE[0] { x } else { EXP_RANGE[0] };
    let x = if x < EXP_RANGE[1] { x } else { EXP_RANGE[1] };
    let rounded = mul_add::<FMA>(x, LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = mul_add::<FMA>(n, -LN_2[1], mul_add::<FMA>(n, -LN_2[0], x));
    let mut sum = EXP_POLYNOMIAL[0];
    for &coefficient in &EXP_POLYNOMIAL[1..] {
        sum = mul_add::<FMA>(sum, r, coefficient);
    }
    let mantissa = mul_add::<FMA>(sum, r * r, r) + 1.0;
    mantissa * f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
}

#[inline(always)]
fn silu_body<const FMA: bool>(x: &mut [f32]) {
    for x in x {
        *x /= 1.0 + exp::<FMA>(-*x);
    }
}

#[inline(always)]
fn silu_gradient_body<const FMA: bool>(x: &[f32], grad: &mut [f32]) {
    for (grad, &x) in grad.iter_mut().zip(x) {
        let e = exp::<FMA>(-x);
        let sigmoid = 1.0 / (1.0 + e);
        // 1 − σ(x) = e⁻ˣ σ(x), without the cancellation; in the limit e⁻ˣ = ∞ it is 1.
        let rest = if e < f32::INFINITY { e * sigmoid } else { 1.0 };
        *grad *= sigmoid * mul_add::<FMA>(x, rest, 1.0);
    }
}

per_cpu!(silu = [silu_body::<true>, silu_body::<false>], x: &mut [f32]);
per_cpu!(
    silu_gradient = [silu_gradient_body::<true>, silu_gradient_body::<false>],
    x: &[f32],
    grad: &mut [f32]
);

#[cfg(test)]
mod tests {
    use super::*;

    type Kernel = fn(&[f32]) -> Vec<f32>;

    /// Values and derivatives, by the kernels for this CPU and by the portable ones.
    const KERNELS: [[Kernel; 2]; 2] = [
        [|x| values(silu, x), |x| derivatives(silu_gradient, x)],
        [
            |x| values(silu_body::<false>, x),
            |x| derivatives(silu_gradient_body::<false>, x),
        ],
    ];

    fn values(kernel: fn(&mut [f32]), x: &[f32]) -> Vec<f32> {
        let mut y = x.to_vec();
        kernel(&mut y);
        y
    }

    fn derivatives(kernel: fn(&[f32], &mut [f32]), x: &[f32]) -> Vec<f32> {
        let mut grad = vec![1.0; x.len()];
        kernel(x, &mut grad);
        grad
    }

    fn grid() -> Vec<f32> {
        let step = if cfg!(miri) { 5_003 } else { 1 };
        let grid = (-880_000..=1_000_000).step_by(step);
        grid.map(|i| i as f32 * 1e-4).collect()
    }

    #[test]
    fn silu_agrees_with_double_precision_to_3e_7() {
        for [kernel, _] in KERNELS {
            for (x, got) in grid().into_iter().map(f64::from).zip(kernel(&grid())) {
                let expected = x / (1.0 + (-x).exp());
                let error = (f64::from(got) - expected).abs();
                assert!(
                    error <= 3e-7 * expected.abs(),
                    "{got} at {x}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn the_derivative_agrees_with_double_precision_to_3e_7() {
        for [_, kernel] in KERNELS {
            for (x, got) in grid().into_iter().map(f64::from).zip(kernel(&grid())) {
                let sigmoid = 1.0 / (1.0 + (-x).exp());
                let term = x * (1.0 - sigmoid);
                let error = (f64::from(got) - sigmoid * (1.0 + term)).abs();
                // 1 + x(1 − σ) cancels around −1.28 and is ill-conditioned there.
                assert!(error <= 3e-7 * sigmoid * (1.0 + term.abs()), "{got} at {x}");
            }
        }
    }

    #[test]
    fn large_arguments_give_the_limits_and_non_finite_ones_are_not_masked() {
        for [kernel, gradient] in KERNELS {
            let x = [200.0, 3e38, -89.0, -3e38, 0.0];
            assert_eq!(kernel(&x), [200.0, 3e38, 0.0, 0.0, 0.0]);
            assert_eq!(gradient(&x), [1.0, 1.0, 0.0, 0.0, 0.5]);
            let odd = [f32::NAN, f32::NEG_INFINITY, f32::INFINITY];
            let values = kernel(&odd);
            assert!(values[0].is_nan() && values[1].is_nan());
            assert_eq!(values[2], f32::INFINITY);
            assert!(gradient(&odd).iter().all(|value| value.is_nan()));
        }
    }

    #[test]
    fn the_bits_of_a_value_do_not_depend_on_its_position_or_on_the_length() {
        let x: Vec<f32> = (0..131).map(|i| (i as f32 * 0.731).sin() * 9.0).collect();
        for kernel in KERNELS.into_iter().flatten() {
            let whole = kernel(&x);
            for start in 0..40 {
                for end in [start + 1, start + 19, x.len()] {
                    let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    assert_eq!(bits(&kernel(&x[start..end])), bits(&whole[start..end]));
                }
            }
        }
    }

    #[test]
    fn backward_scales_by_the_gradient_passed_in() {
        let mut grad = [3.0, -2.0];
        swish_gradient(&[0.0, 200.0], &mut grad);
        assert_eq!(grad, [1.5, -2.0]);
    }

    #[test]
    fn leaky_relu_has_slope_one_fifth_below_zero() {
        let mut x = [2.0, -5.0, f32::NAN];
        leaky_relu(&mut x);
        assert_eq!(x[..2], [2.0, -1.0]);
        assert!(x[2].is_nan());
        let mut grad = [3.0, 10.0, 5.0];
        leaky_relu_gradient(&[2.0, -1.0, 0.0], &mut grad);
        assert_eq!(grad, [3.0, 2.0, 1.0]);
    }
}
