//! Hold distances to those of another implementation: a pair of feature arrays with its known values.
//!
//! The values are NumPy's, in double precision: the Fréchet distance from the eigenvalues of Σ₁Σ₂, the squared
//! discrepancy from whole kernel matrices. The arrays are a normal and a cubed normal sample, mixed linearly.

use ebm_apply::evaluate::{Gaussian, Vectors, discrepancy};
use serde::Deserialize;

#[derive(Deserialize)]
struct Pair {
    dims: usize,
    one: Vec<f64>,
    other: Vec<f64>,
    frechet: f64,
    mmd2: f64,
}

#[test]
fn distances_of_the_committed_pair_are_the_known_ones() {
    let pair: Pair = serde_json::from_str(include_str!("data/features.json")).expect("a pair");
    let [one, other] = [pair.one, pair.other].map(|values| Vectors::new(values, pair.dims));
    let gaussian = |vectors| Gaussian::of(vectors).expect("enough vectors");
    let frechet = gaussian(&one).distance(&gaussian(&other));
    assert!((frechet / pair.frechet - 1.0).abs() < 1e-12, "{frechet}");
    let mmd2 = discrepancy(&one, &other).mmd2;
    assert!((mmd2 / pair.mmd2 - 1.0).abs() < 1e-12, "{mmd2}");
}
