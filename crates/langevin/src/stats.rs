//! Record what chains do while they run: one value a chain, on the device until somebody reads it.

use burn::tensor::{Int, Tensor};

use crate::step::Descent;
use ebm_core::rows::{flatten_rows, row_norms};

/// What each chain did in one run of the sampler. A value that is not finite stays visible.
///
/// Every tensor is `[batch]`, so that a batch gives the same statistics however it is cut.
#[derive(Clone, Debug)]
pub struct ChainStats {
    /// E before the first step.
    pub energy_before: Tensor<1>,
    /// E after the last step.
    pub energy_after: Tensor<1>,
    /// Share of the final pixels at a bound, in [0, 1].
    pub at_bound_share: Tensor<1>,
    /// What the steps did; `None` unless they were recorded.
    pub steps: Option<StepStats>,
}

/// What the steps of each chain did, `[batch]` each.
#[derive(Clone, Debug)]
pub struct StepStats {
    /// Mean over the steps of the L2 norm of ∇E.
    pub grad_norm_mean: Tensor<1>,
    /// Largest L2 norm of ∇E at a step.
    pub grad_norm_max: Tensor<1>,
    /// Share of the elements of ∇E/T that a clamp, or a limit of its norm, changed, in [0, 1].
    pub clamped_share: Tensor<1>,
    /// Mean probability with which a step was accepted, in [0, 1], of methods that may reject it;
    /// NaN where an energy was not finite.
    pub acceptance: Option<Tensor<1>>,
}

impl ChainStats {
    /// The statistics of consecutive pieces as those of the whole batch.
    pub(crate) fn join(pieces: Vec<Self>) -> Option<Self> {
        let of = |field: fn(&Self) -> &Tensor<1>| cat(pieces.iter().map(field));
        if pieces.is_empty() {
            return None;
        }
        let steps: Option<Vec<_>> = pieces.iter().map(|piece| piece.steps.clone()).collect();
        Some(Self {
            energy_before: of(|piece| &piece.energy_before),
            energy_after: of(|piece| &piece.energy_after),
            at_bound_share: of(|piece| &piece.at_bound_share),
            steps: steps.map(|steps| StepStats::join(&steps)),
        })
    }

    /// Mean over the chains of the probability with which steps were accepted, of methods that may
    /// reject them. Reads the device.
    pub fn mean_acceptance(&self) -> Option<f64> {
        let acceptance = self.steps.as_ref()?.acceptance.clone()?;
        let chains = acceptance.dims()[0].max(1) as f64;
        let data = acceptance.into_data();
        Some(data.iter::<f32>().map(f64::from).sum::<f64>() / chains)
    }
}

impl StepStats {
    fn join(pieces: &[Self]) -> Self {
        let of = |field: fn(&Self) -> &Tensor<1>| cat(pieces.iter().map(field));
        let acceptance: Option<Vec<_>> = pieces
            .iter()
            .map(|piece| piece.acceptance.as_ref())
            .collect();
        Self {
            grad_norm_mean: of(|piece| &piece.grad_norm_mean),
            grad_norm_max: of(|piece| &piece.grad_norm_max),
            clamped_share: of(|piece| &piece.clamped_share),
            acceptance: acceptance.map(|pieces| cat(pieces.into_iter())),
        }
    }
}

fn cat<'a>(pieces: impl Iterator<Item = &'a Tensor<1>>) -> Tensor<1> {
    Tensor::cat(pieces.cloned().collect(), 0)
}

/// Sums over the steps of a run.
pub(crate) struct StatsRecorder {
    energy_before: Tensor<1>,
    sums: Option<StepSums>,
    steps: usize,
}

/// `[batch]` each.
struct StepSums {
    grad_norm: Tensor<1>,
    grad_norm_max: Tensor<1>,
    clamped: Tensor<1, Int>,
    acceptance: Option<Tensor<1>>,
    /// Elements of the gradient of a chain.
    elements: usize,
}

impl StatsRecorder {
    /// Begin with the energies `[batch]` of the first state.
    pub(crate) fn start(energy_before: Tensor<1>) -> Self {
        Self {
            energy_before,
            sums: None,
            steps: 0,
        }
    }

    /// Add the gradients `[batch, ..]` of a step, before anything limits them, and the logarithms
    /// of its acceptance ratios, `[batch]`.
    pub(crate) fn record<const D: usize>(
        &mut self,
        gradient: &Tensor<D>,
        descent: &Descent,
        norm_clip: Option<f64>,
        log_ratio: Option<&Tensor<1>>,
    ) {
        let rows = flatten_rows(gradient.clone()); // [batch, elements]
        let [_, elements] = rows.dims();
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
        let clamped: Tensor<1, Int> = clamped.int().sum_dim(1).squeeze_dim(1);
        let acceptance = log_ratio.map(acceptance_probability);
        self.steps += 1;
        self.sums = Some(match self.sums.take() {
            None => StepSums {
                grad_norm: norms.clone(),
                grad_norm_max: norms,
                clamped,
                acceptance,
                elements,
            },
            Some(sums) => StepSums {
                grad_norm: sums.grad_norm + norms.clone(),
                grad_norm_max: sums.grad_norm_max.max_pair(norms),
                clamped: sums.clamped + clamped,
                acceptance: sums
                    .acceptance
                    .zip(acceptance)
                    .map(|(sum, term)| sum + term),
                elements,
            },
        });
    }

    /// End with the energies `[batch]` and pixels of the last state.
    pub(crate) fn finish<const D: usize>(
        self,
        energy_after: Tensor<1>,
        x: &Tensor<D>,
        bounds: Option<[f64; 2]>,
    ) -> ChainStats {
        let steps = self.steps as f64;
        ChainStats {
            energy_before: self.energy_before,
            energy_after,
            at_bound_share: at_bound_share(x, bounds),
            steps: self.sums.map(|sums| StepStats {
                grad_norm_mean: sums.grad_norm / steps,
                grad_norm_max: sums.grad_norm_max,
                clamped_share: sums.clamped.float() / (steps * sums.elements.max(1) as f64),
                acceptance: sums.acceptance.map(|sum| sum / steps),
            }),
        }
    }
}

/// min(1, ratio), of its logarithm. A ratio of energies that are not finite is not finite either, and
/// stays visible.
fn acceptance_probability(log_ratio: &Tensor<1>) -> Tensor<1> {
    let mark = log_ratio.clone() * 0.0;
    log_ratio.clone().clamp_max(0.0).exp() + mark
}

/// `[batch]`.
fn at_bound_share<const D: usize>(x: &Tensor<D>, bounds: Option<[f64; 2]>) -> Tensor<1> {
    let rows = flatten_rows(x.clone());
    let [batch, pixels] = rows.dims();
    let Some([low, high]) = bounds else {
        return Tensor::zeros([batch], &x.device());
    };
    let at_bound = rows.clone().lower_equal_elem(low).int() + rows.greater_equal_elem(high).int();
    at_bound.sum_dim(1).squeeze_dim::<1>(1).float() / pixels.max(1) as f64
}
