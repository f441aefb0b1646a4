//! Differentiate through the last Langevin step: the KL term of improved contrastive divergence.
//!
//! Du, Li, Tenenbaum & Mordatch, *Improved contrastive divergence training of energy-based models*
//! (2021), §3: besides contrasting the energies of samples, minimise E_θ̄(x̃(θ)) − λ·ln d(x̃(θ)), where
//! x̃ depends on θ through the last step x̃ = clip(x − η·clamp(∇E_θ(x)/T)), θ̄ is a constant, and d is
//! the distance to the nearest other sample, an estimate of the samples' entropy.

use burn::tensor::{Bool, Int, Tensor};
use ebm_core::rows::{one_per_row, row_sums};
use ebm_core::{Invalid, energy_and_gradient};
use ebm_langevin::LastStep;
use ebm_model::{EnergyModel, Frozen};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::directional::directional_derivative;

/// The `[kl]` section of a configuration.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KlConfig {
    /// Weight of the gradient through the last Langevin step and of the samples' entropy (improved
    /// contrastive divergence, Du et al. 2021); 0 for none.
    #[schemars(range(min = 0))]
    pub weight: f64,
    /// λ: weight of the samples' entropy within that term.
    #[schemars(range(min = 0))]
    pub entropy_weight: f64,
    /// Samples of a batch that the term takes.
    #[schemars(range(min = 1))]
    pub samples: usize,
    /// Chains of the buffer among which the nearest is looked for.
    #[schemars(range(min = 1))]
    pub neighbors: usize,
}

impl Default for KlConfig {
    fn default() -> Self {
        Self {
            weight: 0.0,
            entropy_weight: 0.3,
            samples: 128,
            neighbors: 100,
        }
    }
}

impl KlConfig {
    /// Check that the term can be computed.
    ///
    /// # Errors
    /// Names the first key with an impossible value.
    pub fn validate(&self) -> Result<(), Invalid> {
        for (key, value) in [
            ("weight", self.weight),
            ("entropy_weight", self.entropy_weight),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Invalid::new(key, format!("must be ≥ 0, got {value}")));
            }
        }
        for (key, value) in [("samples", self.samples), ("neighbors", self.neighbors)] {
            if value == 0 {
                return Err(Invalid::new(key, "must be at least 1, got 0"));
            }
        }
        Ok(())
    }
}

/// Root mean square, over pixels, of the displacement ±εv of the central difference.
const DISPLACEMENT: f64 = 0.01;

/// The KL term of samples x̃ that a last step led to.
#[derive(Clone, Debug)]
pub struct LastStepTerm {
    /// mean E(x̃) − λ·mean ln d(x̃), `[1]`, a constant.
    pub value: Tensor<1>,
    /// Has the term's gradient with respect to the weights, and another value; `[1]`, tracked.
    pub surrogate: Tensor<1>,
}

impl LastStepTerm {
    /// With v = ∂/∂x̃ of the term, zero where the step was clamped or clipped, the gradient is
    /// −η/T·∂θ(v·∇ₓE_θ(x)), a [`directional_derivative`].
    ///
    /// # Shapes
    /// - `x`: x̃, `[samples, channels, height, width]`; `last.from` the same
    /// - `classes`: `[samples]`, which a model without classes ignores
    /// - `neighbours`: `[neighbours, channels, height, width]`, samples of other chains
    pub fn of<M: EnergyModel>(
        model: &Frozen<M>,
        last: &LastStep<4>,
        x: Tensor<4>,
        classes: &Tensor<1, Int>,
        neighbours: Tensor<4>,
        entropy_weight: f64,
    ) -> Self {
        let constant = model.valid();
        let energy = |x: Tensor<4>| constant.energy_given(x, classes);
        let (e, grad_e) = energy_and_gradient(x.clone(), &energy);
        let away = x.clone() - nearest(&x, neighbours); // [samples, channels, height, width]
        let distance_squared = row_sums(away.clone().square());
        let v = grad_e - away / distance_squared.clone().reshape(one_per_row(&x)) * entropy_weight;
        let value = e.mean() - distance_squared.log().mean() * (entropy_weight / 2.0);

        let v = v.mask_fill(stopped(last, &x, &energy), 0.0);
        let tracked = |x: Tensor<4>| model.energy_given(x, classes);
        let slope = directional_derivative(tracked, last.from.clone(), v, DISPLACEMENT);
        let step = f64::from(last.descent.step_size * last.descent.inverse_temperature);
        Self {
            value,
            surrogate: slope.sum() * (-step / x.dims()[0] as f64),
        }
    }
}

/// Pixels that the last step did not move freely: clamped, or clipped at a bound.
fn stopped(
    last: &LastStep<4>,
    x: &Tensor<4>,
    energy: &impl Fn(Tensor<4>) -> Tensor<1>,
) -> Tensor<4, Bool> {
    let (_, gradient) = energy_and_gradient(last.from.clone(), energy);
    let scaled = gradient * last.descent.inverse_temperature;
    let [low, high] = last.descent.bounds;
    let clamped = scaled.abs().greater_elem(last.descent.grad_clip);
    let below = x.clone().lower_equal_elem(low);
    let clipped = below.bool_or(x.clone().greater_equal_elem(high));
    clamped.bool_or(clipped)
}

