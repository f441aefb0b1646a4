//! State the losses that contrast energies of data with those of samples.

use burn::tensor::{Tensor, activation};
use ebm_core::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How energies of data and of samples become a loss (Du & Mordatch 2019, released code).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// mean E₊ − mean E₋.
    #[default]
    Cd,
    /// mean E₊ − Σ wᵢE₋ᵢ with the constant weights w = softmax(−T·E₋): low energies count most.
    Logsumexp,
    /// mean softplus(T·(E₊ − E₋)): pairs that are far apart already count little.
    Softplus,
}

impl LossKind {
    /// Whether it is a sum of terms of one energy each.
    pub fn is_separable(self) -> bool {
        self == Self::Cd
    }
}

/// The `[objective]` section of a configuration.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// How energies are contrasted.
    pub kind: LossKind,
    /// How strongly differences of energies count in `logsumexp` and `softplus`: T, which multiplies
    /// energies.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub sharpness: f64,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            kind: LossKind::Cd,
            sharpness: 1.0,
        }
    }
}

impl LossConfig {
    /// Check that a loss can be computed.
    ///
    /// # Errors
    /// Names the first key with an impossible value.
    pub fn validate(&self) -> Result<(), Invalid> {
        match self.sharpness {
            sharpness if sharpness > 0.0 && sharpness.is_finite() => Ok(()),
            got => Err(Invalid::new("sharpness", format!("must be > 0, got {got}"))),
        }
    }
}

/// The terms of the loss.
#[derive(Clone, Debug)]
pub struct Loss {
    /// The objective's contrast of data and samples, `[1]`.
    pub contrastive: Tensor<1>,
    /// α·(mean E(x₊)² + mean E(x₋)²), `[1]`.
    pub regularization: Tensor<1>,
}

impl Loss {
    /// What is minimised, `[1]`.
    pub fn total(&self) -> Tensor<1> {
        self.contrastive.clone() + self.regularization.clone()
    }
}

/// The loss of Du & Mordatch (2019), §3.2: an objective plus the L2 penalty of energies,
/// α·(mean E₊² + mean E₋²).
///
/// # Shapes
/// - `e_pos`: `[batch]`, energies of data
/// - `e_neg`: `[batch]`, energies of samples
pub fn loss(objective: &LossConfig, e_pos: Tensor<1>, e_neg: Tensor<1>, energy_l2: f64) -> Loss {
    let squares = e_pos.clone().square().mean() + e_neg.clone().square().mean();
    let sharpness = objective.sharpness;
    let contrastive = match objective.kind {
        LossKind::Cd => e_pos.mean() - e_neg.mean(),
        LossKind::Logsumexp => {
            let constant = e_neg.clone().without_autodiff() * -sharpness;
            let weights = activation::softmax(constant, 0);
            e_pos.mean() - (weights * e_neg).sum()
        }
        LossKind::Softplus => softplus((e_pos - e_neg) * sharpness).mean(),
    };
    Loss {
        contrastive,
        regularization: squares * energy_l2,
    }
}

/// ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|), which overflows nowhere.
fn softplus(x: Tensor<1>) -> Tensor<1> {
    let rest = x.clone().abs().neg().exp().log1p();
    activation::relu(x) + rest
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn tensor<const N: usize>(values: [f32; N]) -> Tensor<1> {
        Tensor::from_floats(values, &Device::flex())
    }

    fn objective(kind: LossKind, sharpness: f64) -> LossConfig {
        LossConfig { kind, sharpness }
    }

    #[test]
    fn the_terms_are_those_of_the_equation() {
        let (e_pos, e_neg) = (tensor([1.0, 3.0]), tensor([-2.0, 0.0, 5.0, 1.0]));
        let loss = loss(&LossConfig::default(), e_pos, e_neg, 0.1);
        assert_eq!(loss.contrastive.clone().into_scalar::<f32>(), 2.0 - 1.0);
        let squares: f32 = (1.0 + 9.0) / 2.0 + (4.0 + 0.0 + 25.0 + 1.0) / 4.0;
        let regularization = loss.regularization.clone().into_scalar::<f32>();
        assert!((regularization - 0.1 * squares).abs() < 1e-6);
        assert!((loss.total().into_scalar::<f32>() - (1.0 + 0.1 * squares)).abs() < 1e-6);
    }

    #[test]
    fn logsumexp_weighs_samples_by_how_likely_they_are_and_keeps_the_weights_constant() {
        // T·E₋ = (0, ln 3): weights (3/4, 1/4).
        let e_neg = tensor([0.0, 3f32.ln() / 2.0]).autodiff().require_grad();
        let e_pos = tensor([1.0, 2.0]);
        let loss = loss(
            &objective(LossKind::Logsumexp, 2.0),
            e_pos,
            e_neg.clone(),
            0.0,
        );
        let expected = 1.5 - 0.25 * 3f32.ln() / 2.0;
        let got = loss.contrastive.clone().inner().into_scalar::<f32>();
        assert!((got - expected).abs() < 1e-6, "{got}");
        let gradients = loss.contrastive.backward();
        let gradient = e_neg.grad(&gradients).expect("tracked").into_data();
        let gradient: Vec<f32> = gradient.iter::<f32>().collect();
        assert!((gradient[0] + 0.75).abs() < 1e-6 && (gradient[1] + 0.25).abs() < 1e-6);
    }

    #[test]
    fn softplus_is_the_logarithm_of_the_odds_and_does_not_overflow() {
        // T·(E₊ − E₋) = (ln 3, 500): ln 4 and 500.
        let (e_pos, e_neg) = (tensor([3f32.ln() / 2.0, 250.0]), tensor([0.0, 0.0]));
        let loss = loss(&objective(LossKind::Softplus, 2.0), e_pos, e_neg, 0.0);
        let got = loss.contrastive.into_scalar::<f32>();
        assert!((got - (4f32.ln() + 500.0) / 2.0).abs() < 1e-4, "{got}");
    }
}
