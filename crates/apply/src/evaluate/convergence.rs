//! Say from chains of numbers whether they have met, and how many independent numbers they are worth.

use super::moments::{mean, variance};

/// What chains of one length tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Convergence {
    /// Mean over chains and time.
    pub(super) mean: f64,
    /// Standard deviation of the law that they sample, too large while they have not met.
    pub(super) std: f64,
    /// Potential scale reduction R̂ of split chains (Gelman et al., *Bayesian Data Analysis*, 2013, §11.4): about
    /// 1 where chains have met; infinite where each stays where it is.
    pub(super) scale_reduction: f64,
    /// Integrated autocorrelation time 1 + 2Σρ, at least 1 (§11.5 there).
    pub(super) autocorrelation: f64,
    /// Independent numbers that all of them are worth.
    pub(super) effective: f64,
}

impl Convergence {
    /// Of at least one chain of at least four numbers.
    pub(super) fn of(chains: &[&[f64]]) -> Self {
        let Moments { within, overall } = Moments::of(chains);
        let halves: Vec<&[f64]> = chains
            .iter()
            .flat_map(|chain| {
                let (one, other) = chain.split_at(chain.len() / 2);
                [one, &other[..one.len()]]
            })
            .collect();
        let split = Moments::of(&halves);
        let (autocorrelation, _) = autocorrelation_time(chains, within, overall);
        let means: Vec<f64> = chains.iter().map(|chain| mean(chain)).collect();
        Self {
            mean: mean(&means),
            std: overall.sqrt(),
            scale_reduction: (split.overall / split.within).sqrt(),
            autocorrelation,
            effective: (chains.len() * chains[0].len()) as f64 / autocorrelation,
        }
    }

    /// Standard error of the mean.
    pub(super) fn error(&self) -> f64 {
        self.std / self.effective.sqrt()
    }
}

/// Mean variance of chains of one length, and an estimate of the variance of the law that they sample, too
/// large while they have not met.
struct Moments {
    within: f64,
    overall: f64,
}

impl Moments {
    fn of(chains: &[&[f64]]) -> Self {
        let len = chains[0].len() as f64;
        let means: Vec<f64> = chains.iter().map(|chain| mean(chain)).collect();
        let variances: Vec<f64> = chains.iter().map(|chain| variance(chain)).collect();
        let within = mean(&variances);
        let between = if chains.len() > 1 {
            variance(&means)
        } else {
            0.0
        };
        Self {
            within,
            overall: within * (len - 1.0) / len + between,
        }
    }
}

/// The autocorrelation time, and the lags that it was summed over: those of Geyer's initial monotone sequence
/// (1992, §3.3), after which chance alone is left. Chains that do not move are worth one number each.
fn autocorrelation_time(chains: &[&[f64]], within: f64, overall: f64) -> (f64, usize) {
    let len = chains[0].len();
    if overall == 0.0 {
        return (len as f64, len);
    }
    let centered: Vec<Vec<f64>> = chains
        .iter()
        .map(|chain| {
            let mean = mean(chain);
            chain.iter().map(|value| value - mean).collect()
        })
        .collect();
    let correlation = |lag: usize| {
        let covariances = centered.iter().map(|chain| {
            let pairs = chain.iter().zip(&chain[lag..]);
            pairs.map(|(one, other)| one * other).sum::<f64>() / (len - 1) as f64
        });
        let covariance = covariances.sum::<f64>() / centered.len() as f64;
        1.0 - (within - covariance) / overall
    };
    let (mut sum, mut least, mut lags) = (0.0, f64::INFINITY, 0);
    for lag in (0..len - 1).step_by(2) {
        let pair = correlation(lag) + correlation(lag + 1);
        if pair <= 0.0 {
            break;
        }
        least = least.min(pair);
        sum += least;
        lags = lag + 2;
    }
    ((2.0 * sum - 1.0).max(1.0), lags)
}

#[cfg(test)]
mod tests {
    use super::super::vectors::testing::normal;
    use super::*;

    /// Chains xₜ₊₁ = ρxₜ + √(1 − ρ²)·ξ, of variance 1 from the start.
    fn autoregressive(chains: usize, len: usize, rho: f64) -> Vec<Vec<f64>> {
        let draws = normal(chains, len, 0.0, 1.0, 1);
        let chain = |noise: &[f64]| {
            let mut at = noise[0];
            let next = |noise: &f64| {
                at = rho * at + (1.0 - rho * rho).sqrt() * noise;
                at
            };
            noise.iter().map(next).collect()
        };
        draws.rows().map(chain).collect()
    }

    #[test]
    fn the_autocorrelation_time_of_an_autoregression_is_that_of_its_formula() {
        for rho in [0.0, 0.5, 0.9] {
            let chains = autoregressive(40, 20_000, rho);
            let chains: Vec<&[f64]> = chains.iter().map(|chain| &chain[..]).collect();
            let Moments { within, overall } = Moments::of(&chains);
            let (time, lags) = autocorrelation_time(&chains, within, overall);
            let expected = (1.0 + rho) / (1.0 - rho);
            // Of M lags over N numbers the relative error is √(2(2M + 1)/N) (Sokal 1997, §3).
            let error = expected * (2.0 * (2.0 * lags as f64 + 1.0) / 800_000.0).sqrt();
            assert!(
                (time - expected).abs() < 5.0 * error,
                "{rho}: {time}, not {expected} ± {error}"
            );
            let found = Convergence::of(&chains);
            assert!((found.scale_reduction - 1.0).abs() < 0.01, "{found:?}");
            assert!((found.mean / found.error()).abs() < 5.0, "{found:?}");
        }
    }

    #[test]
    fn scale_reduction_by_hand() {
        // Split into [0, 2], [0, 2], [4, 6], [4, 6].
        let chains = [[0.0, 2.0, 0.0, 2.0], [4.0, 6.0, 4.0, 6.0]];
        let found = Convergence::of(&[&chains[0], &chains[1]]);
        // W = 2; means 1, 1, 5, 5 of variance 16/3; 2·½ + 16/3, over 2.
        let expected = ((1.0 + 16.0 / 3.0) / 2.0_f64).sqrt();
        assert!(
            (found.scale_reduction - expected).abs() < 1e-12,
            "{found:?}"
        );
        assert_eq!(found.mean, 3.0);
    }

    #[test]
    fn chains_that_stay_where_they_are_have_not_met() {
        let (one, other) = ([1.0; 8], [2.0; 8]);
        let found = Convergence::of(&[&one, &other]);
        assert_eq!(found.scale_reduction, f64::INFINITY);
        let same = Convergence::of(&[&one, &one]);
        assert!(same.scale_reduction.is_nan(), "nobody can tell");
        assert_eq!((same.autocorrelation, same.effective), (8.0, 2.0));
    }
}