/// The nearest of `neighbours` to every image of `x`.
fn nearest(x: &Tensor<4>, neighbours: Tensor<4>) -> Tensor<4> {
    let count = neighbours.dims()[0];
    let distances = (0..count).map(|i| {
        let other = neighbours.clone().narrow(0, i, 1);
        row_sums((x.clone() - other).square()).unsqueeze_dim::<2>(1)
    });
    let distances = Tensor::cat(distances.collect(), 1); // [samples, neighbors]
    neighbours.select(0, distances.argmin(1).squeeze_dim(1))
}

#[cfg(test)]
mod tests {
    use burn::module::{Module, Param};
    use burn::tensor::Device;
    use ebm_core::index_tensor;
    use ebm_langevin::Descent;
    use ebm_model::EnergyContext;

    use super::*;

    /// E(x) = Σ kᵢ(xᵢ − mᵢ)²/2 over two pixels: quadratic in x.
    #[derive(Module, Debug)]
    struct Quadratic {
        m: Param<Tensor<1>>,
        k: Param<Tensor<1>>,
    }

    impl EnergyModel for Quadratic {
        fn energy_with(&self, x: Tensor<4>, _: EnergyContext<'_>) -> Tensor<1> {
            let x: Tensor<2> = x.flatten(1, 3);
            let far = (x - self.m.val().unsqueeze()).square();
            (far * self.k.val().unsqueeze() / 2.0)
                .sum_dim(1)
                .squeeze_dim(1)
        }
    }

    const M: [f32; 2] = [0.3, 0.7];
    const K: [f32; 2] = [2.0, 5.0];
    const FROM: [f32; 2] = [0.5, 0.4];
    const OTHER: [f32; 2] = [0.6, 0.35];

    fn image(pixels: [f32; 2]) -> Tensor<4> {
        Tensor::<1>::from_floats(pixels, &Device::flex()).reshape([1, 1, 1, 2])
    }

    fn step(pixels: [f32; 2], descent: &Descent) -> [f32; 2] {
        [0, 1].map(|i| descent.of_pixel(pixels[i], K[i] * (pixels[i] - M[i])))
    }

    fn descent(grad_clip: f32) -> Descent {
        Descent {
            step_size: 0.1,
            inverse_temperature: 0.5,
            grad_clip,
            bounds: [0.0, 1.0],
        }
    }

    fn gradients(entropy_weight: f64, descent: Descent) -> ([f32; 2], [f32; 2]) {
        let device = Device::flex().autodiff();
        let model = Quadratic {
            m: Param::from_data(M, &device),
            k: Param::from_data(K, &device),
        };
        let last = LastStep {
            from: image(FROM),
            descent,
        };
        let x = image(step(FROM, &descent));
        let others = Tensor::cat(vec![image([0.0, 1.0]), image(OTHER)], 0);
        let classes = index_tensor(&[0], &Device::flex());
        let model_on_tape = Frozen::tracked(&model);
        let term = LastStepTerm::of(&model_on_tape, &last, x, &classes, others, entropy_weight);
        let gradients = term.surrogate.backward();
        let of = |param: &Param<Tensor<1>>| {
            let gradient = param.val().grad(&gradients).expect("tracked").into_data();
            let gradient: Vec<f32> = gradient.iter::<f32>().collect();
            [gradient[0], gradient[1]]
        };
        (of(&model.m), of(&model.k))
    }

    /// ∂x̃/∂m = η/T·k and ∂x̃/∂k = −η/T·(x − m), times v = ∂/∂x̃ of the term.
    fn expected(entropy_weight: f32, descent: &Descent) -> ([f32; 2], [f32; 2]) {
        let to = step(FROM, descent);
        let away = [to[0] - OTHER[0], to[1] - OTHER[1]];
        let squared = away[0] * away[0] + away[1] * away[1];
        let v = [0, 1].map(|i| K[i] * (to[i] - M[i]) - entropy_weight * away[i] / squared);
        let scale = descent.step_size * descent.inverse_temperature;
        (
            [0, 1].map(|i| v[i] * scale * K[i]),
            [0, 1].map(|i| -v[i] * scale * (FROM[i] - M[i])),
        )
    }

    fn assert_close(got: [f32; 2], expected: [f32; 2]) {
        for (got, expected) in got.into_iter().zip(expected) {
            let error = (got - expected).abs();
            assert!(
                error < 2e-5 * (1.0 + expected.abs()),
                "{got} is not {expected}"
            );
        }
    }

    #[test]
    fn the_gradient_through_the_last_step_is_exact_on_a_quadratic_energy() {
        for entropy_weight in [0.0, 0.3] {
            let descent = descent(f32::INFINITY);
            let (of_m, of_k) = gradients(f64::from(entropy_weight), descent);
            let (m, k) = expected(entropy_weight, &descent);
            assert_close(of_m, m);
            assert_close(of_k, k);
        }
    }

    #[test]
    fn a_clamped_pixel_has_no_gradient() {
        // ∇E/T = (0.2, −0.75): the second is clamped.
        let descent = descent(0.5);
        let (of_m, of_k) = gradients(0.0, descent);
        let (m, k) = expected(0.0, &descent);
        assert_close(of_m, [m[0], 0.0]);
        assert_close(of_k, [k[0], 0.0]);
    }
}
