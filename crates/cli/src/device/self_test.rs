//! Compare what a device computes with what the CPU computes, before a run starts on it.
//!
//! Drivers and compilers of kernels have bugs that show as wrong gradients and nothing else, and a run
//! on wrong gradients looks like a bad recipe. So the actual network's energies and gradients of a few
//! images are computed on both: with constant weights, as for chains, and with weights that are
//! differentiated, as for an update. The device computes as many copies of them as fill a batch of the
//! run, whose size decides how its kernels share the work.

use core::fmt;

use burn::tensor::{Device, Int, Tensor, TensorData};
use ebm_core::{ImageShape, NoiseKey, PhiloxRng, Stream, energy_and_gradient, index_tensor};
use ebm_langevin::noise_images;
use ebm_model::{ConvNetConfig, EnergyModel, Frozen, Network, NetworkConfig, ResNetConfig};
use ebm_train::parameters::{flatten_gradients, trainable};
use thiserror::Error;

use super::ChosenDevice;

/// Images that are compared.
const IMAGES: usize = 4;
/// The largest relative difference of a device that computes the same: room for the ten bits of
/// TF32 through some layers, far below the error of a wrong kernel.
const TOLERANCE: f64 = 0.02;

/// How far a device's results are from the CPU's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Difference {
    /// Of energies: the largest one, relative to the largest energy.
    energy: f64,
    /// Of input gradients: its norm, relative to the gradients' norm.
    gradient: f64,
    /// Of the gradient of the weights, in the same way.
    weights: f64,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            energy,
            gradient,
            weights,
        } = self;
        write!(
            f,
            "energies to {energy:.0e}, gradients to {gradient:.0e} (images) and {weights:.0e} (weights)"
        )
    }
}

/// A device that cannot be trusted.
#[derive(Clone, Debug, Error, PartialEq)]
pub(crate) enum SelfTestError {
    /// It computes something else.
    #[error(
        "{device} does not compute what the CPU computes: energies differ by {:.1e}, their gradients by {:.1e} (images) and {:.1e} (weights) of their size, where at most {TOLERANCE:.0e} is allowed",
        difference.energy,
        difference.gradient,
        difference.weights
    )]
    WrongResults {
        /// The device.
        device: String,
        /// How wrong it is.
        difference: Difference,
    },
    /// It computes nothing.
    #[error("{device} cannot run the network's kernels, for the reason in the messages above")]
    CannotCompute {
        /// The device.
        device: String,
    },
}

/// Compare energies and gradients of a network, in batches of `batch_size`, with those of the same
/// network on the CPU.
///
/// # Errors
/// Where they differ by more than [`TOLERANCE`], are not finite, or are not there.
pub(crate) fn check(
    network: &Network,
    shape: ImageShape,
    batch_size: usize,
    chosen: &ChosenDevice,
) -> Result<Difference, SelfTestError> {
    let network = Frozen::new(network);
    let copies = batch_size.div_ceil(IMAGES);
    let on =
        |device: &Device, copies| Results::of(&network.on_device(device), shape, device, copies);
    let cannot_compute = || SelfTestError::CannotCompute {
        device: chosen.description.clone(),
    };
    let got = on(&chosen.device, copies).ok_or_else(cannot_compute)?;
    let expected = on(&Device::flex(), 1).expect("the CPU computes");
    let difference = Difference::between(&got, &expected.repeated(copies));
    if difference.is_tolerated() {
        return Ok(difference);
    }
    Err(SelfTestError::WrongResults {
        device: chosen.description.clone(),
        difference,
    })
}

/// [`check`] on a convolutional and a conditional residual network in small, with all their layers.
///
/// # Errors
/// As of [`check`].
pub(crate) fn check_device(chosen: &ChosenDevice) -> Result<Difference, SelfTestError> {
    const SHAPE: ImageShape = ImageShape::new(1, 28, 28);
    let residual = ResNetConfig {
        attention: true,
        ..ResNetConfig::resnet32_with_filters(8, 3)
    };
    let networks = [
        NetworkConfig::Conv(ConvNetConfig::uva()),
        NetworkConfig::Conv(ConvNetConfig::mnist_with_filters(16)),
        NetworkConfig::Res(residual),
    ];
    let mut largest = Difference::default();
    for config in networks {
        let mut rng = PhiloxRng::new(NoiseKey::new(0, Stream::Weights, 0), 0);
        let network = config.init(SHAPE, &mut rng, &chosen.device);
        let network = network.expect("networks fit 28×28 pixels");
        largest = largest.max(check(&network, SHAPE, IMAGES, chosen)?);
    }
    Ok(largest)
}

/// What a network computes of copies of a few images of noise.
struct Results {
    /// With constant weights.
    energies: Vec<f32>,
    /// With weights that are differentiated.
    of_update: Vec<f32>,
    gradients: Vec<f32>,
    /// Of the sum of the energies of one copy, with respect to all weights.
    of_weights: Vec<f32>,
}

