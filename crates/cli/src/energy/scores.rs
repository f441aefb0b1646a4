//! Compute energies, with gradients where they are asked for, and summarise them.

use core::fmt;

use burn::tensor::{Device, Tensor};
use ebm_apply::score;
use ebm_core::{Energy, ImageShape};
use ebm_model::{Frozen, Network};

/// Energies and gradients of images.
pub(super) struct Scores {
    /// `[n]`.
    pub(super) energies: Vec<f32>,
    /// `[n, c, h, w]`, or nothing.
    pub(super) gradients: Vec<f32>,
}

impl Scores {
    /// Energies of images `[n, c, h, w]`, all given one class where there is one.
    pub(super) fn of(
        network: &Frozen<Network>,
        bytes: &[u8],
        shape: ImageShape,
        class: Option<u32>,
        with_gradients: bool,
        device: &Device,
    ) -> Self {
        let mut scores = Self {
            energies: Vec::new(),
            gradients: Vec::new(),
        };
        for x in score::chunks(bytes, shape, device) {
            let energy = score::under_class(network, class, x.dims()[0], device);
            scores.add(energy.as_ref(), x, with_gradients);
        }
        scores
    }

    fn add(&mut self, energy: &dyn Energy<4>, x: Tensor<4>, with_gradients: bool) {
        if with_gradients {
            let (energies, gradients) = score::energies_and_gradients(energy, x);
            self.energies.extend(energies);
            self.gradients.extend(gradients);
        } else {
            self.energies.extend(score::energies(energy, x));
        }
    }
}

/// Mean and spread of energies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Statistics {
    mean: f64,
    std: f64,
    num: usize,
}

impl Statistics {
    /// Mean, and standard deviation around it.
    pub(super) fn of(energies: &[f32]) -> Self {
        let num = energies.len();
        let wide: Vec<f64> = energies.iter().copied().map(f64::from).collect();
        let mean = wide.iter().sum::<f64>() / num as f64;
        let squares = wide.iter().map(|energy| (energy - mean).powi(2));
        let std = (squares.sum::<f64>() / num as f64).sqrt();
        Self { mean, std, num }
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mean, std, num } = self;
        write!(
            f,
            "mean energy {mean:.6}, standard deviation {std:.6}, of {num} images"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energies_have_a_mean_and_a_standard_deviation() {
        let statistics = Statistics::of(&[1.0, 2.0, 6.0]);
        let text = "mean energy 3.000000, standard deviation 2.160247, of 3 images";
        assert_eq!(statistics.to_string(), text);
    }
}
