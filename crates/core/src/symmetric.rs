//! Eigenvalues and eigenvectors of symmetric matrices in double precision.
//!
//! The cyclic Jacobi method (Golub & Van Loan, *Matrix Computations*, sec. 8.5): each rotation makes an
//! element off the diagonal zero, and the sum of their squares falls to nothing within a few sweeps. It is
//! slow for large matrices and accurate for all; those here have a hundred rows, at most a thousand.

/// Sweeps after which a matrix that has not converged never will: a value is not finite.
const MOST_SWEEPS: usize = 60;

/// A square matrix, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    values: Vec<f64>,
    size: usize,
}

/// A = V diag(values) Vᵀ.
#[derive(Clone, Debug)]
pub struct Eigen {
    /// In no order.
    pub values: Vec<f64>,
    /// A column for every value.
    vectors: Matrix,
}

impl Matrix {
    /// The matrix of so many rows and columns with `value` of row and column at each place.
    pub fn from_fn(size: usize, value: impl Fn(usize, usize) -> f64) -> Self {
        let places = (0..size).flat_map(|row| (0..size).map(move |column| (row, column)));
        let values = places.map(|(row, column)| value(row, column)).collect();
        Self { values, size }
    }

    /// The value in a row and a column.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn at(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.size + column]
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The sum of the diagonal.
    pub fn trace(&self) -> f64 {
        (0..self.size).map(|i| self.at(i, i)).sum()
    }

    /// The product with another matrix of its size.
    pub fn times(&self, other: &Self) -> Self {
        Self::from_fn(self.size, |row, column| {
            let terms = (0..self.size).map(|k| self.at(row, k) * other.at(k, column));
            terms.sum()
        })
    }

    /// The eigenvalues and eigenvectors of a matrix that is symmetric: its lower half is not read.
    ///
    /// # Panics
    /// If a value is not finite.
    pub fn eigen(&self) -> Eigen {
        let size = self.size;
        let mut a = Self::from_fn(size, |i, j| self.at(i.min(j), i.max(j)));
        let mut vectors = Self::from_fn(size, |i, j| f64::from(u8::from(i == j)));
        let squares = |a: &Self, of: &dyn Fn(usize, usize) -> bool| -> f64 {
            let places = (0..size).flat_map(|i| (0..size).map(move |j| (i, j)));
            let chosen = places.filter(|&(i, j)| of(i, j));
            chosen.map(|(i, j)| a.at(i, j) * a.at(i, j)).sum()
        };
        // Rounding leaves about ε of the whole in each element.
        let rounding = f64::EPSILON * size as f64;
        let smallest = rounding * rounding * squares(&a, &|_, _| true);
        for _ in 0..MOST_SWEEPS {
            if squares(&a, &|i, j| i != j) <= smallest {
                let values = (0..size).map(|i| a.at(i, i)).collect();
                return Eigen { values, vectors };
            }
            for p in 0..size {
                for q in p + 1..size {
                    if let Some(rotation) = Rotation::that_clears(&a, p, q) {
                        rotation.rows(&mut a);
                        rotation.columns(&mut a);
                        rotation.columns(&mut vectors);
                        (a.values[p * size + q], a.values[q * size + p]) = (0.0, 0.0);
                    }
                }
            }
        }
        panic!("expected a symmetric matrix of finite values");
    }
}

impl Eigen {
    /// The eigenvector of a value, of length 1.
    pub fn vector(&self, place: usize) -> Vec<f64> {
        let v = &self.vectors;
        (0..v.size).map(|row| v.at(row, place)).collect()
    }

    /// V diag(f(values)) Vᵀ.
    pub fn with_values(&self, f: impl Fn(f64) -> f64) -> Matrix {
        let values: Vec<f64> = self.values.iter().map(|&value| f(value)).collect();
        let v = &self.vectors;
        Matrix::from_fn(v.size, |row, column| {
            let terms = (0..v.size).map(|k| v.at(row, k) * values[k] * v.at(column, k));
            terms.sum()
        })
    }
}

/// A rotation of the axes p and q.
struct Rotation {
    p: usize,
    q: usize,
    cos: f64,
    sin: f64,
}

