//! Say what the energies and the acceptance of all samples are.

use ebm_apply::Samples;

/// Shares of accepted steps beyond which a chain hardly moves: all are refused, or all are tiny.
const LOWEST_ACCEPTANCE: f64 = 0.1;
const HIGHEST_ACCEPTANCE: f64 = 0.98;

/// Sums over the samples drawn so far.
#[derive(Debug, Default)]
pub(super) struct Totals {
    num: usize,
    energy: f64,
    /// The acceptance of every chain, of methods that may reject steps.
    acceptance: Option<f64>,
}

impl Totals {
    /// Add the next samples.
    pub(super) fn add(&mut self, samples: &Samples) {
        self.add_part(&samples.energies, samples.acceptance);
    }

    /// Log the means, and warn of chains that hardly move.
    pub(super) fn log(&self) {
        tracing::info!("mean energy of the samples: {:.3}", self.mean_energy());
        let Some(acceptance) = self.mean_acceptance() else {
            return;
        };
        tracing::info!("accepted {:.1}% of the steps", 100.0 * acceptance);
        if !(LOWEST_ACCEPTANCE..=HIGHEST_ACCEPTANCE).contains(&acceptance) {
            tracing::warn!(
                "with so {} steps accepted the chains hardly move: the samples are not of this energy's density; \
                 set langevin.target_acceptance, and another langevin.step_size or langevin.temperature",
                if acceptance < 0.5 { "few" } else { "many" }
            );
        }
    }

    /// Add the next samples, of this mean acceptance.
    pub(super) fn add_part(&mut self, energies: &[f32], acceptance: Option<f64>) {
        self.num += energies.len();
        self.energy += energies.iter().copied().map(f64::from).sum::<f64>();
        if let Some(mean) = acceptance {
            *self.acceptance.get_or_insert_default() += mean * energies.len() as f64;
        }
    }

    fn mean_energy(&self) -> f64 {
        self.energy / self.num as f64
    }

    fn mean_acceptance(&self) -> Option<f64> {
        self.acceptance.map(|sum| sum / self.num as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_those_of_all_chains_however_they_were_cut() {
        let mut totals = Totals::default();
        totals.add_part(&[1.0, 2.0, 3.0], Some(0.5));
        totals.add_part(&[-2.0], Some(0.9));
        assert_eq!(totals.mean_energy(), 1.0);
        let acceptance = totals.mean_acceptance().unwrap();
        assert!((acceptance - 0.6).abs() < 1e-12, "{acceptance}");
    }

    #[test]
    fn a_method_that_rejects_nothing_has_no_acceptance() {
        let mut totals = Totals::default();
        totals.add_part(&[1.0], None);
        assert_eq!(totals.mean_acceptance(), None);
    }
}
