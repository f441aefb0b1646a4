//! Say how energies are combined, and which weights that allows.

use thiserror::Error;

/// How energies are combined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Combine {
    /// Σ wᵢEᵢ ([`Sum`](ebm_model::Sum)).
    And,
    /// −(1/T)·log Σ wᵢ·exp(−T·Eᵢ) ([`Mixture`](ebm_model::Mixture)).
    Or {
        /// T: energies that differ by less than about 1/T are averaged.
        sharpness: f64,
    },
}

/// Weights that energies cannot be combined with.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum WeightsError {
    /// There is nothing to combine.
    #[error("there is no energy to draw images from")]
    None,
    /// A weight is no number, or infinite.
    #[error("a weight must be finite, got {weight}")]
    NotFinite {
        /// The first such weight.
        weight: f64,
    },
    /// A mixture has a weight that is not above 0.
    #[error("a mixture takes weights above 0, got {weight}")]
    NotPositive {
        /// The first such weight.
        weight: f64,
    },
    /// No weight of a sum is above 0.
    #[error("an energy of negative terms alone has no bottom: one weight must be above 0")]
    NoBottom,
}

impl Combine {
    /// Check that energies can be combined with these weights.
    ///
    /// # Errors
    /// Where there are none, one is not finite, a mixture has one that is not above 0, or a sum has none above 0.
    pub fn check(self, weights: &[f64]) -> Result<(), WeightsError> {
        let first = |refuses: fn(f64) -> bool| weights.iter().copied().find(|&it| refuses(it));
        if weights.is_empty() {
            return Err(WeightsError::None);
        }
        if let Some(weight) = first(|weight| !weight.is_finite()) {
            return Err(WeightsError::NotFinite { weight });
        }
        match (self, first(|weight| weight <= 0.0)) {
            (Self::Or { .. }, Some(weight)) => Err(WeightsError::NotPositive { weight }),
            (Self::And, _) if weights.iter().all(|&weight| weight <= 0.0) => {
                Err(WeightsError::NoBottom)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_a_sum_may_be_negative_where_one_is_above_0() {
        let check = |weights: &[f64]| Combine::And.check(weights);
        assert_eq!(check(&[1.0, -0.5, 0.0]), Ok(()));
        assert_eq!(check(&[-1.0, 0.0]), Err(WeightsError::NoBottom));
        assert_eq!(check(&[]), Err(WeightsError::None));
    }

    #[test]
    fn weights_of_a_mixture_are_above_0() {
        let check = |weights: &[f64]| Combine::Or { sharpness: 1.0 }.check(weights);
        assert_eq!(check(&[1.0, 0.5]), Ok(()));
        for weight in [-0.5, 0.0] {
            let refused = Err(WeightsError::NotPositive { weight });
            assert_eq!(check(&[1.0, weight]), refused);
        }
        assert_eq!(check(&[]), Err(WeightsError::None));
    }

    #[test]
    fn weights_are_finite() {
        let weight = f64::INFINITY;
        let refused = Err(WeightsError::NotFinite { weight });
        for combine in [Combine::And, Combine::Or { sharpness: 1.0 }] {
            assert_eq!(combine.check(&[1.0, weight]), refused);
        }
    }
}
