//! Multiply a packed matrix by one whose rows are lanes.

use super::outputs::{Offsets, Outputs};
use super::vectors::Vectors;
use crate::conv::factors::Packing;

/// Offsets of the vectors of a row of `columns`, a multiple of the narrowest vector; the same in
/// both matrices.
pub(in crate::conv) fn offsets_of(columns: usize, packing: Packing) -> Vec<Offsets> {
    let starts = (0..columns).step_by(Vectors::for_lanes(columns, packing).width());
    let offsets = starts.map(|start| Offsets {
        source: start,
        target: start,
    });
    offsets.collect()
}

/// Writes `a · b`, where `offsets` say which vectors of columns there are in `b` and in `out`.
///
/// # Shapes
/// - `a`: `[rows, depth]`, in blocks of rows, see `blocks.rs`
/// - `b`: `depth` rows, `step` elements apart
/// - `out`: `rows` rows, `step` elements apart
///
/// # Panics
///
/// When a slice is too short.
pub(in crate::conv) fn multiply(
    packing: Packing,
    a: &[f32],
    [rows, depth]: [usize; 2],
    (b, step): (&[f32], usize),
    offsets: &[Offsets],
    out: &mut [f32],
) {
    let vectors = Vectors::for_lanes(step, packing);
    Outputs::of_product(a, depth, (b, step)).write(vectors, rows, offsets, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::blocks::position;
    use crate::lanes::MAX_WIDTH;

    fn waves(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * 0.731).sin()).collect()
    }

    #[test]
    fn products_of_any_size_agree_with_three_loops_in_double_precision() {
        let all_vectors = [
            Vectors::for_lanes(MAX_WIDTH, Packing::F32),
            Vectors::portable(),
        ];
        for vectors in all_vectors {
            let sizes = [(1, 1), (6, 3), (13, 300), (64, 144), (17, 513)];
            let is_long = |&(rows, depth): &(usize, usize)| cfg!(miri) && rows * depth > 4_000;
            for (rows, depth) in sizes.into_iter().filter(|size| !is_long(size)) {
                let (a, b) = (waves(rows * depth), waves(depth * MAX_WIDTH));
                let starts = (0..MAX_WIDTH).step_by(vectors.width());
                let offsets: Vec<_> = starts
                    .map(|start| Offsets {
                        source: start,
                        target: start,
                    })
                    .collect();
                let mut out = vec![f32::NAN; rows * MAX_WIDTH];
                let outputs = Outputs::of_product(&a, depth, (&b, MAX_WIDTH));
                outputs.write(vectors, rows, &offsets, &mut out);
                let mut expected = vec![0.0; out.len()];
                for (index, &a) in a.iter().enumerate() {
                    let [row, p] = position(index, [rows, depth]);
                    for column in 0..MAX_WIDTH {
                        expected[row * MAX_WIDTH + column] +=
                            f64::from(a) * f64::from(b[p * MAX_WIDTH + column]);
                    }
                }
                for (&got, expected) in out.iter().zip(expected) {
                    let error = (f64::from(got) - expected).abs();
                    assert!(error < 1e-5 * (depth as f64).sqrt(), "{error}");
                }
            }
        }
    }

    #[test]
    #[should_panic = "assertion"]
    fn refuses_a_matrix_that_is_too_short() {
        let offsets = offsets_of(MAX_WIDTH, Packing::F32);
        multiply(
            Packing::F32,
            &[0.0; 5],
            [2, 3],
            (&[0.0; 48], MAX_WIDTH),
            &offsets,
            &mut [0.0; 32],
        );
    }
}
