//! Ask what latent vectors tell, by least squares: the share of the variance of a quantity that is linear in z.

use thiserror::Error;

/// The least that a pivot of the normal equations may be, of its diagonal element before elimination.
const SMALLEST_PIVOT: f64 = 1e-10;

/// A quantity that cannot be read out.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ReadOutError {
    /// There are no more examples to learn from than coefficients.
    #[error(
        "{examples} images are too few for a read-out of {latents} latents: it needs more than twice as many"
    )]
    FewExamples {
        /// Examples.
        examples: usize,
        /// Elements of z.
        latents: usize,
    },
    /// The quantity is the same in all images that it is tested on.
    #[error("the quantity is the same in all images: nothing of it can be told")]
    Constant,
}

/// R² on `test` of the least-squares fit w·z + b to `train`: 1 where the quantity is linear in z, 0 where its mean is as
/// good, and below 0 where that is better. Each is z of all examples, row by row, and the quantity of each.
///
/// # Errors
/// Where there are too few examples, or the quantity does not vary.
///
/// # Panics
/// If latents are not a whole number of rows, one for each quantity.
pub fn linear_read_out(
    train: (&[f32], &[f64]),
    test: (&[f32], &[f64]),
) -> Result<f64, ReadOutError> {
    let examples = train.1.len();
    let latents = train.0.len() / examples.max(1);
    for (z, of) in [train, test] {
        let (found, rows) = (z.len(), of.len());
        assert_eq!(
            found,
            rows * latents,
            "expected {rows} rows of {latents} latents"
        );
    }
    if examples <= 2 * latents {
        return Err(ReadOutError::FewExamples { examples, latents });
    }
    let fitted = least_squares(train, latents);
    let mean = test.1.iter().sum::<f64>() / test.1.len() as f64;
    let (mut unexplained, mut all) = (0.0, 0.0);
    for (z, value) in test.0.chunks_exact(latents).zip(test.1) {
        let told: f64 = with_one(z).zip(&fitted).map(|(z, weight)| z * weight).sum();
        unexplained += (value - told).powi(2);
        all += (value - mean).powi(2);
    }
    if all > 0.0 {
        Ok(1.0 - unexplained / all)
    } else {
        Err(ReadOutError::Constant)
    }
}

/// z, and 1 for the constant.
fn with_one(z: &[f32]) -> impl Iterator<Item = f64> + '_ {
    z.iter().map(|&z| f64::from(z)).chain([1.0])
}

/// The solution of the normal equations, by elimination; a latent that follows from those before it, or that never
/// moves, has the coefficient 0. Their matrix is positive semidefinite, so that its diagonal elements are pivots enough.
fn least_squares((z, values): (&[f32], &[f64]), latents: usize) -> Vec<f64> {
    let size = latents + 1;
    // A row for each coefficient, the right side last.
    let mut rows = vec![vec![0.0; size + 1]; size];
    for (z, value) in z.chunks_exact(latents).zip(values) {
        let z: Vec<f64> = with_one(z).collect();
        for (row, first) in rows.iter_mut().zip(&z) {
            for (entry, second) in row.iter_mut().zip(z.iter().chain([value])) {
                *entry += first * second;
            }
        }
    }
    let diagonal: Vec<f64> = (0..size).map(|i| rows[i][i]).collect();
    let mut solved = vec![false; size];
    for (column, is_solved) in solved.iter_mut().enumerate() {
        if rows[column][column] <= SMALLEST_PIVOT * diagonal[column] {
            continue;
        }
        *is_solved = true;
        let by = rows[column].clone();
        for (number, row) in rows.iter_mut().enumerate() {
            let factor = row[column] / by[column];
            if number != column && factor != 0.0 {
                for (entry, eliminated) in row.iter_mut().zip(&by) {
                    *entry -= factor * eliminated;
                }
            }
        }
    }
    let coefficient = |column: usize| match solved[column] {
        true => rows[column][size] / rows[column][column],
        false => 0.0,
    };
    (0..size).map(coefficient).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// z in two dimensions, and 3z₁ − 2z₂ + 5.
    fn examples(start: usize, count: usize) -> (Vec<f32>, Vec<f64>) {
        let z: Vec<f32> = (start..start + 2 * count)
            .map(|i| ((i * i) as f32 * 0.7).sin())
            .collect();
        let value = |z: &[f32]| 3.0 * f64::from(z[0]) - 2.0 * f64::from(z[1]) + 5.0;
        let values = z.chunks(2).map(value).collect();
        (z, values)
    }

    #[test]
    fn what_is_linear_in_z_is_told_whole_and_what_is_not_is_not() {
        let (train, test) = (examples(0, 50), examples(777, 40));
        let told = linear_read_out((&train.0, &train.1), (&test.0, &test.1));
        assert!((told.expect("enough") - 1.0).abs() < 1e-9);
        let squares = |(z, _): &(Vec<f32>, Vec<f64>)| -> Vec<f64> {
            z.chunks(2).map(|z| f64::from(z[0]).powi(2)).collect()
        };
        let (of_train, of_test) = (squares(&train), squares(&test));
        let told = linear_read_out((&train.0, &of_train), (&test.0, &of_test));
        assert!(told.expect("enough") < 0.3);
    }

    #[test]
    fn a_latent_that_never_moves_takes_no_part() {
        let (z, values) = examples(0, 50);
        for still in 0..3 {
            let with_still = |z: &[f32]| {
                let mut with_still = z.to_vec();
                with_still.insert(still, 0.0);
                with_still
            };
            let with_still: Vec<f32> = z.chunks(2).flat_map(with_still).collect();
            let told = linear_read_out((&with_still, &values), (&with_still, &values));
            let told = told.expect("enough");
            assert!((told - 1.0).abs() < 1e-9, "latent {still}: {told}");
        }
    }

    #[test]
    fn too_few_examples_and_a_constant_are_refused() {
        let (z, values) = examples(0, 4);
        let few = linear_read_out((&z, &values), (&z, &values));
        assert!(matches!(few, Err(ReadOutError::FewExamples { .. })));
        let (z, _) = examples(0, 50);
        let same = linear_read_out((&z, &[2.0; 50]), (&z, &[2.0; 50]));
        assert_eq!(same, Err(ReadOutError::Constant));
    }
}
