//! Mean and spread of numbers.

/// Mean; NaN of none.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Unbiased variance; NaN of fewer than two.
pub(super) fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares = values.iter().map(|value| (value - mean).powi(2));
    squares.sum::<f64>() / (values.len() as f64 - 1.0)
}

/// Standard deviation; NaN of fewer than two.
pub(super) fn deviation(values: &[f64]) -> f64 {
    variance(values).sqrt()
}

/// Standard error of the mean of independent values; NaN of fewer than two.
pub(crate) fn error_of_mean(values: &[f64]) -> f64 {
    (variance(values) / values.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_by_hand() {
        let values = [1.0, 2.0, 6.0];
        assert_eq!((mean(&values), variance(&values)), (3.0, 7.0));
        assert_eq!(deviation(&values), 7f64.sqrt());
        assert_eq!(error_of_mean(&values), (7.0 / 3.0_f64).sqrt());
        assert!(mean(&[]).is_nan() && variance(&[1.0]).is_nan());
    }
}
