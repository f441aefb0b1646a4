//! Name what a user reads about a step of contrastive divergence.

use burn::tensor::{Device, Tensor};
use ebm_langevin::{ChainStats, StepStats};

use super::chains::ChainState;
use super::loss::Loss;

/// What a step leaves on the device.
pub(super) struct Report<'a> {
    /// Of data, then of samples, `[2 · batch]`.
    pub(super) energies: Tensor<1>,
    pub(super) loss: Loss,
    /// The weighted KL term, where there is one, `[1]`.
    pub(super) kl: Option<Tensor<1>>,
    pub(super) state: &'a ChainState,
    /// Whether the step size adapts.
    pub(super) adapts: bool,
    pub(super) stats: Option<ChainStats>,
}

type Terms = Vec<(&'static str, Tensor<1>)>;

impl Report<'_> {
    /// What is minimised, `[1]`.
    pub(super) fn total(&self) -> Tensor<1> {
        let contrast = self.loss.total();
        self.kl.iter().cloned().fold(contrast, Tensor::add)
    }

    /// In the order of reading, `[1]` each.
    pub(super) fn terms(&self) -> Terms {
        let batch = self.energies.dims()[0] / 2;
        let [e_pos, e_neg] = [0, batch].map(|at| self.energies.clone().narrow(0, at, batch));
        let [mean_pos, mean_neg] = [&e_pos, &e_neg].map(|energies| energies.clone().mean());
        let mut terms = vec![
            ("e_pos", mean_pos.clone()),
            ("e_neg", mean_neg.clone()),
            ("gap", mean_neg - mean_pos),
            ("loss", self.total()),
            ("contrastive", self.loss.contrastive.clone()),
            ("regularization", self.loss.regularization.clone()),
        ];
        terms.extend(self.kl.clone().map(|kl| ("kl", kl)));
        terms.extend([("e_pos_std", std(e_pos)), ("e_neg_std", std(e_neg))]);
        if let Some(stats) = &self.stats {
            terms.extend(of_chains(stats));
        }
        let device = self.energies.device();
        if self.adapts {
            terms.push(("step_scale", scalar(self.state.step_scale, &device)));
        }
        terms.extend(of_ages(self.state.buffer.ages(), &device));
        terms
    }
}

fn of_chains(stats: &ChainStats) -> Terms {
    let mut terms = vec![
        ("chain_energy_before", stats.energy_before.clone().mean()),
        ("chain_energy_after", stats.energy_after.clone().mean()),
    ];
    if let Some(StepStats {
        grad_norm_mean,
        grad_norm_max,
        clamped_share,
        acceptance,
    }) = &stats.steps
    {
        // A maximum of what is not a number need not be one: the mean marks it.
        let mark = grad_norm_mean.clone().mean() * 0.0;
        terms.extend([
            ("pixel_grad_norm_mean", grad_norm_mean.clone().mean()),
            ("pixel_grad_norm_max", grad_norm_max.clone().max() + mark),
            ("clamped_share", clamped_share.clone().mean()),
        ]);
        terms.extend(acceptance.iter().map(|a| ("acceptance", a.clone().mean())));
    }
    terms.push(("at_bound_share", stats.at_bound_share.clone().mean()));
    terms
}

fn of_ages(ages: &[u32], device: &Device) -> Terms {
    let sum: f64 = ages.iter().map(|&age| f64::from(age)).sum();
    let oldest = ages.iter().copied().max().unwrap_or(0);
    vec![
        (
            "buffer_age_mean",
            scalar(sum / ages.len().max(1) as f64, device),
        ),
        ("buffer_age_max", scalar(f64::from(oldest), device)),
    ]
}

/// Standard deviation of all values, `[1]`.
fn std(values: Tensor<1>) -> Tensor<1> {
    let mean = values.clone().mean();
    (values - mean).square().mean().sqrt()
}

fn scalar(value: f64, device: &Device) -> Tensor<1> {
    Tensor::from_floats([value as f32], device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standard_deviation_is_that_of_all_values() {
        let values = Tensor::<1>::from_floats([1.0, 3.0, 5.0, 7.0], &Device::flex());
        assert!((std(values).into_scalar::<f32>() - 5f32.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn ages_are_averaged_and_the_oldest_is_named() {
        let terms = of_ages(&[1, 2, 9], &Device::flex());
        let values: Vec<f32> = terms
            .into_iter()
            .map(|(_, value)| value.into_scalar())
            .collect();
        assert_eq!(values, [4.0, 9.0]);
    }
}
