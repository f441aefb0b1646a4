//! Draw initial weights from the caller's generator, the same on every device.

use burn::tensor::TensorData;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

const NEAR_ZERO_STD: f32 = 1e-10;

/// The distribution of initial weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initialization {
    /// Weights and biases uniform in ±1/√fan-in (PyTorch's default).
    FanInUniform,
    /// Weights normal with variance 2/fan-in, biases zero (He et al. 2015).
    HeNormal,
    /// Weights normal with standard deviation 1e-10, biases zero: the second convolution of a
    /// residual block of the 2019 release, which is thereby its bypass at first.
    NearZero,
}

impl Initialization {
    /// Weights of `shape`, each the sum of `fan_in` inputs' worth.
    pub(crate) fn weights<const D: usize>(
        self,
        shape: [usize; D],
        fan_in: usize,
        rng: &mut impl Rng,
    ) -> TensorData {
        let he_std = (2.0 / fan_in as f32).sqrt();
        let weights = (0..shape.iter().product()).map(|_| match self {
            Self::FanInUniform => uniform_of_fan_in(fan_in, rng),
            Self::HeNormal => he_std * standard_normal(rng),
            Self::NearZero => NEAR_ZERO_STD * standard_normal(rng),
        });
        TensorData::new(weights.collect::<Vec<f32>>(), shape)
    }

    /// Biases of `outputs` units of `fan_in` inputs.
    pub(crate) fn biases(self, outputs: usize, fan_in: usize, rng: &mut impl Rng) -> TensorData {
        let biases = (0..outputs).map(|_| match self {
            Self::FanInUniform => uniform_of_fan_in(fan_in, rng),
            Self::HeNormal | Self::NearZero => 0.0,
        });
        TensorData::new(biases.collect::<Vec<f32>>(), [outputs])
    }
}

/// N(0, 1) by the polar form of two uniforms (Box & Muller 1958).
pub(crate) fn standard_normal(rng: &mut impl Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    radius * (core::f32::consts::TAU * rng.random::<f32>()).cos()
}

fn uniform_of_fan_in(fan_in: usize, rng: &mut impl Rng) -> f32 {
    let bound = 1.0 / (fan_in as f32).sqrt();
    rng.random_range(-bound..=bound)
}
