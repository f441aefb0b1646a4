//! Record what chains do while they run.

use burn::tensor::{Int, Tensor};

use crate::rows::{flatten_rows, row_norms};
use crate::step::Descent;

/// What some chains did in one run of the sampler. A value that is not finite stays visible.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChainStats {
    /// E of every chain before the first step.
    pub energy_before: Vec<f32>,
    /// E of every chain after the last step.
    pub energy_after: Vec<f32>,
    /// Mean over chains and steps of the L2 norm of ∇E.
    pub grad_norm_mean: f64,
    /// Largest L2 norm of ∇E of a chain at a step.
    pub grad_norm_max: f64,
    /// Share of the elements of ∇E/T that a clamp, or a limit of its norm, changed, in [0, 1].
    pub clamped_share: f64,
    /// Mean probability with which a step was accepted, in [0, 1], of methods that may reject it;
    /// not a number where an energy was not finite.
    pub acceptance: Option<f64>,
    /// Share of the final pixels at a bound, in [0, 1].
    pub at_bound_share: f64,
}

impl ChainStats {
    /// The statistics of the union of disjoint groups of chains.
    pub fn join(groups: Vec<Self>) -> Self {
        let chains: usize = groups.iter().map(|group| group.energy_after.len()).sum();
        let mut all = Self::default();
        for group in groups {
            let weight = group.energy_after.len() as f64 / chains.max(1) as f64;
            all.grad_norm_mean += weight * group.grad_norm_mean;
            all.clamped_share += weight * group.clamped_share;
            all.at_bound_share += weight * group.at_bound_share;
            if let Some(acceptance) = group.acceptance {
                all.acceptance = Some(all.acceptance.unwrap_or(0.0) + weight * acceptance);
            }
            all.grad_norm_max = larger(all.grad_norm_max, group.grad_norm_max);
            all.energy_before.extend(group.energy_before);
            all.energy_after.extend(group.energy_after);
        }
        all
    }
}

/// The larger of two numbers; not a number if either is not one.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// Sums over the steps of a run, on the device until the run ends.
pub(crate) struct StatsRecorder {
    energy_before: Tensor<1>,
    grad_norm_sum: Option<Tensor<1>>,
    grad_norm_max: Option<Tensor<1>>,
    clamped: Option<Tensor<1, Int>>,
    acceptance: Option<Tensor<1>>,
    elements: usize,
    steps: usize,
}

impl StatsRecorder {
    /// Begin with the energies `[batch]` of the first state.
    pub(crate) fn start(energy_before: Tensor<1>) -> Self {
        Self {
            energy_before,
            grad_norm_sum: None,
            grad_norm_max: None,
            clamped: None,
            acceptance: None,
            elements: 0,
            steps: 0,
        }
    }

    /// Add the gradients `[batch, ..]` of a step, before anything limits them.
    pub(crate) fn record<const D: usize>(
        &mut self,
        gradient: &Tensor<D>,
        descent: &Descent,
        norm_clip: Option<f64>,
    ) {
        let rows = flatten_rows(gradient.clone());
        let row_norms = row_norms(&rows); // [batch, 1]
        let norms: Tensor<1> = row_norms.clone().squeeze_dim(1);
        let scaled = rows.mul_scalar(descent.inverse_temperature).abs();
        let clamped = scaled.clone().greater_elem(descent.grad_clip);
        let clamped = match norm_clip {
            Some(longest) => {
                let is_long = (row_norms * descent.inverse_temperature).greater_elem(longest);
                clamped.bool_or(is_long.expand(scaled.shape()))
            }
            None => clamped,
        };
        let clamped = clamped.int().sum();
        self.elements += gradient.shape().num_elements();
        self.steps += 1;
        self.grad_norm_max = Some(match self.grad_norm_max.take() {
            Some(max) => max.max_pair(norms.clone()),
            None => norms.clone(),
        });
        self.grad_norm_sum = Some(add(self.grad_norm_sum.take(), norms));
        self.clamped = Some(match self.clamped.take() {
            Some(sum) => sum + clamped,
            None => clamped,
        });
    }

    /// Add the logarithms of the acceptance ratios of a step, `[batch]`.
    pub(crate) fn record_acceptance(&mut self, log_ratio: &Tensor<1>) {
        // A ratio of energies that are not finite is not finite either, and stays visible.
        let mark = log_ratio.clone() * 0.0;
        let probability = log_ratio.clone().clamp_max(0.0).exp() + mark;
        self.acceptance = Some(add(self.acceptance.take(), probability.mean()));
    }

    /// End with the energies `[batch]` and pixels of the last state.
    pub(crate) fn finish<const D: usize>(
        self,
        energy_after: Tensor<1>,
        x: &Tensor<D>,
        bounds: Option<[f64; 2]>,
    ) -> ChainStats {
        let pixels = x.shape().num_elements().max(1) as f64;
        let at_bound_share = bounds.map_or(0.0, |[low, high]| {
            let outside = x.clone().lower_equal_elem(low).int().sum();
            let outside = outside + x.clone().greater_equal_elem(high).int().sum();
            floats(outside.float())[0] as f64 / pixels
        });
        let sums = self.grad_norm_sum.map(floats).unwrap_or_default();
        let maxima = self.grad_norm_max.map(floats).unwrap_or_default();
        let clamped = self
            .clamped
            .map_or(0.0, |sum| floats(sum.float())[0] as f64);
        let norms = (sums.len() * self.steps).max(1) as f64;
        let steps = self.steps.max(1) as f64;
        ChainStats {
            energy_before: floats(self.energy_before),
            energy_after: floats(energy_after),
            grad_norm_mean: sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() / norms,
            grad_norm_max: maxima.iter().fold(0.0, |max, &n| larger(max, f64::from(n))),
            clamped_share: clamped / self.elements.max(1) as f64,
            at_bound_share,
            acceptance: self.acceptance.map(|sum| f64::from(floats(sum)[0]) / steps),
        }
    }
}

fn add(sum: Option<Tensor<1>>, term: Tensor<1>) -> Tensor<1> {
    match sum {
        Some(sum) => sum + term,
        None => term,
    }
}

/// The numbers of a tensor, in order.
fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
