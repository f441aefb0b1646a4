//! Transform pixels, kernels and products in one dimension.
//!
//! A product of polynomials is computed from its values at points (Winograd 1980; Lavin & Gray 2016).
//! Tiles of six pixels take the points 0, ±√½, ±√2 and ∞; the error of a convolution is half of that
//! with 0, ±1, ±2 and ∞. Tiles of five pixels take ±1, ±½ and ∞, tiles of three ±1 and ∞.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

/// The points of a tile of so many pixels along one axis, without ∞, which comes last.
fn finite_points(points: usize) -> &'static [f64] {
    const SIX: [f64; 5] = {
        use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};
        [0.0, FRAC_1_SQRT_2, -FRAC_1_SQRT_2, SQRT_2, -SQRT_2]
    };
    match points {
        3 => &[1.0, -1.0],
        5 => &[1.0, -1.0, 0.5, -0.5],
        6 => &SIX,
        _ => panic!("tiles of {points} pixels have no transform"),
    }
}

/// Outputs of a tile of `points` pixels along one axis, for kernels of `taps`.
pub(super) const fn outputs_of(points: usize, taps: usize) -> usize {
    points + 1 - taps
}

/// Bᵀd: the values at the points of the polynomial of the pixels.
#[inline(always)]
pub(super) fn pixels<const POINTS: usize>(d: [f32; POINTS]) -> [f32; POINTS] {
    let mut v = [0.0; POINTS];
    match POINTS {
        3 => {
            v[0] = d[1] + d[0];
            v[1] = d[1] - d[0];
            v[2] = d[2] - d[0];
        }
        5 => {
            let even = [d[3] - 0.25 * d[1], d[3] - d[1]];
            let odd = [d[2] - 0.25 * d[0], 0.5 * (d[2] - d[0])];
            v[0] = even[0] + odd[0];
            v[1] = even[0] - odd[0];
            v[2] = even[1] + odd[1];
            v[3] = even[1] - odd[1];
            v[4] = (d[4] + 0.25 * d[0]) - 1.25 * d[2];
        }
        _ => {
            let even = [d[4] - 2.0 * d[2], d[4] - 0.5 * d[2]];
            let odd = [
                FRAC_1_SQRT_2 * d[3] - SQRT_2 * d[1],
                SQRT_2 * d[3] - FRAC_1_SQRT_2 * d[1],
            ];
            v[0] = (d[0] + d[4]) - 2.5 * d[2];
            v[1] = even[0] + odd[0];
            v[2] = even[0] - odd[0];
            v[3] = even[1] + odd[1];
            v[4] = even[1] - odd[1];
            v[5] = (d[1] + d[5]) - 2.5 * d[3];
        }
    }
    v
}

/// G `[points, taps]`: the powers of each point, divided by the scale that makes the three transforms
/// a correlation.
pub(super) fn kernel(points: usize, taps: usize) -> Vec<Vec<f64>> {
    let finite = finite_points(points);
    let at_point = |&point: &f64| {
        let others = finite.iter().filter(|&&other| other != point);
        let scale: f64 = others.map(|other| point - other).product();
        let powers = (0..taps).map(|tap| point.powi(tap as i32) / scale);
        powers.collect()
    };
    let at_infinity = (1..=taps).map(|tap| f64::from(u8::from(tap == taps)));
    let rows = finite.iter().map(at_point);
    rows.chain([at_infinity.collect()]).collect()
}

/// Aᵀm: the outputs from the products at the points.
#[inline(always)]
pub(super) fn outputs<const POINTS: usize, const OUTPUTS: usize>(
    m: [f32; POINTS],
) -> [f32; OUTPUTS] {
    let mut y = [0.0; 5];
    match POINTS {
        3 => {
            y[0] = m[0] + m[1];
            y[1] = m[0] - m[1];
        }
        5 => {
            let even = [m[0] + m[1], m[2] + m[3]];
            let odd = [m[0] - m[1], m[2] - m[3]];
            y[0] = even[0] + even[1];
            y[1] = odd[0] + 0.5 * odd[1];
            y[2] = even[0] + 0.25 * even[1];
            y[3] = odd[0] + 0.125 * odd[1];
        }
        _ => {
            let even = [m[1] + m[2], m[3] + m[4]];
            let odd = [m[1] - m[2], m[3] - m[4]];
            y[0] = m[0] + (even[0] + even[1]);
            y[1] = FRAC_1_SQRT_2 * odd[0] + SQRT_2 * odd[1];
            y[2] = 0.5 * even[0] + 2.0 * even[1];
            y[3] = 0.5 * FRAC_1_SQRT_2 * odd[0] + 2.0 * SQRT_2 * odd[1];
            y[4] = 0.25 * even[0] + 4.0 * even[1];
        }
    }
    y[OUTPUTS - 1] += m[POINTS - 1];
    core::array::from_fn(|i| y[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const POINTS: usize, const OUTPUTS: usize>(taps: &[f64]) {
        assert_eq!(outputs_of(POINTS, taps.len()), OUTPUTS);
        for pixel in 0..POINTS {
            let mut d = [0.25; POINTS];
            d[pixel] = 3.0;
            let (v, rows) = (pixels(d), kernel(POINTS, taps.len()));
            let value = |row: &[f64]| row.iter().zip(taps).map(|(a, b)| a * b).sum::<f64>();
            let products = core::array::from_fn(|i| v[i] * value(&rows[i]) as f32);
            let y = outputs::<POINTS, OUTPUTS>(products);
            for (i, y) in y.into_iter().enumerate() {
                let window = d[i..].iter().zip(taps);
                let expected: f64 = window.map(|(&d, tap)| f64::from(d) * tap).sum();
                assert!((f64::from(y) - expected).abs() < 3e-6, "{y}, {expected}");
            }
        }
    }

    #[test]
    fn the_three_transforms_make_a_correlation() {
        check::<6, 4>(&[0.5, -1.25, 0.75]);
        check::<6, 5>(&[-0.8, 0.3]);
        check::<5, 4>(&[-0.8, 0.3]);
        check::<3, 2>(&[-0.8, 0.3]);
    }
}
