//! Multiply rows by a matrix, so that the bits of a row do not depend on how many there are.
//!
//! Products of few rows may take other paths than products of many, and round differently. Here
//! every product has the same number of rows, the last one filled up with zeros.

use super::matrix::{LANES, Matrix, multiply};

/// Rows of a product.
const ROWS: usize = 8;

/// Writes `x · w`.
///
/// # Shapes
/// - `x`: `[rows, inputs]`, `w`: `[inputs, outputs]`, `out`: `[rows, outputs]`
pub(super) fn product(x: &[f32], w: &[f32], [inputs, outputs]: [usize; 2], out: &mut [f32]) {
    if inputs * outputs == 0 {
        return out.fill(0.0);
    }
    let w = Matrix::new(w, inputs, outputs);
    let groups = x.chunks(ROWS * inputs);
    for (x, out) in groups.zip(out.chunks_mut(ROWS * outputs)) {
        if x.len() == ROWS * inputs {
            multiply(Matrix::new(x, ROWS, inputs), w, out, outputs, false);
            continue;
        }
        let mut filled = x.to_vec();
        filled.resize(ROWS * inputs, 0.0);
        let mut whole = vec![0.0; ROWS * outputs];
        let x = Matrix::new(&filled, ROWS, inputs);
        multiply(x, w, &mut whole, outputs, false);
        out.copy_from_slice(&whole[..out.len()]);
    }
}

/// Writes `gradient · wᵀ`, the gradient of rows that a matrix was multiplied by.
///
/// # Shapes
/// - `gradient`: `[rows, outputs]`, `w`: `[inputs, outputs]`, `out`: `[rows, inputs]`
pub(super) fn input_gradient(
    gradient: &[f32],
    w: &[f32],
    [inputs, outputs]: [usize; 2],
    out: &mut [f32],
) {
    if inputs * outputs == 0 {
        return out.fill(0.0);
    }
    // As w · gradientᵀ, whose columns are then whole tiles of a product.
    let w = Matrix::new(w, inputs, outputs);
    let mut columns = vec![0.0; outputs * LANES];
    let mut sums = vec![0.0; inputs * LANES];
    let groups = gradient.chunks(LANES * outputs);
    for (gradient, out) in groups.zip(out.chunks_mut(LANES * inputs)) {
        for (row, gradient) in gradient.chunks_exact(outputs).enumerate() {
            let column = columns.iter_mut().skip(row).step_by(LANES);
            column.zip(gradient).for_each(|(to, from)| *to = *from);
        }
        let columns = Matrix::new(&columns, outputs, LANES);
        multiply(w, columns, &mut sums, LANES, false);
        for (row, out) in out.chunks_exact_mut(inputs).enumerate() {
            let column = sums.iter().skip(row).step_by(LANES);
            out.iter_mut()
                .zip(column)
                .for_each(|(to, from)| *to = *from);
        }
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
    use std::ops::Range;

    use super::*;

    fn numbers(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * 0.731).sin()).collect()
    }

    #[test]
    fn a_row_has_the_same_bits_in_any_batch() {
        for (inputs, outputs) in [(1, 1), (8, 1), (32, 8), (256, 64), (31, 5)] {
            let (x, w) = (numbers(35 * inputs), numbers(inputs * outputs));
            let g = numbers(35 * outputs);
            let size = [inputs, outputs];
            let bits = |out: Vec<f32>| out.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            let forward = |rows: Range<usize>| {
                let mut out = vec![0.0; rows.len() * outputs];
                product(
                    &x[rows.start * inputs..rows.end * inputs],
                    &w,
                    size,
                    &mut out,
                );
                bits(out)
            };
            let backward = |rows: Range<usize>| {
                let mut out = vec![0.0; rows.len() * inputs];
                let gradient = &g[rows.start * outputs..rows.end * outputs];
                input_gradient(gradient, &w, size, &mut out);
                bits(out)
            };
            let (out, grad) = (forward(0..35), backward(0..35));
            for rows in [0..1, 3..4, 5..13, 30..35, 7..29] {
                let part = |len: usize| rows.start * len..rows.end * len;
                assert_eq!(forward(rows.clone()), out[part(outputs)]);
                assert_eq!(backward(rows.clone()), grad[part(inputs)]);
            }
        }
    }

    #[test]
    fn products_and_gradients_are_those_of_the_definition() {
        let (x, w, g) = (numbers(11 * 3), numbers(3 * 2), numbers(11 * 2));
        let mut out = [0.0; 22];
        product(&x, &w, [3, 2], &mut out);
        let mut of_rows = [0.0; 33];
        input_gradient(&g, &w, [3, 2], &mut of_rows);
        let mut gradient = [0.0; 6];
        matrix_gradient(&x, &g, [3, 2], &mut gradient);
        for row in 0..11 {
            for o in 0..2 {
                let expected: f32 = (0..3).map(|i| x[row * 3 + i] * w[i * 2 + o]).sum();
                assert!((out[row * 2 + o] - expected).abs() < 1e-6);
            }
            for i in 0..3 {
                let expected: f32 = (0..2).map(|o| g[row * 2 + o] * w[i * 2 + o]).sum();
                assert!((of_rows[row * 3 + i] - expected).abs() < 1e-6);
            }
        }
        for (index, got) in gradient.into_iter().enumerate() {
            let (i, o) = (index / 2, index % 2);
            let expected: f32 = (0..11).map(|row| x[row * 3 + i] * g[row * 2 + o]).sum();
            assert!((got - expected).abs() < 1e-5);
        }
    }
}
