//! Smooth a curve as TensorBoard does, so that both show the same.

/// The exponential moving average of values, each weighed `weight` times as much as the next: sₙ = w·sₙ₋₁ + (1 − w)·xₙ
/// from s₀ = 0, divided by 1 − wⁿ so that it does not begin near 0. A value that is not finite stays as it is
/// and counts for nothing.
pub(super) fn smoothed(values: impl Iterator<Item = f64>, weight: f64) -> Vec<f64> {
    let (mut average, mut missing) = (0.0, 1.0);
    let smoothed = values.map(|value| {
        if !value.is_finite() {
            return value;
        }
        average = weight * average + (1.0 - weight) * value;
        missing *= weight;
        average / (1.0 - missing)
    });
    smoothed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64], weight: f64) -> Vec<f64> {
        smoothed(values.iter().copied(), weight)
    }

    #[test]
    fn an_average_is_what_it_is_by_hand() {
        // s = 2, then 0.5·2 + 2 = 3, then 1.5 + 0 = 1.5; divided by 1/2, 3/4, 7/8.
        let expected = [4.0, 4.0, 1.5 / 0.875];
        assert_eq!(of(&[4.0, 4.0, 0.0], 0.5), expected);
    }

    #[test]
    fn it_begins_at_the_first_value_whatever_the_weight() {
        for weight in [0.0, 0.5, 0.99, 0.9999] {
            for value in of(&[-3.0; 5], weight) {
                assert!((value + 3.0).abs() < 1e-9, "{value}");
            }
        }
    }

    #[test]
    fn without_weight_nothing_changes() {
        let values = [1.0, -2.0, 3.5];
        assert_eq!(of(&values, 0.0), values);
    }

    #[test]
    fn a_value_that_is_not_finite_stays_and_leaves_the_others_alone() {
        let with = of(&[4.0, f64::NAN, 8.0, f64::INFINITY], 0.5);
        let without = of(&[4.0, 8.0], 0.5);
        assert_eq!([with[0], with[2]], [without[0], without[1]]);
        assert!(with[1].is_nan() && with[3].is_infinite());
    }
}