impl Rotation {
    /// The one after which `a` is zero at (p, q); none where it is so already.
    fn that_clears(a: &Matrix, p: usize, q: usize) -> Option<Self> {
        if a.at(p, q) == 0.0 {
            return None;
        }
        let tau = (a.at(q, q) - a.at(p, p)) / (2.0 * a.at(p, q));
        let tan = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
        let cos = (1.0 + tan * tan).sqrt().recip();
        let sin = tan * cos;
        Some(Self { p, q, cos, sin })
    }

    fn rows(&self, a: &mut Matrix) {
        for column in 0..a.size {
            self.turn(a, self.p * a.size + column, self.q * a.size + column);
        }
    }

    fn columns(&self, a: &mut Matrix) {
        for row in 0..a.size {
            self.turn(a, row * a.size + self.p, row * a.size + self.q);
        }
    }

    fn turn(&self, a: &mut Matrix, at_p: usize, at_q: usize) {
        let (p, q) = (a.values[at_p], a.values[at_q]);
        a.values[at_p] = self.cos * p - self.sin * q;
        a.values[at_q] = self.sin * p + self.cos * q;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_its_eigenvectors_scaled_by_its_eigenvalues() {
        for seed in 0..64 {
            let value = |i: usize, j: usize| {
                let place = (i.min(j) * 6 + i.max(j) + 40 * seed) as f64;
                10.0 * (place * place * 0.731).sin()
            };
            let a = Matrix::from_fn(6, value);
            let eigen = a.eigen();
            let again = eigen.with_values(|value| value);
            let unit = eigen.with_values(|_| 1.0);
            for i in 0..6 {
                for j in 0..6 {
                    assert!((again.at(i, j) - a.at(i, j)).abs() < 1e-12);
                    assert!((unit.at(i, j) - f64::from(u8::from(i == j))).abs() < 1e-13);
                }
            }
            for (place, value) in eigen.values.iter().enumerate() {
                let v = eigen.vector(place);
                for (i, element) in v.iter().enumerate() {
                    let product: f64 = (0..6).map(|j| a.at(i, j) * v[j]).sum();
                    assert!((product - value * element).abs() < 1e-12);
                }
            }
        }
    }

    /// The second difference of n points has the eigenvalues 2 − 2cos(kπ/(n + 1)).
    #[test]
    fn eigenvalues_of_a_large_matrix_are_those_of_the_closed_form() {
        let size = 100;
        let a = Matrix::from_fn(size, |i, j| match i.abs_diff(j) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        });
        let mut found = a.eigen().values;
        found.sort_by(f64::total_cmp);
        for (k, value) in found.iter().enumerate() {
            let angle = core::f64::consts::PI * (k + 1) as f64 / (size + 1) as f64;
            assert!((value - (2.0 - 2.0 * angle.cos())).abs() < 1e-12);
        }
    }

    /// Spectra of covariances, in axes of no relation to the features.
    #[test]
    fn matrices_of_many_features_are_done_within_a_few_sweeps() {
        let size = 64;
        let axes = Matrix::from_fn(size, |i, j| {
            ((i * j) as f64 * 0.7).sin() + ((i + 2 * j) as f64).cos()
        });
        let symmetric = Matrix::from_fn(size, |i, j| axes.at(i, j) + axes.at(j, i)).eigen();
        for spectrum in [|k: f64| 0.9_f64.powf(k), |k: f64| 0.5 + k / 64.0] {
            let index = core::cell::Cell::new(0.0);
            let a = symmetric.with_values(|_| {
                index.set(index.get() + 1.0);
                spectrum(index.get())
            });
            let mut found = a.eigen().values;
            let mut expected: Vec<f64> = (1..=size).map(|k| spectrum(k as f64)).collect();
            found.sort_by(f64::total_cmp);
            expected.sort_by(f64::total_cmp);
            for (found, expected) in found.iter().zip(&expected) {
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{found} is not {expected}"
                );
            }
        }
    }

    #[test]
    fn a_diagonal_matrix_and_one_of_zeros_are_done_already() {
        let values = Matrix::from_fn(2, |i, j| if i == j { 3.0 - i as f64 } else { 0.0 });
        assert_eq!(values.eigen().values, [3.0, 2.0]);
        assert_eq!(Matrix::from_fn(2, |_, _| 0.0).eigen().values, [0.0, 0.0]);
    }
}
