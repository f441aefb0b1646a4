//! Differentiate a directional derivative of the energy with respect to the weights, on a tape of first
//! order.

use burn::tensor::Tensor;
use ebm_core::rows::{one_per_row, row_sums};

/// v·∇ₓE(x) of every image, as far as its gradient with respect to the weights is concerned: the value
/// itself is a constant away, and nobody should read it.
///
/// A central difference, [E(x + εv) − E(x − εv)]/2ε, whose gradient is ∂θ(v·∇ₓE) + O(ε²), exact where E
/// is quadratic in x. ε is chosen for each image so that the root mean square of the displacement εv is
/// `displacement`, in units of the pixels.
///
/// # Shapes
/// - `x`, `v`: `[batch, channels, height, width]`, constants
/// - `energy`: `[batch, channels, height, width]` to `[batch]`, on the tape of the weights
/// - returns: `[batch]`
pub fn directional_derivative(
    energy: impl Fn(Tensor<4>) -> Tensor<1>,
    x: Tensor<4>,
    v: Tensor<4>,
    displacement: f64,
) -> Tensor<1> {
    let [_, channels, height, width] = x.dims();
    let length = row_sums(v.clone().square()).sqrt(); // [batch]
    let reach = displacement * ((channels * height * width) as f64).sqrt();
    let per_image = length.clone().clamp_min(f32::MIN_POSITIVE);
    let shift = v / per_image.reshape(one_per_row(&x)) * reach;
    let ahead = energy(x.clone() + shift.clone());
    let behind = energy(x - shift);
    (ahead - behind) * length / (2.0 * reach)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use burn::tensor::activation::silu;

    use super::*;
    use crate::objective::DISPLACEMENT;

    /// ∂/∂a and ∂/∂b of v·∇ₓE of E = Σ a·xᵢ²/2 + b·xᵢ³/3 over two pixels.
    fn gradients(displacement: f64, b: f32) -> [f32; 2] {
        let device = Device::flex();
        let weight = |value: f32| {
            Tensor::<1>::from_floats([value], &device)
                .autodiff()
                .require_grad()
        };
        let (a, b) = (weight(2.0), weight(b));
        let energy = |x: Tensor<4>| {
            let x: Tensor<2> = x.flatten(1, 3);
            let square = x.clone().square().sum_dim(1).squeeze_dim::<1>(1) * a.clone() / 2.0;
            square + x.powi_scalar(3).sum_dim(1).squeeze_dim::<1>(1) * b.clone() / 3.0
        };
        let image =
            |pixels: [f32; 2]| Tensor::<1>::from_floats(pixels, &device).reshape([1, 1, 1, 2]);
        let (x, v) = (image([0.5, -0.25]), image([3.0, 4.0]));
        let slope = directional_derivative(energy, x, v, displacement);
        let gradients = slope.backward();
        [a, b].map(|weight| {
            weight
                .grad(&gradients)
                .expect("tracked")
                .into_scalar::<f32>()
        })
    }

    #[test]
    fn the_gradient_is_exact_where_the_energy_is_quadratic() {
        // ∂a(v·∇ₓE) = v·x = 1.5 − 1.
        for displacement in [1e-2, 0.5] {
            assert!((gradients(displacement, 0.0)[0] - 0.5).abs() < 2e-5);
        }
    }

    #[test]
    fn elsewhere_its_error_is_of_second_order() {
        // ∂b(v·∇ₓE) = Σ v·x² = 0.75 + 0.25; the central difference adds ε²Σv³/3, with ε·5 = √2·d.
        let error = |displacement: f64| f64::from(gradients(displacement, 1.0)[1]) - 1.0;
        for displacement in [0.05, 0.1, 0.2] {
            let epsilon = displacement * 2f64.sqrt() / 5.0;
            let expected = epsilon * epsilon * 91.0 / 3.0;
            assert!(
                (error(displacement) / expected - 1.0).abs() < 0.02,
                "{displacement}"
            );
        }
    }

    #[test]
    fn a_direction_of_no_length_has_no_derivative() {
        let zero = Tensor::<4>::zeros([1, 1, 1, 2], &Device::flex());
        let energy = |x: Tensor<4>| row_sums(x);
        let slope = directional_derivative(energy, zero.clone(), zero, 0.01);
        assert_eq!(slope.into_scalar::<f32>(), 0.0);
    }

    const IMAGES: usize = 3;
    const PIXELS: usize = 4;
    const HIDDEN: usize = 5;

    fn numbers(count: usize, size: f64, phase: f64) -> Vec<f64> {
        let number = |place: usize| size * (1.3 * place as f64 + phase).sin();
        (0..count).map(number).collect()
    }

    /// First and second derivative of swish, z·σ(z).
    fn slopes_of_swish(z: f64) -> [f64; 2] {
        let gate = 1.0 / (1.0 + (-z).exp());
        let steepness = gate * (1.0 - gate);
        let second = steepness * (2.0 + z * (1.0 - 2.0 * gate));
        [gate + z * steepness, second]
    }

    /// E(x) = Σ aₖ·swish(Σ wⱼₖcⱼ + bₖ) of c = s(2x − 1), and images and directions.
    struct Net {
        /// s, as a U-Net's `input_scale`.
        scale: f64,
        w: Vec<f64>,
        b: Vec<f64>,
        a: Vec<f64>,
        x: Vec<f64>,
        v: Vec<f64>,
    }

    impl Net {
        fn new(scale: f64) -> Self {
            let pixels = numbers(IMAGES * PIXELS, 0.5, 0.4).into_iter();
            Self {
                scale,
                w: numbers(PIXELS * HIDDEN, 1.0, 0.2),
                b: numbers(HIDDEN, 1.0, 0.7),
                a: numbers(HIDDEN, 3.0, 1.1),
                x: pixels.map(|pixel| 0.5 + pixel).collect(),
                v: numbers(IMAGES * PIXELS, 3.0, 2.0),
            }
        }

        /// ∂/∂(w, b, a) of Σ v·∇E = Σ aₖ·swish′(zₖ)·uₖ, with z = wc + b and u = w·2sv.
        fn exact(&self) -> Vec<f64> {
            let (mut of_w, mut of_b, mut of_a) =
                ([0.0; PIXELS * HIDDEN], [0.0; HIDDEN], [0.0; HIDDEN]);
            for (x, v) in self.x.chunks(PIXELS).zip(self.v.chunks(PIXELS)) {
                let c: Vec<f64> = x.iter().map(|x| self.scale * (2.0 * x - 1.0)).collect();
                let v: Vec<f64> = v.iter().map(|v| self.scale * 2.0 * v).collect();
                for k in 0..HIDDEN {
                    let through = |of: &[f64]| -> f64 {
                        (0..PIXELS).map(|j| self.w[j * HIDDEN + k] * of[j]).sum()
                    };
                    let (z, u) = (through(&c) + self.b[k], through(&v));
                    let [first, second] = slopes_of_swish(z);
                    for j in 0..PIXELS {
                        of_w[j * HIDDEN + k] += self.a[k] * (second * u * c[j] + first * v[j]);
                    }
                    of_b[k] += self.a[k] * second * u;
                    of_a[k] += first * u;
                }
            }
            [&of_w[..], &of_b[..], &of_a[..]].concat()
        }

        /// The same by the central difference.
        fn found(&self, displacement: f64) -> Vec<f64> {
            let device = Device::flex();
            let tensor = |values: &[f64]| {
                let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
                Tensor::<1>::from_floats(&values[..], &device)
            };
            let weight = |values: &[f64]| tensor(values).autodiff().require_grad();
            let (w, b, a) = (weight(&self.w), weight(&self.b), weight(&self.a));
            let energy = |x: Tensor<4>| {
                let x: Tensor<2> = x.flatten(1, 3); // [images, pixels]
                let c = x * (2.0 * self.scale) - self.scale;
                let z = c.matmul(w.clone().reshape([PIXELS, HIDDEN])) + b.clone().unsqueeze();
                let hidden = silu(z) * a.clone().unsqueeze(); // [images, hidden]
                hidden.sum_dim(1).squeeze_dim::<1>(1)
            };
            let [x, v] =
                [&self.x, &self.v].map(|values| tensor(values).reshape([IMAGES, 1, 1, PIXELS]));
            let slope = directional_derivative(energy, x, v, displacement);
            let gradients = slope.sum().backward();
            let of = |weight: Tensor<1>| {
                let gradient = weight.grad(&gradients).expect("tracked").into_data();
                gradient.iter::<f64>().collect::<Vec<_>>()
            };
            [of(w), of(b), of(a)].concat()
        }
    }

    fn length(of: impl Iterator<Item = f64>) -> f64 {
        of.map(|it| it * it).sum::<f64>().sqrt()
    }

    /// Asserts that over a decade around the displacement of the objectives the error stays below this share.
    fn assert_error_is_below(limit: f64, net: &Net) {
        let exact = net.exact();
        for factor in [0.3, 1.0, 3.0] {
            let found = net.found(factor * DISPLACEMENT);
            let errors = found.iter().zip(&exact).map(|(one, other)| one - other);
            let error = length(errors) / length(exact.iter().copied());
            assert!(error < limit, "{error} at {factor} times the displacement");
        }
    }

    #[test]
    fn of_a_net_the_error_is_small_over_a_decade_of_displacements() {
        assert_error_is_below(5e-4, &Net::new(1.0));
    }

    #[test]
    fn of_a_net_that_sees_differences_ten_times_larger_the_error_is_still_small() {
        assert_error_is_below(6e-3, &Net::new(10.0));
    }
}
