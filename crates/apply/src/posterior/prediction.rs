//! Add up what several networks say of an image, and take the mean.

/// What networks say of an image together.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The mean of p(y | x) over the networks, of every class; their sum is 1.
    pub probabilities: Vec<f64>,
    /// Its logarithm, in nats: finite, as energies are, where the mean itself is too small for a number.
    pub log_probabilities: Vec<f64>,
    /// The mean of the entropies of p(y | x) of each network, in nats.
    pub mean_entropy: f64,
}

impl Prediction {
    /// Add what another network says.
    fn add(&mut self, other: Self) {
        self.mean_entropy += other.mean_entropy;
        let each = self.probabilities.iter_mut().zip(other.probabilities);
        each.for_each(|(sum, other)| *sum += other);
        let each = self
            .log_probabilities
            .iter_mut()
            .zip(other.log_probabilities);
        each.for_each(|(sum, other)| *sum = log_sum_exp(&[*sum, other]));
    }

    /// Make a mean of the sum of so many networks.
    pub(super) fn divide(&mut self, networks: f64) {
        let (share, log_share) = (1.0 / networks, networks.ln());
        self.mean_entropy *= share;
        self.probabilities.iter_mut().for_each(|it| *it *= share);
        let logs = self.log_probabilities.iter_mut();
        logs.for_each(|it| *it -= log_share);
    }
}

/// Add what a network says to what others have said.
pub(super) fn add(sums: &mut Vec<Prediction>, predictions: Vec<Prediction>) {
    if sums.is_empty() {
        *sums = predictions;
        return;
    }
    let each = sums.iter_mut().zip(predictions);
    each.for_each(|(sum, other)| sum.add(other));
}

/// log p(y | x) = −E(x, y) − log Σ exp(−E(x, ·)) of finite energies of one image.
pub(super) fn log_probabilities(energies: &[f64]) -> Vec<f64> {
    let logits: Vec<f64> = energies.iter().map(|energy| -energy).collect();
    let total = log_sum_exp(&logits);
    logits.iter().map(|logit| logit - total).collect()
}

/// log Σ exp of finite values.
fn log_sum_exp(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = values.iter().map(|value| (value - largest).exp()).sum();
    largest + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_all_networks_rule_out_is_as_unlikely_as_their_energies_say() {
        let said = |energies: [f64; 2]| Prediction {
            probabilities: vec![1.0, 0.0],
            log_probabilities: log_probabilities(&energies),
            mean_entropy: 0.0,
        };
        assert_eq!(said([-1e4, -8e3]).log_probabilities, [0.0, -2000.0]);
        let mut sums = Vec::new();
        add(&mut sums, vec![said([0.0, 2000.0])]);
        add(&mut sums, vec![said([0.0, 2001.0])]);
        sums[0].divide(2.0);
        let expected = -2000.0 + (0.5 * (1.0 + (-1f64).exp())).ln();
        let [of_first, of_second] = sums[0].log_probabilities[..] else {
            panic!("two classes");
        };
        assert!(of_first.abs() < 1e-12, "{of_first}");
        assert!((of_second - expected).abs() < 1e-9, "{of_second}");
    }
}
