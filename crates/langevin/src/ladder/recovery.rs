//! Run chains at the noise level of each image, tied to the same image with more noise.

use core::ops::Range;

use burn::tensor::Tensor;
use ebm_core::Energy;

use super::levels::Ladder;
use crate::constraint::{Free, Tied};
use crate::sampler::{ChainRun, LangevinConfig, Method, Sampler};

/// The middle of [0, 1], about which images are scaled.
const CENTER: f64 = 0.5;

impl Ladder {
    /// What moves the chains of [`recover`](Self::recover): steps z ← z − ½∇V(z) + ξ without bounds, where z is y in
    /// units of the step at its level.
    pub fn steps(num_steps: usize) -> LangevinConfig {
        LangevinConfig::new(num_steps)
            .with_method(Method::Euler)
            .with_flow_time(0.5 * num_steps as f64)
            .with_flow_temperature(1.0)
            .with_flow_heated_from(0.0)
            .with_bounds(None)
    }

    /// Chains of y, each at the level of its image, from `noisier` on, with a sampler of [`steps`](Self::steps):
    ///
    /// U(y) = E(y)/s² + ‖y − x̃‖²/2σ², x̃ = `noisier`, and y ← y − ½s²∇U(y) + s·ξ (Gao et al. 2021, §3.2 and
    /// algorithm 1; E/s² with the s of [−1, 1], see [`Level`](super::Level)). Nothing is tied at the top level, and
    /// nothing is clipped.
    ///
    /// Steps differ from level to level and the sampler has one for all, so that it moves z = (y − ½)/s, whose step
    /// is 1. `energy` is given the level of each image, and the stats of what returns are of U.
    ///
    /// # Shapes
    /// - `noisier`: `[batch, ..]`, not tracked by autodiff; what returns is of that shape
    ///
    /// # Panics
    /// If there are not as many levels and `ids` as images, or a level is not there.
    pub fn recover<const D: usize>(
        &self,
        sampler: &Sampler,
        levels: &[u32],
        noisier: Tensor<D>,
        ids: &[u32],
        energy: &dyn Energy<D>,
    ) -> ChainRun<D> {
        let step = self.for_each(levels, |level| level.step_std, &noisier);
        let rescaled = Rescaled {
            energy: Free::Whole(energy),
            scale: self.for_each(levels, |level| level.energy_scale, &noisier),
            step: step.clone(),
        };
        let ties = levels.iter().map(|&level| {
            let level = self.levels()[level as usize];
            level.tie_std / level.step_std
        });
        let start = (noisier - CENTER) / step.clone();
        let tied = Tied::with_stds(&rescaled, start.clone(), &ties.collect::<Vec<_>>());
        let run = sampler.run(start, ids, &tied);
        let y_of = |z: Tensor<D>| z * step.clone() + CENTER;
        ChainRun {
            x: y_of(run.x),
            trajectory: run.trajectory.into_iter().map(y_of).collect(),
            ..run
        }
    }
}

/// E(½ + s·z)/s² as a function of z, with an s for each image.
struct Rescaled<'a, const D: usize> {
    energy: Free<'a, D>,
    /// s, `[batch, 1, ..]`.
    step: Tensor<D>,
    /// What E is multiplied by, `[batch, 1, ..]`.
    scale: Tensor<D>,
}

impl<const D: usize> Rescaled<'_, D> {
    fn y_of(&self, z: Tensor<D>) -> Tensor<D> {
        z * self.step.clone() + CENTER
    }

    /// E/s² of the energies of all images, `[batch]`.
    fn scaled(&self, energies: Tensor<1>) -> Tensor<1> {
        let batch = energies.dims();
        energies * self.scale.clone().reshape(batch)
    }
}

impl<const D: usize> Energy<D> for Rescaled<'_, D> {
    fn energies(&self, z: Tensor<D>) -> Tensor<1> {
        self.scaled(self.energy.energy().energies(self.y_of(z)))
    }

    fn energies_and_gradients(&self, z: Tensor<D>) -> (Tensor<1>, Tensor<D>) {
        let energy = self.energy.energy();
        let (energies, gradients) = energy.energies_and_gradients(self.y_of(z));
        let slope = self.scale.clone() * self.step.clone();
        (self.scaled(energies), gradients * slope)
    }

    fn of_rows(&self, rows: Range<usize>) -> Option<Box<dyn Energy<D> + '_>> {
        let some = |of_all: &Tensor<D>| of_all.clone().narrow(0, rows.start, rows.len());
        Some(Box::new(Rescaled {
            step: some(&self.step),
            scale: some(&self.scale),
            energy: self.energy.of_rows(rows),
        }))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use ebm_core::energy_and_gradient;

    use super::*;

    fn floats<const D: usize>(x: Tensor<D>) -> Vec<f64> {
        x.into_data().iter::<f64>().collect()
    }

    #[test]
    fn a_rescaled_energy_has_the_gradient_of_the_tape_and_keeps_the_steps_of_rows() {
        let waves = |x: Tensor<2>| -> Tensor<1> { (x * 3.0).sin().sum_dim(1).squeeze_dim(1) };
        let device = Device::flex();
        let column = |values: [f32; 3]| Tensor::<1>::from_floats(values, &device).reshape([3, 1]);
        let rescaled = Rescaled {
            energy: Free::Whole(&waves),
            step: column([0.5, 0.25, 2.0]),
            scale: column([4.0, 16.0, 0.25]),
        };
        let z = Tensor::<2>::from_floats([[0.0, 1.0], [2.0, -1.0], [0.5, 0.25]], &device);
        let (energies, gradients) = rescaled.energies_and_gradients(z.clone());
        // 4·(sin 1.5 + sin 3).
        let first = 4.0 * (1.5f64.sin() + 3f64.sin());
        assert!((floats(energies.clone())[0] - first).abs() < 1e-5);
        let (_, by_tape) = energy_and_gradient(z.clone(), &|z| rescaled.energies(z));
        for (one, other) in floats(gradients.clone()).iter().zip(floats(by_tape)) {
            assert!((one - other).abs() < 1e-5, "{one} is not {other}");
        }
        let rows = rescaled.of_rows(1..3).expect("rows differ");
        let last = rows.of_rows(1..2).expect("rows differ");
        let (some, slopes) = last.energies_and_gradients(z.narrow(0, 2, 1));
        assert_eq!(floats(some), floats(energies.narrow(0, 2, 1)));
        assert_eq!(floats(slopes), floats(gradients.narrow(0, 2, 1)));
    }
}
