//! Tell how many samples lie among the data, and how much of the data lies among the samples.
//!
//! Kynkäänniemi et al., *Improved precision and recall metric for assessing generative models* (2019),
//! eq. 1 and 2: a set's manifold is the union of balls around its vectors, each as wide as the distance to
//! the vector's k-th neighbour.

use super::vectors::{Vectors, squared_distance};

/// Neighbours that a ball reaches, as published.
pub const NEIGHBORS: usize = 3;

/// Shares in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrecisionRecall {
    /// Share of the samples that lie in a ball of the data.
    pub precision: f64,
    /// Share of the data that lie in a ball of the samples.
    pub recall: f64,
}

/// Precision and recall of samples, of features with as many data as samples where they are to be compared
/// with published ones.
///
/// # Panics
/// If a set has no more vectors than [`NEIGHBORS`], or vectors have different lengths.
pub fn precision_recall(data: &Vectors, samples: &Vectors) -> PrecisionRecall {
    PrecisionRecall {
        precision: Balls::of(data).share_with(samples, data),
        recall: Balls::of(samples).share_with(data, samples),
    }
}

/// The manifold of a set: squared radii of the balls around its vectors.
#[derive(Clone, Debug)]
pub(super) struct Balls(Vec<f64>);

impl Balls {
    pub(super) fn of(set: &Vectors) -> Self {
        Self(radii(set))
    }

    /// Share of `points` that lie in a ball around a vector of `set`, the one of these balls.
    pub(super) fn share_with(&self, points: &Vectors, set: &Vectors) -> f64 {
        assert_eq!(points.dims(), set.dims(), "features of one kind");
        share_covered(points, set, &self.0)
    }
}

/// The squared distance of every vector to its k-th neighbour, itself left out.
fn radii(set: &Vectors) -> Vec<f64> {
    assert!(
        set.len() > NEIGHBORS,
        "expected more than {NEIGHBORS} vectors, got {}",
        set.len()
    );
    set.map(|index, row| {
        let others = set.rows().enumerate().filter(|(other, _)| *other != index);
        let mut nearest = [f64::INFINITY; NEIGHBORS];
        for (_, other) in others {
            let mut distance = squared_distance(row, other);
            for place in &mut nearest {
                if distance < *place {
                    core::mem::swap(place, &mut distance);
                }
            }
        }
        nearest[NEIGHBORS - 1]
    })
}

/// Share of `points` that lie in a ball around a centre, its border included.
fn share_covered(points: &Vectors, centres: &Vectors, radii: &[f64]) -> f64 {
    let covered = points.map(|_, point| {
        let mut balls = centres.rows().zip(radii);
        balls.any(|(centre, &radius)| squared_distance(point, centre) <= radius)
    });
    covered.iter().filter(|&&is_covered| is_covered).count() as f64 / points.len() as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::vectors::testing::normal;
    use super::*;

    fn naive_share(points: &Vectors, centres: &Vectors) -> f64 {
        let distance = |a: &[f64], b: &[f64]| {
            let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
            squares.sum::<f64>().sqrt()
        };
        let radius = |i: usize| {
            let others = (0..centres.len()).filter(|&j| j != i);
            let mut distances: Vec<f64> = others
                .map(|j| distance(centres.row(i), centres.row(j)))
                .collect();
            distances.sort_by(f64::total_cmp);
            distances[2]
        };
        let is_inside = |point: &&[f64]| {
            (0..centres.len()).any(|i| distance(point, centres.row(i)) <= radius(i) + 1e-12)
        };
        points.rows().filter(is_inside).count() as f64 / points.len() as f64
    }

    proptest! {
        #[test]
        fn shares_are_those_of_the_definition(seed in 0_u64..1000, mean in 0.0..2.0) {
            let (data, samples) = (normal(19, 2, 0.0, 1.0, seed), normal(23, 2, mean, 0.5, seed + 1));
            let found = precision_recall(&data, &samples);
            prop_assert_eq!(found.precision, naive_share(&samples, &data));
            prop_assert_eq!(found.recall, naive_share(&data, &samples));
        }
    }

    #[test]
    fn one_narrow_mode_is_precise_and_recalls_little_and_noise_is_neither() {
        let data = normal(500, 2, 0.0, 1.0, 1);
        let narrow = precision_recall(&data, &normal(500, 2, 0.0, 0.1, 2));
        assert!(narrow.precision > 0.95 && narrow.recall < 0.2, "{narrow:?}");
        let far = precision_recall(&data, &normal(500, 2, 50.0, 1.0, 3));
        assert_eq!((far.precision, far.recall), (0.0, 0.0));
        let same = precision_recall(&data, &data);
        assert_eq!((same.precision, same.recall), (1.0, 1.0));
    }
}
