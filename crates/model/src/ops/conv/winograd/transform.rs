//! Turn pixels, kernels and products into each other's domain, in one dimension.
//!
//! A polynomial product is computed from its values at the points 0, ±√½, ±√2 and ∞
//! (Winograd 1980; Lavin & Gray 2016). With these points, in place of 0, ±1, ±2 and ∞, the result
//! of a convolution errs half as much.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

/// Points at which products are known; pixels of a tile along one axis.
pub(super) const POINTS: usize = 6;

/// Outputs of a tile along one axis, for kernels of `taps`.
pub(super) const fn outputs_of(taps: usize) -> usize {
    POINTS + 1 - taps
}

/// Bᵀd: the values at the points of what stands for six pixels.
#[inline(always)]
pub(super) fn pixels(d: [f32; POINTS]) -> [f32; POINTS] {
    let even = [d[4] - 2.0 * d[2], d[4] - 0.5 * d[2]];
    let odd = [
        FRAC_1_SQRT_2 * d[3] - SQRT_2 * d[1],
        SQRT_2 * d[3] - FRAC_1_SQRT_2 * d[1],
    ];
    [
        (d[0] + d[4]) - 2.5 * d[2],
        even[0] + odd[0],
        even[0] - odd[0],
        even[1] + odd[1],
        even[1] - odd[1],
        (d[1] + d[5]) - 2.5 * d[3],
    ]
}

/// Gg: the values at the points of a kernel of two or three taps.
#[inline]
pub(super) fn kernel<const TAPS: usize>(g: [f64; TAPS]) -> [f64; POINTS] {
    const POINT: [f64; 2] = [std::f64::consts::FRAC_1_SQRT_2, std::f64::consts::SQRT_2];
    let at = |x: f64| g.iter().rev().fold(0.0, |sum, tap| sum * x + tap);
    [
        g[0],
        at(POINT[0]) / -1.5,
        at(-POINT[0]) / -1.5,
        at(POINT[1]) / 6.0,
        at(-POINT[1]) / 6.0,
        g[TAPS - 1],
    ]
}

/// Aᵀm: the outputs from the products at the points; four of them for three taps, five for two.
#[inline(always)]
pub(super) fn outputs<const OUTPUTS: usize>(m: [f32; POINTS]) -> [f32; OUTPUTS] {
    let even = [m[1] + m[2], m[3] + m[4]];
    let odd = [m[1] - m[2], m[3] - m[4]];
    let mut y = [
        m[0] + (even[0] + even[1]),
        FRAC_1_SQRT_2 * odd[0] + SQRT_2 * odd[1],
        0.5 * even[0] + 2.0 * even[1],
        0.5 * FRAC_1_SQRT_2 * odd[0] + 2.0 * SQRT_2 * odd[1],
        0.25 * even[0] + 4.0 * even[1],
    ];
    y[OUTPUTS - 1] += m[5];
    core::array::from_fn(|i| y[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const TAPS: usize, const OUTPUTS: usize>(taps: [f64; TAPS]) {
        for place in 0..POINTS {
            let mut d = [0.25; POINTS];
            d[place] = 3.0;
            let (v, u) = (pixels(d), kernel(taps));
            let y = outputs::<OUTPUTS>(core::array::from_fn(|i| v[i] * u[i] as f32));
            for (i, y) in y.into_iter().enumerate() {
                let window = d[i..].iter().zip(&taps);
                let expected: f64 = window.map(|(&d, tap)| f64::from(d) * tap).sum();
                assert!((f64::from(y) - expected).abs() < 3e-6, "{y}, {expected}");
            }
        }
    }

    #[test]
    fn the_three_transforms_make_a_correlation() {
        check::<3, 4>([0.5, -1.25, 0.75]);
        check::<2, 5>([-0.8, 0.3]);
        assert_eq!([outputs_of(3), outputs_of(2)], [4, 5]);
    }
}
