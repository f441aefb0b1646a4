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

    use super::*;

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
}
