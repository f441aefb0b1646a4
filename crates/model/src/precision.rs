//! Choose the floating-point precision of the chains' copy of the weights.
//!
//! Chains themselves, the energies of a loss, and trained weights stay in f32. In f16 the sampler's copy
//! of the weights is rounded, and everything that a network computes with it; in bf16 only the factors
//! of the products of convolutions are rounded, as a CPU's instructions or a GPU's matrix units multiply
//! them, and sums stay f32.

use core::fmt;
use core::str::FromStr;

use burn::tensor::{Device, FloatDType};
use ebm_core::DeviceKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A floating-point format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits, 24 of them significant.
    #[default]
    F32,
    /// 16 bits, 11 of them significant, up to 65504.
    F16,
    /// 16 bits, 8 of them significant, with the range of f32.
    Bf16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(text: &str) -> Result<Self, UnknownPrecision> {
        let mut all = Self::ALL.into_iter();
        let named = all.find(|precision| precision.name() == text);
        named.ok_or_else(|| UnknownPrecision(text.to_owned()))
    }
}

/// A text that names no precision.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("expected f32, f16 or bf16, got `{0}`")]
pub struct UnknownPrecision(pub String);

/// A device that does not compute in a format.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("this device does not compute in {precision}")]
pub struct UnsupportedPrecision {
    /// The format.
    pub precision: Precision,
}

impl Precision {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    pub(crate) fn dtype(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::F16 => FloatDType::F16,
            Self::Bf16 => FloatDType::BF16,
        }
    }

    /// Check that a device computes in this format.
    ///
    /// # Errors
    /// Where it does not.
    pub fn check(self, device: &Device) -> Result<(), UnsupportedPrecision> {
        // Kernels round to bf16 what they multiply, whatever the backend's own operations can do.
        let is_supported = match self {
            Self::Bf16 => DeviceKind::is_cpu(device) || has_bf16_units(device),
            _ => device.supports_dtype(self.dtype()),
        };
        if is_supported {
            Ok(())
        } else {
            Err(UnsupportedPrecision { precision: self })
        }
    }
}

/// Whether a GPU has matrix units that the kernels of convolutions use for bf16.
#[cfg(feature = "wgpu")]
fn has_bf16_units(device: &Device) -> bool {
    crate::ops::has_bf16_units(device)
}

/// Whether a GPU has matrix units: there are no GPUs in this build.
#[cfg(not(feature = "wgpu"))]
fn has_bf16_units(_device: &Device) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;
    use ebm_core::{Distribution, Energy, ImageShape, NoiseKey, Stream};
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;
    use crate::{Activation, ConvNetConfig, Frozen, NetworkConfig};

    /// Rounding changes energies and gradients by about what it rounds off, and images stay in f32.
    #[test]
    fn a_rounded_copy_computes_the_same_energy_less_precisely() {
        // Without and with tiles of pixels on the CPU; smooth, as rounding may cross a kink.
        let tiled = ConvNetConfig::mnist_with_filters(32).with_activation(Activation::Swish);
        for config in [ConvNetConfig::uva(), tiled] {
            assert_rounds(NetworkConfig::Conv(config));
        }
    }

    fn assert_rounds(config: NetworkConfig) {
        let (shape, device) = (ImageShape::new(1, 28, 28), Device::flex());
        let mut rng = SmallRng::seed_from_u64(3);
        let net = config.init(shape, &mut rng, &device).expect("fits");
        let net = Frozen::new(&net);
        let x = noise_images(4, shape, &device);
        let of = |precision: Precision| {
            let rounded = net.rounded(precision);
            let (energies, gradients) = rounded.energies_and_gradients(x.clone());
            [energies.flatten::<1>(0, 0), gradients.flatten::<1>(0, 3)]
        };
        let exact = of(Precision::F32);
        for (precision, bits) in [(Precision::F16, 11), (Precision::Bf16, 8)] {
            let rounding = 0.5f32.powi(bits);
            for (got, exact) in of(precision).into_iter().zip(exact.clone()) {
                let norm = |x: Tensor<1>| x.square().sum().sqrt().into_scalar::<f32>();
                let error = norm(got - exact.clone()) / norm(exact);
                assert!(
                    error > 0.05 * rounding && error < 10.0 * rounding,
                    "{error}"
                );
            }
        }
    }

    /// Images of uniform noise.
    fn noise_images(num: usize, shape: ImageShape, device: &Device) -> Tensor<4> {
        let key = NoiseKey::new(0, Stream::Sample, 0);
        let images = (0..num as u32).flat_map(|image| {
            let mut pixels = vec![0.0; shape.pixels()];
            key.fill(image, Distribution::Uniform, &mut pixels);
            pixels
        });
        let pixels: Vec<f32> = images.collect();
        Tensor::<1>::from_floats(pixels.as_slice(), device).reshape(shape.batch(num))
    }

    #[test]
    fn the_cpu_computes_in_every_format() {
        for precision in Precision::ALL {
            assert_eq!(precision.check(&Device::flex()), Ok(()));
        }
    }

    #[test]
    fn every_format_is_read_by_its_name() {
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse::<Precision>(), Ok(precision));
        }
        let error = "f64".parse::<Precision>().expect_err("no such format");
        assert_eq!(error.to_string(), "expected f32, f16 or bf16, got `f64`");
    }
}
