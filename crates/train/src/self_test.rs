//! Hold a device to the CPU's numbers before anything is computed on it.
//!
//! Drivers and compilers of kernels have bugs that show as wrong gradients and nothing else, and a run
//! on wrong gradients looks like a bad recipe. So the actual network's energies and input gradients
//! of a few images are computed on both.

use burn::tensor::{Device, Int, Tensor, TensorData};
use ebm_langevin::{NoiseKey, PhiloxRng, Stream, chain_tensor, energy_and_gradient};
use ebm_model::{ConvNetConfig, EnergyModel, ImageShape, Network, NetworkConfig, ResNetConfig};
use thiserror::Error;

use crate::device::Selected;
use crate::parameters;
use crate::sampling::noise_images;

/// Images that are compared.
const IMAGES: usize = 4;
/// The largest relative difference of a device that computes the same: room for the ten bits of
/// TF32 through some layers, far from what a wrong kernel gives.
pub const TOLERANCE: f64 = 0.02;

/// How far a device's numbers are from the CPU's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Of energies: the largest one, relative to the largest energy.
    pub energy: f64,
    /// Of input gradients: its norm, relative to the gradients' norm.
    pub gradient: f64,
}

/// A device that cannot be trusted.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum SelfTestError {
    /// It computes something else.
    #[error(
        "{device} does not compute what the CPU computes: energies differ by {:.1e}, their input gradients by {:.1e} of their size, where at most {TOLERANCE:.0e} is allowed; update its driver, use another device (`ebm devices --check` tries them all), or skip this test with --no-self-test",
        difference.energy,
        difference.gradient
    )]
    WrongNumbers {
        /// The device.
        device: String,
        /// How wrong it is.
        difference: Difference,
    },
    /// It computes nothing.
    #[error(
        "{device} cannot run the network's kernels, for the reason in the messages above; update its driver, or use another device (`ebm devices --check` tries them all)"
    )]
    CannotCompute {
        /// The device.
        device: String,
    },
}

/// Compare energies and input gradients of a network with those of the same network on the CPU.
///
/// # Errors
/// Where they differ by more than [`TOLERANCE`], are not finite, or are not there.
pub fn check(
    network: &Network,
    shape: ImageShape,
    selected: &Selected,
) -> Result<Difference, SelfTestError> {
    let on = |device: &Device| {
        let network = parameters::on_device(network.folded(), device);
        numbers(&network, shape, device)
    };
    let cannot_compute = || SelfTestError::CannotCompute {
        device: selected.description.clone(),
    };
    let got = on(&selected.device).ok_or_else(cannot_compute)?;
    let expected = on(&Device::flex()).expect("the CPU computes");
    let difference = Difference::between(&got, &expected);
    // Written so that what is no number does not pass.
    if difference.energy <= TOLERANCE && difference.gradient <= TOLERANCE {
        return Ok(difference);
    }
    Err(SelfTestError::WrongNumbers {
        device: selected.description.clone(),
        difference,
    })
}

/// [`check`] on a convolutional and a conditional residual network in small, with all their layers.
///
/// # Errors
/// As of [`check`].
pub fn check_device(selected: &Selected) -> Result<Difference, SelfTestError> {
    const SHAPE: ImageShape = ImageShape {
        channels: 1,
        height: 28,
        width: 28,
    };
    let residual = ResNetConfig {
        attention: true,
        ..ResNetConfig::resnet32_with_filters(8, 3)
    };
    let networks = [
        NetworkConfig::Conv(ConvNetConfig::uva()),
        NetworkConfig::Conv(ConvNetConfig::mnist_with_filters(16)),
        NetworkConfig::Res(residual),
    ];
    let mut largest = Difference {
        energy: 0.0,
        gradient: 0.0,
    };
    for config in networks {
        let mut rng = PhiloxRng::new(NoiseKey::new(0, Stream::Weights, 0), 0);
        let network = config.init(SHAPE, &mut rng, &selected.device);
        let difference = check(
            &network.expect("networks fit 28×28 pixels"),
            SHAPE,
            selected,
        )?;
        largest = Difference {
            energy: largest.energy.max(difference.energy),
            gradient: largest.gradient.max(difference.gradient),
        };
    }
    Ok(largest)
}

/// Energies and input gradients of a few images of noise; none where the device fails.
fn numbers(network: &Network, shape: ImageShape, device: &Device) -> Option<[Vec<f32>; 2]> {
    let images: TensorData = noise_images(IMAGES, shape, 0, &Device::flex()).into_data();
    let classes = network.num_classes().max(1) as u32;
    let y: Tensor<1, Int> = chain_tensor(&[0, 1, 2, 3].map(|i| i % classes), device);
    let energy = |x: Tensor<4>| network.energy_given(x, &y);
    let (energies, gradients) = energy_and_gradient(Tensor::from_data(images, device), &energy);
    let (energies, gradients) = (
        energies.try_into_data().ok()?,
        gradients.try_into_data().ok()?,
    );
    let floats = |data: TensorData| data.iter::<f32>().collect();
    Some([floats(energies), floats(gradients)])
}

impl Difference {
    fn between([energy, gradient]: &[Vec<f32>; 2], expected: &[Vec<f32>; 2]) -> Self {
        let differences = |a: &[f32], b: &[f32]| -> Vec<f64> {
            let pairs = a.iter().zip(b);
            pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)).collect()
        };
        let wide = |a: &[f32]| -> Vec<f64> { a.iter().copied().map(f64::from).collect() };
        // Unlike `f64::max`, keeps what is no number.
        let largest = |a: &[f64]| {
            a.iter().fold(0.0, |max: f64, v| match v.abs() <= max {
                true => max,
                false => v.abs(),
            })
        };
        let norm = |a: &[f64]| a.iter().map(|v| v * v).sum::<f64>().sqrt();
        let relative = |difference: f64, size: f64| match difference == 0.0 {
            true => 0.0,
            false => difference / size,
        };
        Self {
            energy: relative(
                largest(&differences(energy, &expected[0])),
                largest(&wide(&expected[0])),
            ),
            gradient: relative(
                norm(&differences(gradient, &expected[1])),
                norm(&wide(&expected[1])),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_computes_the_same_passes() {
        let selected = crate::device::DeviceChoice::Cpu.select().expect("a CPU");
        let none = Difference {
            energy: 0.0,
            gradient: 0.0,
        };
        assert_eq!(check_device(&selected), Ok(none));
    }

    #[test]
    fn zero_wrong_and_missing_numbers_are_far_from_right_ones() {
        let right = [vec![1.0, -2.0], vec![3.0, 4.0]];
        let of = |energy: f32, gradient: [f32; 2]| {
            Difference::between(&[vec![1.0, energy], gradient.to_vec()], &right)
        };
        let same = of(-2.0, [3.0, 4.0]);
        assert_eq!((same.energy, same.gradient), (0.0, 0.0));
        assert_eq!(of(-2.0, [0.0, 0.0]).gradient, 1.0);
        assert_eq!(of(-1.5, [3.0, 4.0]).energy, 0.25);
        assert!(of(f32::NAN, [3.0, 4.0]).energy.is_nan());
        assert!(of(-2.0, [f32::NAN, 4.0]).gradient.is_nan());
    }
}
