//! Remember where a run's samples were nearest to its data.

use serde::{Deserialize, Serialize};

/// The measure that every run has: 0 for samples as far from the data as other data, 1 as far as noise.
const SAMPLE_DISTANCE: &str = "sample_distance";

/// The checkpoint whose samples were nearest to the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its iteration.
    pub iteration: u64,
    /// What `distance` measures: distances of different measures are never compared.
    #[serde(default = "sample_distance")]
    pub measure: String,
    /// How far its samples were from the data.
    // Checkpoints of before there were other measures have it under the name of theirs.
    #[serde(alias = "sample_distance")]
    pub distance: f64,
}

fn sample_distance() -> String {
    SAMPLE_DISTANCE.to_owned()
}

impl Best {
    /// Samples at this `sample_distance`.
    pub(crate) fn by_sample_distance(iteration: u64, distance: f64) -> Self {
        Self {
            iteration,
            measure: sample_distance(),
            distance,
        }
    }

    /// Whether it is nearer than what was best before, or the first of its measure. A distance that is no
    /// number is never.
    pub(crate) fn is_better_than(&self, before: Option<&Self>) -> bool {
        let before = before.filter(|best| best.measure == self.measure);
        self.distance < before.map_or(f64::INFINITY, |best| best.distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_another_measure_are_not_compared() {
        let frechet = |distance| Best {
            iteration: 9,
            measure: "frechet".to_owned(),
            distance,
        };
        let before = Best::by_sample_distance(3, 0.25);
        assert!(frechet(20.0).is_better_than(Some(&before)));
        assert!(!frechet(20.0).is_better_than(Some(&frechet(20.0))));
        assert!(frechet(19.0).is_better_than(Some(&frechet(20.0))));
        assert!(!frechet(f64::NAN).is_better_than(Some(&before)));
        assert!(!Best::by_sample_distance(9, f64::NAN).is_better_than(None));
    }

    #[test]
    fn checkpoints_of_one_measure_alone_are_read_as_such() {
        let before = r#"{"iteration": 7, "sample_distance": 0.25}"#;
        let best: Best = serde_json::from_str(before).expect("JSON");
        assert_eq!(best, Best::by_sample_distance(7, 0.25));
        let again = serde_json::to_string(&best).expect("JSON");
        assert_eq!(
            again,
            r#"{"iteration":7,"measure":"sample_distance","distance":0.25}"#
        );
        assert_eq!(serde_json::from_str::<Best>(&again).expect("JSON"), best);
    }
}
