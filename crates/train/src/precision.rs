//! Choose the numbers in which chains see the energy.
//!
//! Chains themselves, the energies that a loss is made of, and trained weights stay in f32: what is
//! rounded is the sampler's copy of the weights, and what a network computes with it; on a CPU in bf16
//! only the factors of its products are. In f32, too, a GPU's matrix units may round them (TF32).

use core::fmt;

use burn::module::{ModuleMapper, Param};
use burn::tensor::{Device, FloatDType, Tensor};
use clap::ValueEnum;
use ebm_langevin::is_cpu;
use ebm_model::{EnergyModel, Factors};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::device::Selected;

/// A floating-point format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits, 24 of them significant
    #[default]
    F32,
    /// 16 bits, 11 of them significant, up to 65504
    F16,
    /// 16 bits, 8 of them significant, as far as f32
    Bf16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        })
    }
}

/// A device that does not compute in a format.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{device} does not compute in {precision}; use --precision f32")]
pub struct UnsupportedPrecision {
    /// The device.
    pub device: String,
    /// The format.
    pub precision: Precision,
}

impl Precision {
    fn dtype(self) -> FloatDType {
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
    pub fn check(self, selected: &Selected) -> Result<(), UnsupportedPrecision> {
        // A CPU's kernels round what they multiply, whatever the backend's own operations can do.
        let in_kernels = self == Self::Bf16 && selected.is_cpu;
        match in_kernels || selected.device.supports_dtype(self.dtype()) {
            true => Ok(()),
            false => Err(UnsupportedPrecision {
                device: selected.description.clone(),
                precision: self,
            }),
        }
    }

    /// A constant network for `device`, with its weights rounded, in which a
    /// [`Network`](ebm_model::Network) then computes.
    pub fn rounded<M: EnergyModel>(self, frozen: &M, device: &Device) -> M {
        struct Mapper(FloatDType);
        impl ModuleMapper for Mapper {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|weight| weight.cast(self.0))
            }
        }
        match self {
            Self::F32 => frozen.clone(),
            Self::Bf16 if is_cpu(device) => frozen.folded_in(Factors::Bf16),
            // Folded again, as what was made of the weights holds their old numbers.
            _ => frozen.clone().map(&mut Mapper(self.dtype())).folded(),
        }
    }
}

#[cfg(test)]
mod tests {
    use ebm_langevin::energy_and_gradient;
    use ebm_model::{Activation, ConvNetConfig, ImageShape, NetworkConfig};
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;
    use crate::device::DeviceChoice;
    use crate::sampling::noise_images;

    /// Rounding changes energies and gradients by about what it rounds off, and images stay in f32.
    #[test]
    fn a_rounded_copy_computes_the_same_energy_less_precisely() {
        // Without and with tiles of pixels on the CPU; smooth, as a kink turns what is near it around.
        let tiled = ConvNetConfig::mnist_with_filters(32).with_activation(Activation::Swish);
        for config in [ConvNetConfig::uva(), tiled] {
            assert_rounds(NetworkConfig::Conv(config));
        }
    }

    fn assert_rounds(config: NetworkConfig) {
        let (shape, device) = (ImageShape::new(1, 28, 28), Device::flex());
        let mut rng = SmallRng::seed_from_u64(3);
        let net = config
            .init(shape, &mut rng, &device)
            .expect("fits")
            .folded();
        let x = noise_images(4, shape, 0, &device);
        let of = |precision: Precision| {
            let net = precision.rounded(&net, &device);
            let (energies, gradients) = energy_and_gradient(x.clone(), &|x| net.energy(x));
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

    #[test]
    fn the_cpu_computes_in_every_format() {
        let cpu = DeviceChoice::Cpu.select().expect("there is a CPU");
        for precision in Precision::value_variants() {
            assert!(precision.check(&cpu).is_ok());
        }
    }
}
