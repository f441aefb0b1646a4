//! Compare two sets of images by a kernel of their features, without a bias in small sets.
//!
//! Bińkowski et al., *Demystifying MMD GANs* (2018), eq. 4 with the cubic polynomial kernel; the unbiased
//! estimate of Gretton et al. (2012), eq. 3.

use super::vectors::{Vectors, dot};

/// Blocks whose estimates give the standard error.
const BLOCKS: usize = 10;
/// The fewest vectors of a set: two in every block.
pub(super) const FEWEST: usize = 2 * BLOCKS;

/// An estimate of the squared maximum mean discrepancy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Discrepancy {
    /// The estimate from all vectors; below 0 by chance where the sets are alike.
    pub mmd2: f64,
    /// An upper estimate of its standard error, from ten disjoint blocks of both sets.
    pub error: f64,
}

/// The unbiased squared maximum mean discrepancy of two sets under (x·y/d + 1)³.
///
/// # Panics
/// If a set has fewer than 20 vectors, two for every block, or vectors have different lengths.
pub fn discrepancy(one: &Vectors, other: &Vectors) -> Discrepancy {
    discrepancy_given(
        one,
        other,
        similarity_within(one) + similarity_within(other),
    )
}

/// [`discrepancy`] of sets whose [`similarity_within`] themselves adds up to `within`.
pub(super) fn discrepancy_given(one: &Vectors, other: &Vectors, within: f64) -> Discrepancy {
    let least = one.len().min(other.len());
    assert!(least >= FEWEST, "expected {FEWEST} vectors, got {least}");
    assert_eq!(one.dims(), other.dims(), "features of one kind");
    // Data may come in the order of their classes.
    let (shuffled_one, shuffled_other) = (one.shuffled(), other.shuffled());
    let blocks = (0..BLOCKS).map(|block| {
        let part =
            |set: &Vectors| set.slice(block * set.len() / BLOCKS..(block + 1) * set.len() / BLOCKS);
        let (one, other) = (part(&shuffled_one), part(&shuffled_other));
        similarity_within(&one) + similarity_within(&other) - 2.0 * similarity(&one, &other)
    });
    let blocks: Vec<f64> = blocks.collect();
    let mean = blocks.iter().sum::<f64>() / BLOCKS as f64;
    let squares: f64 = blocks
        .iter()
        .map(|block| (block - mean) * (block - mean))
        .sum();
    Discrepancy {
        mmd2: within - 2.0 * similarity(one, other),
        error: (squares / (BLOCKS - 1) as f64 / BLOCKS as f64).sqrt(),
    }
}

/// Mean k(x, x′) over pairs of different vectors of a set.
pub(super) fn similarity_within(set: &Vectors) -> f64 {
    let n = set.len() as f64;
    let sum: f64 = sums(set, set).iter().sum();
    let own: f64 = set.rows().map(|row| kernel(row, row)).sum();
    (sum - own) / (n * (n - 1.0))
}

/// Mean k(x, y) over vectors of one set and vectors of the other.
fn similarity(one: &Vectors, other: &Vectors) -> f64 {
    sums(one, other).iter().sum::<f64>() / (one.len() as f64 * other.len() as f64)
}

/// Σⱼ k(xᵢ, yⱼ) of every xᵢ.
fn sums(one: &Vectors, other: &Vectors) -> Vec<f64> {
    one.map(|_, x| other.rows().map(|y| kernel(x, y)).sum())
}

fn kernel(x: &[f64], y: &[f64]) -> f64 {
    let base = dot(x, y) / x.len() as f64 + 1.0;
    base * base * base
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::vectors::testing::normal;
    use super::*;

    proptest! {
        #[test]
        fn the_estimate_is_the_mean_over_pairs_of_the_definition(seed in 0_u64..1000, mean in -1.0..1.0) {
            let (x, y) = (normal(21, 3, 0.0, 1.0, seed), normal(24, 3, mean, 2.0, seed + 1));
            let k = |a: &[f64], b: &[f64]| {
                ((a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) / 3.0 + 1.0).powi(3)
            };
            let within = |set: &Vectors| {
                let mut sum = 0.0;
                for i in 0..set.len() {
                    for j in 0..set.len() {
                        if i != j {
                            sum += k(set.row(i), set.row(j));
                        }
                    }
                }
                sum / (set.len() * (set.len() - 1)) as f64
            };
            let pairs = x.rows().flat_map(|a| y.rows().map(move |b| k(a, b)));
            let expected = within(&x) + within(&y) - 2.0 * pairs.sum::<f64>() / (21.0 * 24.0);
            let found = discrepancy(&x, &y).mmd2;
            prop_assert!((found - expected).abs() < 1e-9 * (1.0 + expected.abs()), "{} {}", found, expected);
        }
    }

    #[test]
    fn the_error_does_not_depend_on_the_order_of_classes() {
        let set = |seed: u64| {
            let (one, other) = (
                normal(1000, 2, 0.0, 0.1, seed),
                normal(1000, 2, 1.0, 0.1, seed + 9),
            );
            let rows = one.rows().chain(other.rows()).flatten().copied();
            Vectors::new(rows.collect(), 2)
        };
        let in_turn = |set: &Vectors| {
            let rows = (0..1000).flat_map(|i| [set.row(i), set.row(1000 + i)].concat());
            Vectors::new(rows.collect(), 2)
        };
        let (one, other) = (set(1), set(2));
        let sorted = discrepancy(&one, &other).error;
        let mixed = discrepancy(&in_turn(&one), &in_turn(&other)).error;
        assert!((0.3..3.0).contains(&(sorted / mixed)), "{sorted} {mixed}");
    }

    #[test]
    fn sets_of_one_law_differ_by_less_than_five_standard_errors_and_others_by_more() {
        let set = |mean, seed| normal(4000, 4, mean, 1.0, seed);
        let alike = discrepancy(&set(0.0, 1), &set(0.0, 2));
        assert!(alike.mmd2.abs() < 5.0 * alike.error, "{alike:?}");
        let apart = discrepancy(&set(0.0, 1), &set(0.5, 2));
        assert!(apart.mmd2 > 5.0 * apart.error, "{apart:?}");
    }
}
