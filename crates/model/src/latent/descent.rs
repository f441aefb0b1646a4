//! Descend to minima of an energy of latent vectors, by steps as long as its curvature allows, until it no longer falls.
//!
//! Raydan, *The Barzilai and Borwein gradient method for the large scale unconstrained minimization problem* (1997). A
//! step is accepted where its energy is below the highest of the last ones, so that it may rise for a few steps; the
//! least energy on the way counts.

use core::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::{Energy, each_piece};
use ebm_langevin::StepCounter;

/// A descent ends where its energy has fallen by less than this in [`PATIENCE`] steps, in nats.
const LEAST_FALL: f32 = 1e-3;
const PATIENCE: usize = 25;
/// M: accepted energies with the highest of which that of a step is compared.
const COMPARED: usize = 10;
/// γ: the energy must fall by this share of what the slope promises.
const SUFFICIENT: f64 = 1e-4;
/// σ: what a step that was refused is multiplied by.
const SHRINK: f64 = 0.25;
/// The shortest step, 1/α, and the longest.
const SIZES: [f64; 2] = [1e-10, 1e10];

/// Where a descent has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimum {
    /// z.
    pub latents: Vec<f32>,
    /// E there; not finite where it is so where the descent starts.
    pub energy: f32,
}

impl Minimum {
    /// z of minima, `[minima, latents]`.
    pub fn latents_of<'a>(
        minima: impl IntoIterator<Item = &'a Self>,
        latents: usize,
        device: &Device,
    ) -> Tensor<2> {
        let each = minima.into_iter().flat_map(|minimum| &minimum.latents);
        let values: Vec<f32> = each.copied().collect();
        let shape = [values.len() / latents, latents];
        Tensor::from_data(TensorData::new(values, shape), device)
    }
}

/// How descents go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DescentSteps {
    /// The most of them.
    pub most: usize,
    /// The size of the first.
    pub first_size: f64,
}

/// The least energy on a descent from every row of `start`, each by itself. What is found with more steps is never higher.
///
/// Rows of a piece are computed together, on a CPU on a thread. `counter` counts gradients.
///
/// # Shapes
/// - `start`: `[batch, latents]`
pub fn descend(
    energy: &dyn Energy<2>,
    start: &Tensor<2>,
    pieces: Vec<Range<usize>>,
    steps: DescentSteps,
    counter: &StepCounter,
) -> Vec<Minimum> {
    let found = each_piece(&start.device(), pieces, |some| {
        let start = start.clone().narrow(0, some.start, some.len());
        let of_rows = energy.of_rows(some);
        descend_together(of_rows.as_deref().unwrap_or(energy), start, steps, counter)
    });
    found.concat()
}

/// The same of all rows as one piece.
fn descend_together(
    energy: &dyn Energy<2>,
    start: Tensor<2>,
    steps: DescentSteps,
    counter: &StepCounter,
) -> Vec<Minimum> {
    let (shape, device) = (start.dims(), start.device());
    let points = |values: Vec<f32>| {
        counter.add(shape[0]);
        points_at(energy, values, shape, &device)
    };
    let begun = points(start.into_data().iter::<f32>().collect());
    let begun = begun.into_iter();
    let mut descents: Vec<_> = begun.map(|at| Descent::new(at, steps.first_size)).collect();
    for _ in 0..steps.most {
        if descents.iter().all(|descent| descent.has_ended) {
            break;
        }
        let proposed = points(descents.iter().flat_map(Descent::proposal).collect());
        for (descent, proposed) in descents.iter_mut().zip(proposed) {
            descent.go(proposed);
        }
    }
    let least = descents.into_iter().map(|descent| descent.least);
    least.collect()
}

/// z, E(z) and ∇E(z).
#[derive(Clone, Debug)]
struct Point {
    latents: Vec<f32>,
    energy: f32,
    gradient: Vec<f32>,
}

