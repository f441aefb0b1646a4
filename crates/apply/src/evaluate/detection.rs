//! Tell how well a score separates images of other kinds from the data.

use serde::Serialize;

/// How well a score, high for images of other kinds, separates them from the data. Each is 1 (or 0 for
/// `fpr95`) where every score of the others is above every score of the data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Detection {
    /// Area under the receiver operating characteristic: the probability that one of the others scores
    /// above one of the data, ties counting half.
    pub auroc: f64,
    /// Area under the curve of precision over recall, the others being what is looked for: average
    /// precision, ties taken together.
    pub auprc: f64,
    /// Share of the data that is taken for others at the threshold which finds 95 % of the others.
    pub fpr95: f64,
}

/// Compare scores of data with those of others.
///
/// # Panics
/// If either is empty, or a score is NaN.
pub fn detection(data: &[f64], others: &[f64]) -> Detection {
    assert!(
        !data.is_empty() && !others.is_empty(),
        "scores of both kinds"
    );
    let data = data.iter().map(|&score| (score, false));
    let mut scores: Vec<_> = data
        .chain(others.iter().map(|&score| (score, true)))
        .collect();
    assert!(
        scores.iter().all(|(score, _)| !score.is_nan()),
        "scores are numbers"
    );
    scores.sort_by(|one, other| other.0.total_cmp(&one.0));
    let positives = others.len() as f64;
    let negatives = scores.len() as f64 - positives;
    // From the highest score down: others found, and data taken for others.
    let (mut found, mut mistaken) = (0.0, 0.0);
    let (mut area, mut average) = (0.0, 0.0);
    let mut fpr95 = None;
    for ties in scores.chunk_by(|one, other| one.0 == other.0) {
        let hits = ties.iter().filter(|(_, is_other)| *is_other).count() as f64;
        let misses = ties.len() as f64 - hits;
        area += misses * (found + hits / 2.0);
        found += hits;
        mistaken += misses;
        average += hits * found / (found + mistaken);
        if fpr95.is_none() && found >= 0.95 * positives {
            fpr95 = Some(mistaken / negatives);
        }
    }
    Detection {
        auroc: area / (positives * negatives),
        auprc: average / positives,
        fpr95: fpr95.unwrap_or(1.0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_area_is_the_share_of_pairs_in_order_ties_counting_half(
            data in prop::collection::vec(0_u8..6, 1..30),
            others in prop::collection::vec(0_u8..6, 1..30),
        ) {
            let numbers = |scores: &[u8]| scores.iter().map(|&s| f64::from(s)).collect::<Vec<_>>();
            let pairs = others.iter().flat_map(|other| data.iter().map(move |one| {
                if other > one { 1.0 } else if other == one { 0.5 } else { 0.0 }
            }));
            let expected = pairs.sum::<f64>() / (data.len() * others.len()) as f64;
            let auroc = detection(&numbers(&data), &numbers(&others)).auroc;
            prop_assert!((auroc - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn a_small_case_by_hand() {
        // From above: other 4, data 3, other 2, data 1, data 0.
        let found = detection(&[3.0, 1.0, 0.0], &[4.0, 2.0]);
        assert!((found.auroc - 5.0 / 6.0).abs() < 1e-12);
        assert!((found.auprc - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        assert!((found.fpr95 - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn equal_scores_tell_nothing() {
        let found = detection(&[1.0; 30], &[1.0; 10]);
        assert_eq!((found.auroc, found.auprc, found.fpr95), (0.5, 0.25, 1.0));
    }
}