impl Results {
    /// None where the device fails.
    fn of(
        network: &Frozen<Network>,
        shape: ImageShape,
        device: &Device,
        copies: usize,
    ) -> Option<Self> {
        let images: TensorData = noise_images(IMAGES, shape, 0, &Device::flex()).into_data();
        let x = Tensor::<4>::from_data(images, device).repeat(&[copies, 1, 1, 1]);
        let classes = network.num_classes().max(1) as u32;
        let y: Tensor<1, Int> = index_tensor(&[0, 1, 2, 3].map(|i| i % classes), device);
        let y = y.repeat(&[copies]);
        let energy = |x: Tensor<4>| network.energy_given(x, &y);
        let (energies, gradients) = energy_and_gradient(x.clone(), &energy);
        let network = trainable(Network::clone(network));
        let of_update = network.energy_given(x, &y);
        let of_weights = flatten_gradients(&network, &of_update.clone().sum().backward());
        let floats = |data: TensorData| data.iter::<f32>().collect();
        let of_weights = of_weights / copies as f64;
        Some(Self {
            energies: floats(energies.try_into_data().ok()?),
            of_update: floats(of_update.inner().try_into_data().ok()?),
            gradients: floats(gradients.try_into_data().ok()?),
            of_weights: floats(of_weights.try_into_data().ok()?),
        })
    }

    /// Those of so many copies, from those of one.
    fn repeated(self, copies: usize) -> Self {
        Self {
            energies: self.energies.repeat(copies),
            of_update: self.of_update.repeat(copies),
            gradients: self.gradients.repeat(copies),
            of_weights: self.of_weights,
        }
    }
}

impl Difference {
    fn between(got: &Results, expected: &Results) -> Self {
        let of_norms = |got: &[f32], expected: &[f32]| {
            relative(norm(&differences(got, expected)), norm(&wide(expected)))
        };
        let of_largest = |got: &[f32], expected: &[f32]| {
            relative(
                largest(&differences(got, expected)),
                largest(&wide(expected)),
            )
        };
        Self {
            energy: largest(&[
                of_largest(&got.energies, &expected.energies),
                of_largest(&got.of_update, &expected.of_update),
            ]),
            gradient: of_norms(&got.gradients, &expected.gradients),
            weights: of_norms(&got.of_weights, &expected.of_weights),
        }
    }

    /// Whether all parts are small; what is no number is not.
    fn is_tolerated(&self) -> bool {
        let parts = [self.energy, self.gradient, self.weights];
        parts.iter().all(|part| *part <= TOLERANCE)
    }

    /// The larger of two differences, part by part.
    fn max(self, other: Self) -> Self {
        Self {
            energy: self.energy.max(other.energy),
            gradient: self.gradient.max(other.gradient),
            weights: self.weights.max(other.weights),
        }
    }
}

fn differences(a: &[f32], b: &[f32]) -> Vec<f64> {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)).collect()
}

fn wide(a: &[f32]) -> Vec<f64> {
    a.iter().copied().map(f64::from).collect()
}

/// The largest magnitude. Unlike `f64::max`, keeps what is no number.
fn largest(a: &[f64]) -> f64 {
    let larger = |max: f64, v: &f64| if v.abs() <= max { max } else { v.abs() };
    a.iter().fold(0.0, larger)
}

fn norm(a: &[f64]) -> f64 {
    a.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// 0 where nothing differs, whatever the size.
fn relative(difference: f64, size: f64) -> f64 {
    if difference == 0.0 {
        0.0
    } else {
        difference / size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_computes_the_same_passes() {
        let cpu = crate::device::DeviceChoice::Cpu.select().expect("a CPU");
        assert_eq!(check_device(&cpu), Ok(Difference::default()));
    }

    #[test]
    fn zero_wrong_and_undefined_results_are_far_from_right_ones() {
        let results = |energy: f32, gradient: [f32; 2]| Results {
            energies: vec![1.0, energy],
            of_update: vec![1.0, energy],
            gradients: gradient.to_vec(),
            of_weights: gradient.map(|part| 2.0 * part).to_vec(),
        };
        let of = |energy, gradient| {
            Difference::between(&results(energy, gradient), &results(-2.0, [3.0, 4.0]))
        };
        let same = of(-2.0, [3.0, 4.0]);
        assert_eq!((same.energy, same.gradient), (0.0, 0.0));
        assert_eq!(of(-2.0, [0.0, 0.0]).gradient, 1.0);
        assert_eq!(of(-2.0, [0.0, 0.0]).weights, 1.0);
        assert_eq!(of(-1.5, [3.0, 4.0]).energy, 0.25);
        assert!(of(f32::NAN, [3.0, 4.0]).energy.is_nan());
        assert!(of(-2.0, [f32::NAN, 4.0]).gradient.is_nan());
    }
}
