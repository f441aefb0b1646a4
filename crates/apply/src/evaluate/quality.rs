//! Say how close samples are to data, beside what closeness can be had and what is far.

use ebm_core::ImageShape;
use ebm_data::Images;
use serde::Serialize;

use super::features::{Described, FeatureError, FeatureNetwork};
use super::frechet::{FrechetError, Gaussian};
use super::kernel::{FEWEST, discrepancy_given, similarity_within};
use super::precision_recall::Balls;

/// A combination of features whose variance is below this share of the greatest is as good as constant.
const SINGULAR: f64 = 1e-10;

/// How close one set of images is to another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Closeness {
    /// Fréchet distance of their features; lower is closer.
    pub frechet: f64,
    /// Squared maximum mean discrepancy of their features under a cubic kernel, unbiased: about 0 for sets of
    /// one law.
    pub mmd2: f64,
    /// Its standard error.
    pub mmd2_error: f64,
    /// Share of the first set that lies among the second, in [0, 1].
    pub precision: f64,
    /// Share of the second set that lies among the first, in [0, 1].
    pub recall: f64,
    /// Images of the first set.
    pub images: usize,
    /// Images of the second set.
    pub of: usize,
}

/// A set of images as features see it.
#[derive(Clone, Debug)]
pub struct Judged {
    described: Described,
    gaussian: Gaussian,
    balls: Balls,
    similarity: f64,
}

impl Judged {
    /// Describe a set of images.
    ///
    /// # Errors
    /// Where the features are of images of another shape, or there are too few images.
    pub fn new(
        features: &FeatureNetwork,
        pixels: &[u8],
        shape: ImageShape,
    ) -> Result<Self, QualityError> {
        let described = features.describe(pixels, shape)?;
        let vectors = &described.vectors;
        if vectors.len() < FEWEST {
            let images = vectors.len();
            return Err(QualityError::TooFew { images });
        }
        Ok(Self {
            gaussian: Gaussian::of(vectors)?,
            balls: Balls::of(vectors),
            similarity: similarity_within(vectors),
            described,
        })
    }

    /// Images of the set.
    pub fn len(&self) -> usize {
        self.described.classes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How close this set is to `data`.
    pub fn closeness(&self, data: &Self) -> Closeness {
        let (own, other) = (&self.described.vectors, &data.described.vectors);
        let kernel = discrepancy_given(own, other, self.similarity + data.similarity);
        Closeness {
            frechet: self.gaussian.distance(&data.gaussian),
            mmd2: kernel.mmd2,
            mmd2_error: kernel.error,
            precision: data.balls.share_with(own, other),
            recall: self.balls.share_with(other, own),
            images: self.len(),
            of: data.len(),
        }
    }

    /// Whether some combination of features is constant over the set, so that its Gaussian has no density.
    pub fn is_singular(&self) -> bool {
        let (least, greatest) = self.gaussian.variances();
        least <= SINGULAR * greatest
    }

    /// Share of the set in each of `classes` classes, as the features' classifier sees it.
    pub fn class_shares(&self, classes: usize) -> Vec<f64> {
        let mut counts = vec![0_usize; classes];
        for &class in &self.described.classes {
            counts[class as usize] += 1;
        }
        let total = self.len() as f64;
        counts.iter().map(|&count| count as f64 / total).collect()
    }

    /// What features see of each image.
    pub fn described(&self) -> &Described {
        &self.described
    }
}

/// Sets of images that cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum QualityError {
    /// By these features.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// There are too few for any of it.
    #[error("{images} images are too few to compare; take at least {FEWEST}")]
    TooFew {
        /// Images.
        images: usize,
    },
    /// By their means and covariances.
    #[error(transparent)]
    Frechet(#[from] FrechetError),
}

/// Entropy of shares, in nats: log of their number where they are equal.
pub fn entropy(shares: &[f64]) -> f64 {
    let positive = shares.iter().filter(|&&share| share > 0.0);
    0.0 - positive.map(|share| share * share.ln()).sum::<f64>()
}

/// The pixels of `num` images, spread over the set, or of all of them.
pub fn some_of(images: &Images, num: usize) -> Vec<u8> {
    images.some(num).pixels.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shares_have_the_entropy_of_their_number_and_one_class_has_none() {
        assert!((entropy(&[0.25; 4]) - 4f64.ln()).abs() < 1e-12);
        assert_eq!(entropy(&[1.0, 0.0]), 0.0);
    }
}
