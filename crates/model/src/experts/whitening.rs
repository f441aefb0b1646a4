//! Measure the mean and the principal components of patches, and whiten by them.

use burn::tensor::{DType, Device, Tensor, TensorData};
use ebm_core::symmetric::Matrix;

use crate::invalid_network::InvalidNetwork;

/// Variance of a direction, over the largest, below which it counts as none: rounding leaves less, the rounding of
/// bytes more.
const LEAST_VARIANCE: f64 = 1e-9;

/// z = Vᵀ(t − mean): constants of a network.
#[derive(Clone, Debug)]
pub(super) struct Whitening {
    /// V, `[pixels, dimensions]`.
    pub(super) matrix: Tensor<2>,
    /// `[1, pixels]`.
    pub(super) mean: Tensor<2>,
}

impl Whitening {
    /// The one before anything is measured: the first pixels as they are.
    pub(super) fn unmeasured(pixels: usize, dimensions: usize, device: &Device) -> Self {
        let value = |place: usize| f32::from(u8::from(place / dimensions == place % dimensions));
        let found = Measured {
            matrix: (0..pixels * dimensions).map(value).collect(),
            mean: vec![0.0; pixels],
        };
        found.on(device)
    }

    /// The same in the dtype of a tensor, on its device.
    pub(super) fn like<const D: usize>(&self, x: &Tensor<D>) -> Self {
        let (device, dtype) = (x.device().inner(), x.dtype());
        let there = |constant: &Tensor<2>| moved(constant.clone(), &device, dtype);
        Self {
            matrix: there(&self.matrix),
            mean: there(&self.mean),
        }
    }
}

fn moved(constant: Tensor<2>, device: &Device, dtype: DType) -> Tensor<2> {
    let there = match constant.device() == *device {
        true => constant,
        false => constant.to_device(device),
    };
    match there.dtype() == dtype {
        true => there,
        false => there.cast(dtype),
    }
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    /// V, row by row, `[pixels, dimensions]`.
    matrix: Vec<f32>,
    /// `[pixels]`.
    mean: Vec<f32>,
}

impl Measured {
    /// Principal components: column k of V is uₖ/√λₖ, of the eigenvectors uₖ of the covariance of `rows` with the
    /// largest eigenvalues λₖ, largest first, each with its largest element above 0.
    ///
    /// # Errors
    /// Where the rows vary in fewer directions.
    ///
    /// # Panics
    /// If there is no whole number of rows of `pixels`, or a value is not finite.
    pub(super) fn of(
        rows: &[f32],
        pixels: usize,
        dimensions: usize,
    ) -> Result<Self, InvalidNetwork> {
        assert!(
            !rows.is_empty() && rows.len().is_multiple_of(pixels),
            "expected rows of {pixels} values, got {} values",
            rows.len()
        );
        let mean = mean(rows, pixels);
        let eigen = covariance(rows, &mean).eigen();
        let mut order: Vec<usize> = (0..pixels).collect();
        order.sort_by(|&a, &b| eigen.values[b].total_cmp(&eigen.values[a]));
        let least = LEAST_VARIANCE * eigen.values[order[0]];
        let found = eigen.values.iter().filter(|&&value| value > least);
        let found = found.count();
        if found < dimensions {
            return Err(InvalidNetwork::FewDirections {
                asked: dimensions,
                found,
            });
        }
        let columns = order[..dimensions].iter().map(|&place| {
            let vector = eigen.vector(place);
            let largest = vector
                .iter()
                .copied()
                .max_by(|a, b| a.abs().total_cmp(&b.abs()));
            let scale = largest.unwrap_or(1.0).signum() / eigen.values[place].sqrt();
            let column = vector.into_iter().map(|element| scale * element);
            column.collect::<Vec<f64>>()
        });
        let columns: Vec<Vec<f64>> = columns.collect();
        let matrix = (0..pixels).flat_map(|pixel| columns.iter().map(move |it| it[pixel] as f32));
        Ok(Self {
            matrix: matrix.collect(),
            mean: mean.into_iter().map(|value| value as f32).collect(),
        })
    }