/// The points at the rows of `values`.
fn points_at(
    energy: &dyn Energy<2>,
    values: Vec<f32>,
    shape: [usize; 2],
    device: &Device,
) -> Vec<Point> {
    let z = Tensor::from_data(TensorData::new(values.clone(), shape), device);
    let (energies, gradients) = energy.energies_and_gradients(z);
    let [energies, gradients]: [Vec<f32>; 2] = [
        energies.into_data().iter::<f32>().collect(),
        gradients.into_data().iter::<f32>().collect(),
    ];
    let rows = values.chunks_exact(shape[1]);
    let rows = rows.zip(gradients.chunks_exact(shape[1])).zip(energies);
    rows.map(|((latents, gradient), energy)| Point {
        latents: latents.to_vec(),
        energy,
        gradient: gradient.to_vec(),
    })
    .collect()
}

/// A descent under way.
struct Descent {
    at: Point,
    least: Minimum,
    /// 1/α: the next step is z ← z − (1/α)·∇E(z).
    size: f64,
    /// Energies of the last points that were accepted, at most [`COMPARED`].
    recent: Vec<f32>,
    steps: usize,
    /// The least energy [`PATIENCE`] steps ago.
    before: f32,
    has_ended: bool,
}

impl Descent {
    fn new(at: Point, size: f64) -> Self {
        Self {
            least: Minimum {
                latents: at.latents.clone(),
                energy: at.energy,
            },
            size,
            recent: vec![at.energy],
            steps: 0,
            before: at.energy,
            has_ended: !at.energy.is_finite(),
            at,
        }
    }

    /// z − (1/α)·∇E(z).
    fn proposal(&self) -> Vec<f32> {
        let elements = self.at.latents.iter().zip(&self.at.gradient);
        let moved = elements.map(|(&z, &slope)| f64::from(z) - self.size * f64::from(slope));
        moved.map(|z| z as f32).collect()
    }

    /// Accept or refuse what was proposed; once the descent has ended, nothing.
    fn go(&mut self, proposed: Point) {
        if self.has_ended {
            return;
        }
        if self.accepts(&proposed) {
            self.size = self.size_after(&proposed);
            if proposed.energy < self.least.energy {
                self.least = Minimum {
                    latents: proposed.latents.clone(),
                    energy: proposed.energy,
                };
            }
            if self.recent.len() == COMPARED {
                self.recent.remove(0);
            }
            self.recent.push(proposed.energy);
            self.at = proposed;
        } else {
            self.size = (self.size * SHRINK).max(SIZES[0]);
        }
        self.steps += 1;
        if self.steps.is_multiple_of(PATIENCE) {
            self.has_ended = self.before - self.least.energy < LEAST_FALL;
            self.before = self.least.energy;
        }
    }

    /// E(z′) ≤ max E − γ·(1/α)·‖∇E(z)‖², the maximum over the last points (Raydan 1997, step 3).
    fn accepts(&self, proposed: &Point) -> bool {
        let highest = self
            .recent
            .iter()
            .copied()
            .fold(f32::NEG_INFINITY, f32::max);
        let slopes = self.at.gradient.iter().map(|&slope| f64::from(slope));
        let promised = self.size * slopes.map(|slope| slope * slope).sum::<f64>();
        f64::from(proposed.energy) <= f64::from(highest) - SUFFICIENT * promised
    }

