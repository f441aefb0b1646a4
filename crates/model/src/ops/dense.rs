//! Multiply rows by a matrix, so that the bits of a row do not depend on how many there are.
//!
//! Products of few rows take other paths than products of many, and round differently. Here every
//! product has [`ROWS`] rows, the last one filled up with zeros.

use super::matrix::{Matrix, multiply};

/// Rows of a product.
const ROWS: usize = 8;

/// Writes `x · w`.
///
/// # Shapes
/// - `x`: `[rows, w.rows]`, `out`: `[rows, w.columns]`
pub(super) fn product(x: &[f32], w: Matrix, out: &mut [f32]) {
    let [inputs, outputs] = w.size();
    if inputs * outputs == 0 {
        return out.fill(0.0);
    }
    let groups = x.chunks(ROWS * inputs);
    for (x, out) in groups.zip(out.chunks_mut(ROWS * outputs)) {
        if x.len() == ROWS * inputs {
            multiply(Matrix::new(x, ROWS, inputs), w, out, outputs, false);
            continue;
        }
        let mut filled = x.to_vec();
        filled.resize(ROWS * inputs, 0.0);
        let mut whole = vec![0.0; ROWS * outputs];
        multiply(
            Matrix::new(&filled, ROWS, inputs),
            w,
            &mut whole,
            outputs,
            false,
        );
        out.copy_from_slice(&whole[..out.len()]);
    }
}

/// Writes `xᵀ · gradient`, the gradient of a matrix that rows `x` were multiplied by.
///
/// # Shapes
/// - `x`: `[rows, inputs]`, `gradient`: `[rows, outputs]`, `out`: `[inputs, outputs]`
pub(super) fn matrix_gradient(
    x: &[f32],
    gradient: &[f32],
    [inputs, outputs]: [usize; 2],
    out: &mut [f32],
) {
    let rows = x.len() / inputs.max(1);
    let x = Matrix::new(x, rows, inputs).transposed();
    multiply(x, Matrix::new(gradient, rows, outputs), out, outputs, false);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * 0.731).sin()).collect()
    }

    #[test]
    fn a_row_has_the_same_bits_in_any_batch() {
        for (inputs, outputs) in [(1, 1), (8, 1), (32, 8), (256, 64), (31, 5)] {
            let (x, w) = (numbers(35 * inputs), numbers(inputs * outputs));
            let w = Matrix::new(&w, inputs, outputs);
            let of = |rows: core::ops::Range<usize>| {
                let mut out = vec![0.0; rows.len() * outputs];
                product(&x[rows.start * inputs..rows.end * inputs], w, &mut out);
                out.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            };
            let whole = of(0..35);
            for rows in [0..1, 3..4, 5..13, 30..35, 7..29] {
                assert_eq!(
                    of(rows.clone()),
                    whole[rows.start * outputs..rows.end * outputs]
                );
            }
        }
    }

    #[test]
    fn products_and_gradients_are_those_of_the_definition() {
        let (x, w, g) = (numbers(11 * 3), numbers(3 * 2), numbers(11 * 2));
        let mut out = [0.0; 22];
        product(&x, Matrix::new(&w, 3, 2), &mut out);
        let mut gradient = [0.0; 6];
        matrix_gradient(&x, &g, [3, 2], &mut gradient);
        for o in 0..2 {
            for row in 0..11 {
                let expected: f32 = (0..3).map(|i| x[row * 3 + i] * w[i * 2 + o]).sum();
                assert!((out[row * 2 + o] - expected).abs() < 1e-6);
            }
            for i in 0..3 {
                let expected: f32 = (0..11).map(|row| x[row * 3 + i] * g[row * 2 + o]).sum();
                assert!((gradient[i * 2 + o] - expected).abs() < 1e-6);
            }
        }
    }
}
