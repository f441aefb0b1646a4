//! Stop a run that went wrong: a loss that is not finite, an energy that tells nothing apart, gradients
//! that only a broken kernel gives.

use burn::tensor::Tensor;
use ebm_model::{EnergyModel, Frozen};

use super::metrics::term;
use crate::error::TrainError;

/// A value that shows that training has diverged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Divergence {
    /// The first bad iteration.
    pub(super) iteration: u64,
    /// What shows it.
    pub(super) what: &'static str,
    /// Its value.
    pub(super) value: f32,
}

/// Refuse a value that is not finite: the loss, or a step size that has adapted to an acceptance rate that is
/// not a number.
pub(super) fn refuse_unless_finite(
    what: &'static str,
    value: f64,
    iteration: u64,
) -> Result<(), Divergence> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Divergence {
        iteration,
        what,
        value: value as f32,
    })
}

/// An energy that weights give and that is not finite.
///
/// # Shapes
/// - `images`: `[batch, channels, height, width]`, `labels`: one for each image
pub(super) fn energy_not_finite<M: EnergyModel + Sync>(
    models: [Frozen<M>; 2],
    images: &Tensor<4>,
    labels: &[u32],
) -> Option<f32> {
    let classes = ebm_core::index_tensor(labels, &images.device());
    let energies = models.map(|model| model.energy_given(images.clone(), &classes));
    let energies = Tensor::cat(energies.to_vec(), 0).into_data();
    energies.iter::<f32>().find(|energy| !energy.is_finite())
}

/// The energy of all images where it is the same for data and samples alike, or where `sees_gradients`
/// and no image has a gradient: no update brings one back. `terms` are those of the metrics.
pub(super) fn flat_energy(terms: &[(&'static str, f64)], sees_gradients: bool) -> Option<f64> {
    let term = |name| term(terms, name);
    let (e_pos, e_neg) = (term("e_pos")?, term("e_neg")?);
    let spreads = [e_pos - e_neg, term("e_pos_std")?, term("e_neg_std")?];
    // What rounding makes of equal energies.
    let rounding = 4.0 * f64::from(f32::EPSILON) * e_pos.abs().max(e_neg.abs());
    let is_flat = spreads.iter().all(|spread| spread.abs() <= rounding);
    let has_no_gradient = sees_gradients && term("pixel_grad_norm_max") == Some(0.0);
    (is_flat || has_no_gradient).then_some(e_pos)
}

/// Stop at gradients that are exactly zero or not finite: a broken kernel gives them, a bad recipe
/// hardly ever. `norms` are those of [`Metrics::gradient_norms`](super::metrics::Metrics::gradient_norms).
pub(super) fn refuse_broken_gradients<'a>(
    iteration: u64,
    norms: impl Iterator<Item = (&'a str, f64)>,
    device: &str,
) -> Result<(), TrainError> {
    let is_broken = |norm: f64| norm == 0.0 || !norm.is_finite();
    let mut broken = norms.filter(|(_, norm)| is_broken(*norm));
    match broken.next() {
        None => Ok(()),
        Some((what, value)) => Err(TrainError::BrokenGradient {
            iteration,
            what: what.to_owned(),
            value,
            device: device.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_is_not_finite_is_refused() {
        assert_eq!(refuse_unless_finite("the loss", 0.5, 8), Ok(()));
        let divergence = refuse_unless_finite("the loss", f64::INFINITY, 9).expect_err("diverged");
        assert_eq!((divergence.iteration, divergence.value), (9, f32::INFINITY));
        assert!(refuse_unless_finite("the loss", f64::NAN, 10).is_err());
    }

    #[test]
    fn a_step_size_that_is_not_a_number_is_never_saved() {
        assert_eq!(refuse_unless_finite("the scale", 0.25, 7), Ok(()));
        for scale in [f64::NAN, f64::INFINITY] {
            let divergence = refuse_unless_finite("the scale", scale, 7).expect_err("refused");
            assert_eq!(divergence.iteration, 7);
        }
    }

    #[test]
    fn an_energy_that_tells_no_image_from_another_is_flat() {
        let terms = |e_neg, std, gradient| {
            [
                ("e_pos", -0.25),
                ("e_neg", e_neg),
                ("e_pos_std", std),
                ("e_neg_std", std),
                ("pixel_grad_norm_max", gradient),
            ]
        };
        assert_eq!(flat_energy(&terms(-0.25, 1e-9, 1.0), false), Some(-0.25));
        assert_eq!(flat_energy(&terms(-0.25, 1e-4, 1.0), true), None);
        assert_eq!(flat_energy(&terms(0.25, 0.0, 1.0), true), None);
        // Classes may still have energies of their own.
        assert_eq!(flat_energy(&terms(0.25, 0.1, 0.0), true), Some(-0.25));
        assert_eq!(flat_energy(&terms(0.25, 0.1, 0.0), false), None);
        assert_eq!(flat_energy(&[("loss", 0.0)], true), None);
    }

    #[test]
    fn gradients_that_only_broken_kernels_give_stop_a_run() {
        let check = |of_weights: f64, of_chains: f64| {
            let norms = [
                ("weight_grad_norm", of_weights),
                ("pixel_grad_norm_mean", of_chains),
            ];
            refuse_broken_gradients(3, norms.into_iter(), "wgpu:0")
        };
        assert!(check(0.5, 1e-9).is_ok());
        for (norms, what) in [
            ([0.0, 1.0], "weight_grad_norm is 0 on wgpu:0"),
            ([1.0, 0.0], "pixel_grad_norm_mean is 0"),
            ([f64::NAN, 1.0], "weight_grad_norm is NaN"),
            ([1.0, f64::INFINITY], "pixel_grad_norm_mean is inf"),
        ] {
            let message = check(norms[0], norms[1]).expect_err("broken").to_string();
            assert!(
                message.starts_with("iteration 3: ") && message.contains(what),
                "{message}"
            );
        }
    }
}
