//! Hold a classifier's confidence against how often it is right.

/// Bins of confidence, as in Guo et al. (2017).
pub const BINS: usize = 15;

/// Guo et al., *On calibration of modern neural networks* (2017), eq. 3: the expected difference between
/// confidence, in [0, 1], and accuracy, over bins of equal width; in [0, 1].
///
/// # Panics
/// If there is no prediction.
pub fn expected_calibration_error(predictions: &[(f64, bool)]) -> f64 {
    assert!(!predictions.is_empty(), "predictions");
    let mut bins = [(0.0, 0.0); BINS];
    for &(confidence, is_right) in predictions {
        // (0, 1/15], (1/15, 2/15], …
        let bin = (confidence * BINS as f64).ceil() as usize;
        let (confidences, right) = &mut bins[bin.clamp(1, BINS) - 1];
        *confidences += confidence;
        *right += f64::from(u8::from(is_right));
    }
    let gaps = bins
        .iter()
        .map(|(confidences, right)| f64::abs(confidences - right));
    gaps.sum::<f64>() / predictions.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bins_by_hand() {
        // Bin (0.6, 0.667]: confidence 0.65, half right; bin (0.933, 1]: confidence 1, all right.
        let predictions = [(0.65, true), (0.65, false), (1.0, true), (1.0, true)];
        let expected = 0.5 * (0.65 - 0.5);
        assert!((expected_calibration_error(&predictions) - expected).abs() < 1e-12);
    }

    #[test]
    fn borders_belong_to_the_bin_below() {
        // 0.2 = 3/15 and 0.19 share a bin: their errors of opposite sign cancel.
        let error = expected_calibration_error(&[(0.2, false), (0.19, true)]);
        assert!((error - (1.0 - 0.39) / 2.0).abs() < 1e-12);
    }
}
