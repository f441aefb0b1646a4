//! Average the weights over iterations: the model that samples are drawn from.

use burn::tensor::Tensor;

use crate::parameters::each_element;

/// θ̄ ← d·θ̄ + (1 − d)·θ, with d = min(decay, (1 + t)/(10 + t)) so that early weights are
/// forgotten (as in TensorFlow's `ExponentialMovingAverage`).
///
/// # Shapes
/// - `average`, `parameters`: `[parameters]`
pub fn update(average: Tensor<1>, parameters: Tensor<1>, decay: f64, step: u64) -> Tensor<1> {
    let decay = decay_at(decay, step);
    let [average] = each_element([average, parameters], |[average, parameters]| {
        [average * decay + parameters * (1.0 - decay)]
    });
    average
}

fn decay_at(decay: f64, step: u64) -> f64 {
    let step = step as f64;
    decay.min((1.0 + step) / (10.0 + step))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn the_decay_grows_to_its_value() {
        assert_eq!(decay_at(0.99, 0), 0.1);
        assert_eq!(decay_at(0.99, 10_000), 0.99);
        assert_eq!(decay_at(0.0, 5), 0.0);
    }

    #[test]
    fn an_average_of_equal_weights_is_those_weights() {
        let weights = Tensor::<1>::from_floats([0.5, -2.0], &Device::flex());
        let average = update(weights.clone(), weights.clone(), 0.99, 500);
        assert!((average - weights).abs().max().into_scalar::<f32>() < 1e-6);
    }
}
