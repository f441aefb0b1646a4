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
        self.acceptance = Some(add(self.acceptance.take(), probability));
    }

    /// End with the energies `[batch]` and pixels of the last state.
    pub(crate) fn finish<const D: usize>(
        self,
        energy_after: Tensor<1>,
        x: &Tensor<D>,
        bounds: Option<[f64; 2]>,
    ) -> Tally {
        let at_bound = bounds.map_or(0.0, |[low, high]| {
            let outside = x.clone().lower_equal_elem(low).int().sum();
            let outside = outside + x.clone().greater_equal_elem(high).int().sum();
            f64::from(floats(outside.float())[0])
        });
        let clamped = self.clamped.map(|sum| f64::from(floats(sum.float())[0]));
        Tally {
            energy_before: floats(self.energy_before),
            energy_after: floats(energy_after),
            grad_norm_sums: self.grad_norm_sum.map(floats).unwrap_or_default(),
            grad_norm_maxima: self.grad_norm_max.map(floats).unwrap_or_default(),
            acceptance_sums: self.acceptance.map(floats),
            clamped: clamped.unwrap_or(0.0),
            elements: self.elements,
            at_bound,
            pixels: x.shape().num_elements(),
            steps: self.steps,
        }
    }
}

/// What is known of each chain of a piece, and what was counted over all of them: a batch of pieces
/// gives the same statistics however it is cut.
pub(crate) struct Tally {
    energy_before: Vec<f32>,
    energy_after: Vec<f32>,
    /// Over the steps, of every chain.
    grad_norm_sums: Vec<f32>,
    grad_norm_maxima: Vec<f32>,
    acceptance_sums: Option<Vec<f32>>,
    clamped: f64,
    elements: usize,
    at_bound: f64,
    pixels: usize,
    steps: usize,
}

impl Tally {
    /// That of this piece and of the next.
    pub(crate) fn and(mut self, next: Self) -> Self {
        self.energy_before.extend(next.energy_before);
        self.energy_after.extend(next.energy_after);
        self.grad_norm_sums.extend(next.grad_norm_sums);
        self.grad_norm_maxima.extend(next.grad_norm_maxima);
        let more = next.acceptance_sums.unwrap_or_default();
        self.acceptance_sums
            .iter_mut()
            .for_each(|sums| sums.extend(&more));
        Self {
            clamped: self.clamped + next.clamped,
            elements: self.elements + next.elements,
            at_bound: self.at_bound + next.at_bound,
            pixels: self.pixels + next.pixels,
            ..self
        }
    }

    pub(crate) fn stats(self) -> ChainStats {
        let mean = |sums: &[f32]| {
            let terms = (sums.len() * self.steps).max(1) as f64;
            sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() / terms
        };
        let maxima = self.grad_norm_maxima.iter();
        ChainStats {
            grad_norm_mean: mean(&self.grad_norm_sums),
            grad_norm_max: maxima.fold(0.0, |max, &norm| larger(max, f64::from(norm))),
            clamped_share: self.clamped / self.elements.max(1) as f64,
            acceptance: self.acceptance_sums.as_deref().map(mean),
            at_bound_share: self.at_bound / self.pixels.max(1) as f64,
            energy_before: self.energy_before,
            energy_after: self.energy_after,
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
