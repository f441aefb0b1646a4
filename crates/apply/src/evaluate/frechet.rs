//! Compare two sets of images by the means and covariances of their features.
//!
//! The Fréchet distance between two Gaussians (Dowson & Landau 1982), as Heusel et al. (2017) use it on
//! features of a network.

use ebm_core::symmetric::Matrix;
use rayon::prelude::*;
use thiserror::Error;

use super::vectors::{Vectors, squared_distance};

/// Features that have no Fréchet distance.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FrechetError {
    /// The covariance of so few vectors has no full rank.
    #[error("a covariance of {dims} features needs more than {dims} images, got {images}")]
    TooFew {
        /// Vectors.
        images: usize,
        /// Elements of a vector.
        dims: usize,
    },
    /// A value is not finite.
    #[error("features are not finite")]
    NotFinite,
}

/// A Gaussian with the mean and covariance of some vectors.
#[derive(Clone, Debug)]
pub struct Gaussian {
    mean: Vec<f64>,
    covariance: Matrix,
}

impl Gaussian {
    /// The Gaussian of these vectors, its covariance with n − 1 in the denominator.
    ///
    /// # Errors
    /// Where there are no more vectors than elements of one, or a value is not finite.
    pub fn of(vectors: &Vectors) -> Result<Self, FrechetError> {
        let (images, dims) = (vectors.len(), vectors.dims());
        if images <= dims {
            return Err(FrechetError::TooFew { images, dims });
        }
        let of_feature = |i: usize| vectors.rows().map(|row| row[i]).sum::<f64>();
        let mean: Vec<f64> = (0..dims).map(|i| of_feature(i) / images as f64).collect();
        // Each thread has some rows of the matrix, whose sums go over the images in order.
        let row = |i: usize| {
            let mut sums = vec![0.0; i + 1];
            for vector in vectors.rows() {
                let centred = vector[i] - mean[i];
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum += centred * (vector[j] - mean[j]);
                }
            }
            sums
        };
        let rows: Vec<_> = (0..dims).into_par_iter().map(row).collect();
        let covariance =
            Matrix::from_fn(dims, |i, j| rows[i.max(j)][i.min(j)] / (images - 1) as f64);
        if !covariance
            .values()
            .iter()
            .chain(&mean)
            .all(|v| v.is_finite())
        {
            return Err(FrechetError::NotFinite);
        }
        Ok(Self { mean, covariance })
    }

    /// The least and the greatest variance along any direction: a least one near 0 says that some
    /// combination of features is constant.
    pub fn variances(&self) -> (f64, f64) {
        let values = self.covariance.eigen().values;
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        (least, values.into_iter().fold(f64::NEG_INFINITY, f64::max))
    }

    /// ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2(Σ₁^½ Σ₂ Σ₁^½)^½), at least 0 but for rounding.
    ///
    /// # Panics
    /// If the other one has another number of dimensions.
    pub fn distance(&self, other: &Self) -> f64 {
        assert_eq!(self.mean.len(), other.mean.len(), "features of one kind");
        // Rounding takes an eigenvalue of 0 below it.
        let root = |value: f64| value.max(0.0).sqrt();
        let half = self.covariance.eigen().with_values(root);
        let product = half.times(&other.covariance).times(&half);
        let trace: f64 = product.eigen().values.into_iter().map(root).sum();
        let means = squared_distance(&self.mean, &other.mean);
        means + self.covariance.trace() + other.covariance.trace() - 2.0 * trace
    }
}

#[cfg(test)]
mod tests {
    use super::super::vectors::testing::normal;
    use super::*;

    fn gaussian(mean: &[f64], covariance: &[f64]) -> Gaussian {
        Gaussian {
            mean: mean.to_vec(),
            covariance: Matrix::from_fn(mean.len(), |i, j| covariance[i * mean.len() + j]),
        }
    }

    #[test]
    fn the_distance_of_commuting_gaussians_is_that_of_their_standard_deviations() {
        let one = gaussian(&[0.0, 1.0], &[4.0, 0.0, 0.0, 9.0]);
        let other = gaussian(&[3.0, 5.0], &[1.0, 0.0, 0.0, 0.25]);
        // 3² + 4² + (2 − 1)² + (3 − ½)²
        assert!((one.distance(&other) - 32.25).abs() < 1e-12);
        assert!(one.distance(&one).abs() < 1e-12);
    }

    /// In two dimensions tr(Σ₁Σ₂)^½ = √(tr Σ₁Σ₂ + 2√(det Σ₁ det Σ₂)).
    #[test]
    fn the_distance_of_others_is_the_closed_form_in_two_dimensions() {
        let (a, b) = ([2.0, 0.7, 0.7, 1.0], [1.5, -0.4, -0.4, 3.0]);
        let (one, other) = (gaussian(&[0.0; 2], &a), gaussian(&[0.0; 2], &b));
        let of_product = a[0] * b[0] + 2.0 * a[1] * b[1] + a[3] * b[3];
        let det = |m: [f64; 4]| m[0] * m[3] - m[1] * m[2];
        let root = (of_product + 2.0 * (det(a) * det(b)).sqrt()).sqrt();
        let expected = a[0] + a[3] + b[0] + b[3] - 2.0 * root;
        assert!((one.distance(&other) - expected).abs() < 1e-12);
        assert!((other.distance(&one) - expected).abs() < 1e-12);
    }

    #[test]
    fn a_constant_feature_makes_a_singular_covariance_and_a_distance() {
        let values = (0..40).flat_map(|i| [f64::from(i), 7.0]).collect();
        let vectors = Vectors::new(values, 2);
        let one = Gaussian::of(&vectors).expect("enough");
        assert!(one.variances().0.abs() < 1e-12);
        assert!(one.distance(&one).abs() < 1e-9);
    }

    #[test]
    fn few_vectors_and_values_that_are_no_numbers_are_refused() {
        let few = normal(4, 4, 0.0, 1.0, 1);
        let expected = FrechetError::TooFew { images: 4, dims: 4 };
        assert_eq!(Gaussian::of(&few).expect_err("too few"), expected);
        let bad = Vectors::new(vec![f64::NAN; 9], 1);
        assert_eq!(
            Gaussian::of(&bad).expect_err("NaN"),
            FrechetError::NotFinite
        );
    }

    #[test]
    fn the_covariance_is_that_of_the_definition() {
        let vectors = normal(50, 3, 1.0, 2.0, 3);
        let found = Gaussian::of(&vectors).expect("enough");
        for i in 0..3 {
            for j in 0..3 {
                let mean = |k: usize| vectors.rows().map(|row| row[k]).sum::<f64>() / 50.0;
                let terms = vectors
                    .rows()
                    .map(|row| (row[i] - mean(i)) * (row[j] - mean(j)));
                let expected = terms.sum::<f64>() / 49.0;
                assert!((found.covariance.at(i, j) - expected).abs() < 1e-12);
            }
        }
    }
}
