//! Hold the feature vectors of a set of images.

use ebm_core::{NoiseKey, PhiloxRng, Stream};
use rayon::prelude::*;

/// Feature vectors, `[images, dims]`, in double precision: what distances between sets of images are
/// computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    values: Vec<f64>,
    dims: usize,
}

impl Vectors {
    /// Vectors of `dims` elements, one after the other.
    ///
    /// # Panics
    /// If `dims` is 0, or the values are no whole number of vectors.
    pub fn new(values: Vec<f64>, dims: usize) -> Self {
        assert!(
            dims > 0 && values.len().is_multiple_of(dims),
            "expected vectors of {dims} elements, got {} values",
            values.len()
        );
        Self { values, dims }
    }

    /// Vectors.
    pub fn len(&self) -> usize {
        self.values.len() / self.dims
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Elements of a vector.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// One of them.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.dims..][..self.dims]
    }

    /// All of them, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.dims)
    }

    /// Some consecutive ones.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn slice(&self, range: core::ops::Range<usize>) -> Self {
        let values = self.values[range.start * self.dims..range.end * self.dims].to_vec();
        Self::new(values, self.dims)
    }

    /// The same vectors in an order of no relation to theirs, always the same.
    pub(super) fn shuffled(&self) -> Self {
        let order = shuffled_indices(self.len());
        let values = order.into_iter().flat_map(|index| self.row(index).to_vec());
        Self::new(values.collect(), self.dims)
    }

    /// What `of` makes of every vector, in order, on all threads.
    pub(super) fn map<T: Send>(&self, of: impl Fn(usize, &[f64]) -> T + Sync) -> Vec<T> {
        let rows = self.values.par_chunks_exact(self.dims).enumerate();
        rows.map(|(index, row)| of(index, row)).collect()
    }
}

/// All indices below `len` in an order of no relation to theirs, always the same.
pub(super) fn shuffled_indices(len: usize) -> Vec<usize> {
    let mut rng = PhiloxRng::new(NoiseKey::new(0, Stream::DataExamples, 1), 0);
    rand::seq::index::sample(&mut rng, len, len).into_vec()
}

/// Σ aᵢbᵢ.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    lanes(a, b, |a, b| a * b)
}

/// Σ (aᵢ − bᵢ)².
pub(super) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    lanes(a, b, |a, b| (a - b) * (a - b))
}

/// Σ (aᵢ − bᵢ)² of bytes.
pub(super) fn squared_byte_distance(a: &[u8], b: &[u8]) -> u64 {
    const FITS: usize = 4096; // squares of as many differences fit in 32 bits
    let of_part = |(a, b): (&[u8], &[u8])| -> u32 {
        let differences = a.iter().zip(b).map(|(&a, &b)| i32::from(a) - i32::from(b));
        differences.map(|it| (it * it) as u32).sum()
    };
    a.chunks(FITS)
        .zip(b.chunks(FITS))
        .map(of_part)
        .map(u64::from)
        .sum()
}

/// A sum over pairs in a fixed order that a compiler can keep in vector registers.
fn lanes(a: &[f64], b: &[f64], term: impl Fn(f64, f64) -> f64) -> f64 {
    const LANES: usize = 8;
    let (a_whole, a_rest) = a.as_chunks::<LANES>();
    let (b_whole, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a_whole.iter().zip(b_whole) {
        for lane in 0..LANES {
            sums[lane] += term(a[lane], b[lane]);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(&a, &b)| term(a, b)).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
pub(super) mod testing {
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    use super::Vectors;

    /// `len` vectors of normal values with this mean and standard deviation.
    pub(in super::super) fn normal(
        len: usize,
        dims: usize,
        mean: f64,
        std: f64,
        seed: u64,
    ) -> Vectors {
        let mut rng = SmallRng::seed_from_u64(seed);
        let values = (0..len * dims).map(|_| {
            let (u, angle): (f64, f64) = (rng.random(), rng.random());
            let radius = (-2.0 * (1.0 - u).ln()).sqrt();
            mean + std * radius * (core::f64::consts::TAU * angle).cos()
        });
        Vectors::new(values.collect(), dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_many_bytes_do_not_overflow() {
        let (white, black) = (vec![255; 200_000], vec![0; 200_000]);
        assert_eq!(squared_byte_distance(&white, &black), 200_000 * 255 * 255);
        assert_eq!(squared_byte_distance(&white[..3], &[254, 255, 253]), 5);
    }
}
