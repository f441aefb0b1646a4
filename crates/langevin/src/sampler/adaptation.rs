//! Move a step size towards the acceptance rate that it should have.

/// How much of the distance between rates becomes a change of the step size's logarithm.
const GAIN: f64 = 0.2;

/// The scale of the next run's step sizes, after a run at `scale` that accepted the share
/// `acceptance` of its proposals: longer steps where more than `target` were accepted, shorter ones
/// where fewer were (Andrieu & Thoms, *A tutorial on adaptive MCMC*, 2008, §4.2.2, with a constant
/// gain, as the energy changes while it is trained).
///
/// A NaN rate gives a NaN scale.
pub fn adapted_scale(scale: f64, acceptance: f64, target: f64) -> f64 {
    adapted_by(GAIN, scale, acceptance, target)
}

/// [`adapted_scale`] with another gain, above 0.
pub(crate) fn adapted_by(gain: f64, scale: f64, acceptance: f64, target: f64) -> f64 {
    scale * (gain * (acceptance - target)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_grow_where_too_many_are_accepted_and_shrink_where_too_few() {
        assert!(adapted_scale(1.0, 0.9, 0.6) > 1.0);
        assert!(adapted_scale(1.0, 0.1, 0.6) < 1.0);
        assert_eq!(adapted_scale(0.3, 0.6, 0.6), 0.3);
        assert!(adapted_scale(1.0, f64::NAN, 0.6).is_nan());
    }

    #[test]
    fn settles_where_the_rate_is_the_target() {
        // A rate that falls with the scale as exp(−scale): the target 0.6 is at −ln 0.6.
        let settled = (0..500).fold(4.0, |scale: f64, _| {
            adapted_scale(scale, (-scale).exp(), 0.6)
        });
        assert!((settled + 0.6f64.ln()).abs() < 1e-6, "{settled}");
    }
}
