//! State the losses that contrast energies of data with those of samples.

use burn::tensor::{Tensor, activation};

/// How energies of data and of samples become a loss (Du & Mordatch 2019, released code).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// How energies become a loss, and how sharply.
#[derive(Clone, Debug, PartialEq)]
pub struct LossConfig {
    /// How energies are contrasted.
    pub kind: LossKind,
    /// How strongly differences of energies count in `Logsumexp` and `Softplus`: T > 0, which multiplies
    /// energies.
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

/// Weights of the L2 penalty of energies, at least 0.
///
/// Where samples are penalised, a chain in a minimum of the energy far above the data is raised no further
/// than to 1/2α₋, and stays there: the mechanism by which training collapses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnergyL2 {
    /// α: of energies of data.
    pub data: f64,
    /// α₋: of energies of samples.
    pub samples: f64,
}

/// The same weight for data and samples, as in the 2019 release.
impl From<f64> for EnergyL2 {
    fn from(both: f64) -> Self {
        Self {
            data: both,
            samples: both,
        }
    }
}

/// The terms of the loss.
#[derive(Clone, Debug)]
pub struct Loss {
    /// The objective's contrast of data and samples, `[1]`.
    pub contrastive: Tensor<1>,
    /// α·mean E(x₊)² + α₋·mean E(x₋)², `[1]`.
    pub regularization: Tensor<1>,
}

impl Loss {
    /// What is minimised, `[1]`.
    pub fn total(&self) -> Tensor<1> {
        self.contrastive.clone() + self.regularization.clone()
    }
}

/// The loss of Du & Mordatch (2019), §3.2: an objective plus the L2 penalty of energies,
/// α·mean E₊² + α₋·mean E₋², there with one weight for both.
///
/// # Shapes
/// - `e_pos`: `[batch]`, energies of data
/// - `e_neg`: `[batch]`, energies of samples
pub fn loss(
    objective: &LossConfig,
    e_pos: Tensor<1>,
    e_neg: Tensor<1>,
    energy_l2: EnergyL2,
) -> Loss {
    let of_data = e_pos.clone().square().mean() * energy_l2.data;
    let of_samples = e_neg.clone().square().mean() * energy_l2.samples;
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
        regularization: of_data + of_samples,
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
        let loss = loss(&LossConfig::default(), e_pos, e_neg, 0.1.into());
        assert_eq!(loss.contrastive.clone().into_scalar::<f32>(), 2.0 - 1.0);
        let squares: f32 = (1.0 + 9.0) / 2.0 + (4.0 + 0.0 + 25.0 + 1.0) / 4.0;
        let regularization = loss.regularization.clone().into_scalar::<f32>();
        assert!((regularization - 0.1 * squares).abs() < 1e-6);
        assert!((loss.total().into_scalar::<f32>() - (1.0 + 0.1 * squares)).abs() < 1e-6);
    }

    #[test]
    fn samples_may_be_penalised_by_another_weight_than_data() {
        let (e_pos, e_neg) = (tensor([2.0]), tensor([-3.0]));
        let energy_l2 = EnergyL2 {
            data: 0.5,
            samples: 0.25,
        };
        let loss = loss(&LossConfig::default(), e_pos, e_neg, energy_l2);
        let got = loss.regularization.into_scalar::<f32>();
        assert_eq!(got, 0.5 * 4.0 + 0.25 * 9.0);
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
            0.0.into(),
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
        let loss = loss(
            &objective(LossKind::Softplus, 2.0),
            e_pos,
            e_neg,
            0.0.into(),
        );
        let got = loss.contrastive.into_scalar::<f32>();
        assert!((got - (4f32.ln() + 500.0) / 2.0).abs() < 1e-4, "{got}");
    }
}