    /// The same on a device, without autodiff.
    pub(super) fn on(self, device: &Device) -> Whitening {
        let device = device.clone().inner();
        let pixels = self.mean.len();
        let dimensions = self.matrix.len() / pixels;
        let there = |values: Vec<f32>, shape: [usize; 2]| {
            Tensor::from_data(TensorData::new(values, shape), &device)
        };
        Whitening {
            matrix: there(self.matrix, [pixels, dimensions]),
            mean: there(self.mean, [1, pixels]),
        }
    }
}

fn mean(rows: &[f32], pixels: usize) -> Vec<f64> {
    let mut sum = vec![0.0; pixels];
    for row in rows.chunks_exact(pixels) {
        for (sum, &value) in sum.iter_mut().zip(row) {
            *sum += f64::from(value);
        }
    }
    let count = (rows.len() / pixels) as f64;
    sum.into_iter().map(|sum| sum / count).collect()
}

/// Mean of (row − mean)(row − mean)ᵀ.
fn covariance(rows: &[f32], mean: &[f64]) -> Matrix {
    let pixels = mean.len();
    let mut sums = vec![0.0; pixels * pixels];
    for row in rows.chunks_exact(pixels) {
        let centred: Vec<f64> = row
            .iter()
            .zip(mean)
            .map(|(&value, mean)| f64::from(value) - mean)
            .collect();
        // The upper half, a row of it at a time.
        for (i, &left) in centred.iter().enumerate() {
            let sums = &mut sums[i * pixels + i..(i + 1) * pixels];
            for (sum, right) in sums.iter_mut().zip(&centred[i..]) {
                *sum += left * right;
            }
        }
    }
    let count = (rows.len() / pixels) as f64;
    Matrix::from_fn(pixels, |i, j| sums[i.min(j) * pixels + i.max(j)] / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of three values: two independent waves and their sum.
    fn rows() -> Vec<f32> {
        let row = |i: usize| {
            let (a, b) = ((i as f32 * 0.7).sin(), (i as f32 * 1.9).cos());
            [3.0 * a + 1.0, 0.2 * b - 2.0, 3.0 * a + 0.2 * b]
        };
        (0..500).flat_map(row).collect()
    }

    #[test]
    fn coordinates_have_mean_zero_and_the_identity_as_their_covariance() {
        let rows = rows();
        let found = Measured::of(&rows, 3, 2).expect("two directions");
        let z: Vec<f32> = rows
            .chunks(3)
            .flat_map(|row| {
                let found = &found;
                (0..2).map(move |k| {
                    let terms = (0..3).map(|i| (row[i] - found.mean[i]) * found.matrix[2 * i + k]);
                    terms.sum::<f32>()
                })
            })
            .collect();
        let mean = mean(&z, 2);
        assert!(mean.iter().all(|mean| mean.abs() < 1e-5), "{mean:?}");
        let covariance = covariance(&z, &[0.0; 2]);
        for (place, value) in covariance.values().iter().enumerate() {
            let expected = f64::from(u8::from(place == 0 || place == 3));
            assert!((value - expected).abs() < 1e-4, "{value} at {place}");
        }
    }

    #[test]
    fn the_direction_of_the_largest_variance_comes_first_with_its_largest_element_above_zero() {
        let found = Measured::of(&rows(), 3, 1).expect("a direction");
        let [a, b, c] = [0, 1, 2].map(|place| found.matrix[place]);
        assert!(b.abs() < 0.1 * a.abs() && (a - c).abs() < 0.1 * a.abs());
        assert!(a.max(c) > 0.0);
    }

    #[test]
    fn rows_that_vary_in_fewer_directions_are_refused() {
        let refused = |rows: &[f32], dimensions| {
            let error = Measured::of(rows, 3, dimensions).expect_err("refused");
            error.to_string()
        };
        let message = refused(&rows(), 3);
        assert!(message.contains("vary in 2 directions"), "{message}");
        let message = refused(&[0.5; 30], 1);
        assert!(message.contains("vary in 0 directions"), "{message}");
    }
}