    /// ‖s‖²/⟨s, y⟩, s the step and y the change of the gradient (Barzilai & Borwein 1988, eq. 5): the inverse of the
    /// curvature along the step; where that is not positive, twice the last size.
    fn size_after(&self, next: &Point) -> f64 {
        let differences = |after: &[f32], before: &[f32]| -> Vec<f64> {
            let elements = after.iter().zip(before);
            let each = elements.map(|(&after, &before)| f64::from(after) - f64::from(before));
            each.collect()
        };
        let step = differences(&next.latents, &self.at.latents);
        let change = differences(&next.gradient, &self.at.gradient);
        let length = step.iter().map(|step| step * step).sum::<f64>();
        let bend = step
            .iter()
            .zip(&change)
            .map(|(step, change)| step * change)
            .sum::<f64>();
        let size = if bend > 0.0 {
            length / bend
        } else {
            2.0 * self.size
        };
        size.clamp(SIZES[0], SIZES[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: DescentSteps = DescentSteps {
        most: 500,
        first_size: 1e-3,
    };

    fn point(z: f32) -> Point {
        Point {
            latents: vec![z],
            energy: z * z,
            gradient: vec![2.0 * z],
        }
    }

    #[test]
    fn a_step_is_as_long_as_the_curvature_of_the_last_one_allows() {
        let mut descent = Descent::new(point(1.0), 0.25);
        assert_eq!(descent.proposal(), [0.5]);
        descent.go(point(0.5));
        // The curvature is 2.
        assert_eq!((descent.size, descent.proposal()), (0.5, vec![0.0]));
    }

    #[test]
    fn a_step_that_rises_above_all_recent_energies_is_refused_and_one_below_any_is_not() {
        let mut descent = Descent::new(point(1.0), 4.0);
        for refused in [-7.0, f32::NAN] {
            descent.go(point(refused));
        }
        assert_eq!((descent.at.energy, descent.size), (1.0, 0.25));
        descent.go(point(0.5));
        descent.go(point(0.75));
        assert_eq!((descent.at.energy, descent.least.energy), (0.5625, 0.25));
        assert_eq!(descent.least.latents, [0.5]);
    }

    /// Σ λᵢ(zᵢ − 1)²/2 with λ from 1 to 1 000.
    fn stretched(z: Tensor<2>) -> Tensor<1> {
        let curvatures: [f32; 8] = core::array::from_fn(|i| 10f32.powf(i as f32 * 3.0 / 7.0));
        let curvatures = Tensor::<2>::from_floats([curvatures], &z.device());
        let energies = (z - 1.0).square() * curvatures / 2.0;
        energies.sum_dim(1).squeeze_dim::<1>(1)
    }

    #[test]
    fn descents_end_at_the_least_energy_whatever_their_first_step() {
        for size in [1e-5, 1e-3, 1.0] {
            let start = Tensor::zeros([1, 8], &Device::flex());
            let counter = StepCounter::default();
            let steps = DescentSteps {
                first_size: size,
                ..STEPS
            };
            let found = descend_together(&stretched, start, steps, &counter);
            // They stop where the energy falls by less than 0.001 in 25 steps.
            assert!(found[0].energy < 5e-3, "{size}: {found:?}");
            assert!(counter.gradients() < STEPS.most as u64, "{size}");
        }
    }

    #[test]
    fn rows_descend_by_themselves_and_without_steps_stay() {
        let device = Device::flex();
        let rows = [[0.0f32; 8], [1.0; 8], [-3.0; 8]];
        let found = |rows: &[[f32; 8]], steps| {
            let start: Vec<_> = rows
                .iter()
                .map(|&row| Tensor::<2>::from_floats([row], &device))
                .collect();
            let counter = StepCounter::default();
            let start = Tensor::cat(start, 0);
            descend_together(&stretched, start, steps, &counter)
        };
        let together = found(&rows, STEPS);
        for (row, minimum) in rows.iter().zip(&together) {
            let alone = &found(&[*row], STEPS)[0];
            assert!((alone.energy - minimum.energy).abs() < 1e-5);
        }
        for (row, minimum) in rows
            .iter()
            .zip(found(&rows, DescentSteps { most: 0, ..STEPS }))
        {
            assert_eq!(minimum.latents, row);
        }
    }

    #[test]
    fn an_energy_that_is_not_finite_is_told_and_not_left() {
        let start = Tensor::<2>::from_floats([[f32::NAN; 8], [0.0; 8]], &Device::flex());
        let found = descend_together(&stretched, start, STEPS, &StepCounter::default());
        assert!(found[0].energy.is_nan() && found[1].energy < 5e-3);
    }
}
