//! Measure predictions: how often they are right, how likely they find the truth, and how sure they are.

use serde::Serialize;

use super::prediction::Prediction;
use crate::evaluate::{error_of_mean, expected_calibration_error, mean};

/// How good predictions are, and how sure. What needs the classes of the images is absent where nobody knows them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredictionMeasures {
    /// Images.
    pub images: usize,
    /// Share of the images whose class is not the likeliest, in [0, 1].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
    /// Mean of log p(y | x) of the right class, in nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_likelihood: Option<f64>,
    /// Expected difference between confidence and accuracy, 15 bins, in [0, 1].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration_error: Option<f64>,
    /// Mean of the entropy of p(y | x), in nats.
    pub entropy: f64,
    /// Standard error of that mean over the images; absent for a single one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entropy_error: Option<f64>,
    /// The part of it that comes from networks that disagree: what is left without the mean entropy of each, the mutual
    /// information of class and weights, in nats (Houlsby et al. 2011, eq. 2).
    pub mutual_information: f64,
}

/// Measure what networks say of images, whose classes are `labels` where they are known.
///
/// # Panics
/// If there are no predictions, or another number of labels.
pub fn measure(predictions: &[Prediction], labels: Option<&[u32]>) -> PredictionMeasures {
    assert!(!predictions.is_empty(), "predictions");
    let entropies = predictions.iter().map(|it| entropy_of(&it.probabilities));
    let entropies: Vec<f64> = entropies.collect();
    let of_each: Vec<f64> = predictions.iter().map(|it| it.mean_entropy).collect();
    let entropy = mean(&entropies);
    let known = labels.map(|labels| of_labels(predictions, labels));
    PredictionMeasures {
        images: predictions.len(),
        error: known.map(|known| known[0]),
        log_likelihood: known.map(|known| known[1]),
        calibration_error: known.map(|known| known[2]),
        entropy,
        entropy_error: (entropies.len() > 1).then(|| error_of_mean(&entropies)),
        mutual_information: entropy - mean(&of_each),
    }
}

/// Error, mean log-likelihood and calibration error.
fn of_labels(predictions: &[Prediction], labels: &[u32]) -> [f64; 3] {
    let (images, classes) = (predictions.len(), labels.len());
    assert_eq!(images, classes, "{images} predictions need as many labels");
    let mut log_likelihood = 0.0;
    let mut of_confidence = Vec::with_capacity(images);
    for (prediction, &label) in predictions.iter().zip(labels) {
        let probabilities = &prediction.probabilities;
        let (class, confidence) = likeliest(probabilities);
        of_confidence.push((confidence, class == label as usize));
        log_likelihood += prediction.log_probabilities[label as usize];
    }
    let wrong = of_confidence.iter().filter(|(_, is_right)| !is_right);
    let images = images as f64;
    [
        wrong.count() as f64 / images,
        log_likelihood / images,
        expected_calibration_error(&of_confidence),
    ]
}

/// The likeliest class, the first of several, and its probability.
fn likeliest(probabilities: &[f64]) -> (usize, f64) {
    let mut best = (0, f64::NEG_INFINITY);
    for (class, &probability) in probabilities.iter().enumerate() {
        if probability > best.1 {
            best = (class, probability);
        }
    }
    best
}

/// −Σ p·log p, in nats.
pub(super) fn entropy_of(probabilities: &[f64]) -> f64 {
    let positive = probabilities.iter().filter(|&&p| p > 0.0);
    0.0 - positive.map(|p| p * p.ln()).sum::<f64>() // never −0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(probabilities: &[f64], mean_entropy: f64) -> Prediction {
        Prediction {
            probabilities: probabilities.to_vec(),
            log_probabilities: probabilities.iter().map(|p| p.ln()).collect(),
            mean_entropy,
        }
    }

    #[test]
    fn two_predictions_by_hand() {
        let predictions = [prediction(&[0.75, 0.25], 0.1), prediction(&[0.5, 0.5], 0.3)];
        let found = measure(&predictions, Some(&[0, 1]));
        // Of a tie, the first class, which is wrong.
        assert_eq!((found.images, found.error), (2, Some(0.5)));
        let likelihood = (0.75f64.ln() + 0.5f64.ln()) / 2.0;
        assert!((found.log_likelihood.expect("labels") - likelihood).abs() < 1e-12);
        // A bin each: 0.75 right, 0.5 wrong.
        let calibration = (0.25 + 0.5) / 2.0;
        assert!((found.calibration_error.expect("labels") - calibration).abs() < 1e-12);
        let entropy = -(0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln() + 0.5f64.ln()) / 2.0;
        assert!((found.entropy - entropy).abs() < 1e-12);
        // Of two values, half of their difference.
        let of_first = -(0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln());
        let error = 0.5 * (2f64.ln() - of_first);
        assert!((found.entropy_error.expect("two images") - error).abs() < 1e-12);
        assert!((found.mutual_information - (entropy - 0.2)).abs() < 1e-12);
    }

    #[test]
    fn images_of_unknown_classes_have_an_entropy_alone() {
        let found = measure(&[prediction(&[1.0, 0.0], 0.0)], None);
        assert_eq!((found.error, found.log_likelihood), (None, None));
        assert_eq!((found.entropy, found.mutual_information), (0.0, 0.0));
        let json = serde_json::to_string(&found).expect("JSON");
        assert_eq!(
            json,
            r#"{"images":1,"entropy":0.0,"mutual_information":0.0}"#
        );
    }

    #[test]
    fn a_true_class_too_unlikely_for_a_number_has_a_likelihood_in_json() {
        let ruled_out = Prediction {
            log_probabilities: vec![0.0, -2000.0],
            ..prediction(&[1.0, 0.0], 0.0)
        };
        let found = measure(&[ruled_out], Some(&[1]));
        let json = serde_json::to_value(&found).expect("JSON");
        assert_eq!(json["log_likelihood"], -2000.0);
    }
}
