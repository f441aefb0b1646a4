//! Hold contrastive divergence to a Gaussian that it must find.

use burn::tensor::Device;

use super::*;
use crate::objective::gaussian::{
    Quadratic, assert_found, contrastive, data, learned, variance_of_the_chain,
};

/// The weights that a loss learns.
fn learned_by(kind: LossKind, sharpness: f64) -> Vec<f64> {
    let model = Quadratic::new([0.5, 0.5], [4.5, 4.5], &Device::flex().autodiff());
    let loss = LossConfig { kind, sharpness };
    learned(model, contrastive().with_loss(loss), data)
}

#[test]
fn contrastive_divergence_finds_the_mean_and_the_precision_of_a_gaussian() {
    let weights = learned_by(LossKind::Cd, 1.0);
    assert_found(&weights, variance_of_the_chain);
}

/// Samples that are weighed by exp(−T·E) have the density of the chain times that: their precisions add.
#[test]
fn logsumexp_finds_the_gaussian_that_its_weights_make_of_the_chains() {
    let sharpness = 1.0;
    let weights = learned_by(LossKind::Logsumexp, sharpness);
    assert_found(&weights, |precision| {
        let of_weighted = 1.0 / variance_of_the_chain(precision) + sharpness * precision;
        1.0 / of_weighted
    });
}

/// Of small T·(E₊ − E₋), softplus is ln 2 and half of it.
#[test]
fn a_blunt_softplus_finds_the_gaussian_of_contrastive_divergence() {
    let weights = learned_by(LossKind::Softplus, 0.01);
    assert_found(&weights, variance_of_the_chain);
}
