//! Put images in the order of how unusual they are.

use super::Threshold;
use crate::evaluate::{NotFinite, Scores};
use crate::trained::{Trained, Weights};

/// An image among others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// Its place among the images that were scored, from 0.
    pub index: usize,
    /// How unusual it is.
    pub score: f64,
}

/// Images in the order of their scores, the most unusual first.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    ordered: Vec<Ranked>,
}

impl Ranking {
    /// The order of images with these scores, such as [`Scores::values`] are; equal ones stay in their order.
    pub fn new(scores: impl IntoIterator<Item = f64>) -> Self {
        let scores = scores.into_iter().enumerate();
        let ranked = scores.map(|(index, score)| Ranked { index, score });
        let mut ordered: Vec<Ranked> = ranked.collect();
        ordered.sort_by(|one, other| other.score.total_cmp(&one.score));
        Self { ordered }
    }

    /// All images, the most unusual first.
    pub fn all(&self) -> &[Ranked] {
        &self.ordered
    }

    /// The most unusual images: `num`, or all where there are no more.
    pub fn first(&self, num: usize) -> &[Ranked] {
        &self.ordered[..num.min(self.ordered.len())]
    }

    /// Those that are unusual: the first so many.
    pub fn above(&self, threshold: Threshold) -> &[Ranked] {
        let num = self
            .ordered
            .partition_point(|one| threshold.is_unusual(one.score));
        &self.ordered[..num]
    }
}

impl Trained {
    /// Rank images by their energies E(x) under the average weights; of other weights, classes and scores,
    /// [`Scores`] makes a [`Ranking`].
    ///
    /// # Shapes
    /// - `pixels`: bytes `[num, channels, height, width]` of the model's shape, row-major
    ///
    /// # Errors
    /// Where an energy or its gradient is not finite.
    ///
    /// # Panics
    /// If `pixels` are no whole number of images.
    pub fn rank(&self, pixels: &[u8]) -> Result<Ranking, NotFinite> {
        let energy = self.energy(Weights::Average);
        let scores = Scores::of(&energy, pixels, self.shape(), self.device(), "the images")?;
        Ok(Ranking::new(scores.energies))
    }
}

#[cfg(test)]
mod tests {
    use ebm_core::ImageShape;

    use super::*;
    use crate::score;
    use crate::testing::untrained;

    #[test]
    fn the_highest_score_is_first_and_equal_ones_stay_in_their_order() {
        let ranking = Ranking::new([1.0, 3.0, -2.0, 3.0]);
        let places = |ranked: &[Ranked]| -> Vec<usize> {
            ranked.iter().map(|ranked| ranked.index).collect()
        };
        assert_eq!(places(ranking.all()), [1, 3, 0, 2]);
        assert_eq!(places(ranking.first(3)), [1, 3, 0]);
        assert_eq!(ranking.first(9), ranking.all());
        assert_eq!(places(ranking.above(Threshold::given(0.5))), [1, 3, 0]);
        // A score at the threshold is not above it.
        assert!(ranking.above(Threshold::given(3.0)).is_empty());
    }

    #[test]
    fn a_trained_model_ranks_images_by_their_energies() {
        let shape = ImageShape::new(1, 16, 16);
        let trained = untrained(&["data.image_size=16"], shape);
        let pixels: Vec<u8> = (0..5 * 256).map(|i| (i * i % 251) as u8).collect();
        let images = score::images(&pixels, shape, trained.device());
        let energies = score::energies(&trained.energy(Weights::Average), images);
        let ranking = trained.rank(&pixels).unwrap();
        assert_eq!(ranking.all().len(), 5);
        for ranked in ranking.all() {
            let energy = f64::from(energies[ranked.index]);
            assert!((ranked.score - energy).abs() < 1e-5, "{ranked:?}, {energy}");
        }
        assert!(
            ranking
                .all()
                .is_sorted_by(|one, next| one.score >= next.score)
        );
    }
}
