//! State the Langevin step once, for a pixel and for tensors: the reference every kernel agrees with.

use burn::tensor::Tensor;
use ebm_core::{Distribution, NoiseKey};

/// The descent half of a Langevin step: x ← clip(x − η·clamp(∇E(x)/T, −c, c), low, high).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Descent {
    /// η, in units of pixel² (pixels in [0, 1]).
    pub step_size: f32,
    /// 1/T: what the gradient is multiplied by before it is clamped.
    pub inverse_temperature: f32,
    /// c; infinite for no clamp.
    pub grad_clip: f32,
    /// Bounds of a pixel; infinite for none.
    pub bounds: [f32; 2],
}

impl Descent {
    /// The step of one pixel `x` with energy gradient `gradient`.
    #[inline(always)]
    pub fn of_pixel(&self, x: f32, gradient: f32) -> f32 {
        let clamped = (gradient * self.inverse_temperature).clamp(-self.grad_clip, self.grad_clip);
        (x - self.step_size * clamped).clamp(self.bounds[0], self.bounds[1])
    }

    /// The step of a batch, with tensor operations.
    ///
    /// # Shapes
    /// - `x`, `gradient`: the same shape, which is also that of what returns
    pub fn of_tensor<const D: usize>(&self, x: Tensor<D>, gradient: Tensor<D>) -> Tensor<D> {
        let scaled = gradient.mul_scalar(self.inverse_temperature);
        let clamped = scaled.clamp(-self.grad_clip, self.grad_clip);
        (x - clamped.mul_scalar(self.step_size)).clamp(self.bounds[0], self.bounds[1])
    }
}

/// The noise half of a Langevin step: x ← x + s·ξ, ξ a function of the key, the chain and the pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Which random words.
    pub key: NoiseKey,
    /// Their law.
    pub distribution: Distribution,
    /// s: what they are multiplied by.
    pub scale: f32,
}

impl Noise {
    /// s·ξ of a whole batch: a row of `pixels` values for each of `chains`.
    ///
    /// # Shapes
    /// - returns `[chains, pixels]`, row-major
    pub fn of_batch(&self, chains: &[u32], pixels: usize) -> Vec<f32> {
        let mut draws = vec![0.0; chains.len() * pixels];
        if pixels > 0 {
            for (&chain, row) in chains.iter().zip(draws.chunks_mut(pixels)) {
                self.key.fill(chain, self.distribution, row);
            }
        }
        draws.iter_mut().for_each(|draw| *draw *= self.scale);
        draws
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCENT: Descent = Descent {
        step_size: 10.0,
        inverse_temperature: 1.0,
        grad_clip: 0.03,
        bounds: [0.0, 1.0],
    };

    #[test]
    fn a_zero_gradient_is_the_identity() {
        assert_eq!(DESCENT.of_pixel(0.37, 0.0), 0.37);
    }

    #[test]
    fn a_small_gradient_moves_by_minus_step_size_times_gradient() {
        assert_eq!(DESCENT.of_pixel(0.5, 0.02), 0.5 - 10.0 * 0.02);
    }

    #[test]
    fn a_large_gradient_is_clamped_and_the_pixel_clipped() {
        assert_eq!(DESCENT.of_pixel(0.5, -7.0), 0.5 + 10.0 * 0.03);
        assert_eq!(DESCENT.of_pixel(0.1, 7.0), 0.0);
        assert_eq!(DESCENT.of_pixel(0.9, -7.0), 1.0);
    }

    #[test]
    fn a_temperature_divides_the_gradient_before_the_clamp() {
        let hot = Descent {
            inverse_temperature: 0.5,
            ..DESCENT
        };
        assert_eq!(hot.of_pixel(0.5, 0.04), 0.5 - 10.0 * 0.02);
        assert_eq!(hot.of_pixel(0.5, 0.08), 0.5 - 10.0 * 0.03);
    }

    #[test]
    fn a_gradient_that_is_not_a_number_stays_one() {
        assert!(DESCENT.of_pixel(0.5, f32::NAN).is_nan());
    }
}
