//! Write latent vectors as z = m + s∘u, so that p(u | x) is near N(0, I), wherever and however narrow p(z | x) is.

use core::ops::Range;

use burn::tensor::{Device, Tensor};
use ebm_core::Energy;
use ebm_langevin::StepCounter;
use ebm_model::{LatentEnergy, Minimum, Posterior};

use super::draws::{adapted_draws, gradients_of_draw};
use super::each_repeated;
use super::starts::{SearchOptions, minima_of};
use crate::evaluate::AnnealingError;

/// Draws of p(z | x) from which the coordinates are taken.
const DRAWS: usize = 64;
/// Steps of each of them, after those in which the length of steps adapts.
const STEPS: usize = 300;
/// s in standard deviations of the draws: the base covers the tails, and what draws that are close to each other miss.
const WIDENED: f64 = 1.5;
/// Draws start at minima whose energy is at most so much above the least, in nats: of p(z | x), what lies around higher
/// ones is less than 1 %, unless they are far wider.
const NEAR: f32 = 5.0;
/// The least s.
const LEAST_STD: f64 = 1e-3;

/// E(x, ·) of one image and its copies, the weights of the model constants.
#[derive(Clone, Copy)]
pub(super) struct OfImage<'a> {
    pub(super) model: &'a dyn LatentEnergy,
    /// `[1, channels, height, width]`.
    pub(super) image: &'a Tensor<4>,
    /// 1 where a pixel is known, of the same shape.
    pub(super) known: Option<&'a Tensor<4>>,
}

impl<'a> OfImage<'a> {
    /// Of so many rows, all of this image.
    pub(super) fn of(self, rows: usize) -> Posterior<'a> {
        let posterior = Posterior::new(self.model, each_repeated(self.image, rows));
        match self.known {
            Some(known) => posterior.with_known(each_repeated(known, rows)),
            None => posterior,
        }
    }
}

/// m and s of z = m + s∘u.
#[derive(Clone, Debug)]
pub(super) struct Coordinates {
    /// m, `[1, latents]`.
    means: Tensor<2>,
    /// s, `[1, latents]`, above 0.
    stds: Tensor<2>,
    /// Σ ln s.
    log_volume: f64,
}

impl Coordinates {
    /// The mean of draws of p(z | x), and their standard deviations, widened. The draws start where descents end.
    ///
    /// # Errors
    /// Where an energy is not finite.
    pub(super) fn find(
        of_image: OfImage<'_>,
        device: &Device,
        search: SearchOptions,
        counter: &StepCounter,
    ) -> Result<Self, AnnealingError> {
        let (model, seed) = (of_image.model, search.seed);
        let of_all = of_image.of(search.starts);
        let minima = minima_of(&of_all, 1, model.inference(), device, search, counter);
        let near = near_least(&minima)?;
        let start = Minimum::latents_of(near, model.num_latents(), device);
        let ids: Vec<u32> = (0..DRAWS as u32).collect();
        let of_draws = (model, &of_image.of(DRAWS));
        let draws = adapted_draws(of_draws, start, &ids, (STEPS, seed), counter);
        Ok(Self::of_draws(draws.ok_or(AnnealingError::NotFinite)?))
    }

    /// # Shapes
    /// - `draws`: `[draws, latents]`
    fn of_draws(draws: Tensor<2>) -> Self {
        let (variances, means) = draws.var_mean(0);
        let stds = (variances.sqrt() * WIDENED).clamp_min(LEAST_STD);
        let log_volume = stds.to_data().iter::<f64>().map(f64::ln).sum();
        Self {
            means,
            stds,
            log_volume,
        }
    }

    /// z of u.
    ///
    /// # Shapes
    /// - `u`, and what returns: `[batch, latents]`
    fn latents(&self, u: Tensor<2>) -> Tensor<2> {
        u * self.stds.clone() + self.means.clone()
    }
}

/// Where the draws start: at each of the minima near the least by turns, the least first.
///
/// # Errors
/// Where an energy is not finite.
fn near_least(minima: &[Minimum]) -> Result<Vec<&Minimum>, AnnealingError> {
    let energies = minima.iter().map(|minimum| minimum.energy);
    if !energies.clone().all(f32::is_finite) {
        return Err(AnnealingError::NotFinite);
    }
    let least = energies.fold(f32::INFINITY, f32::min);
    let is_near = |minimum: &&Minimum| minimum.energy <= least + NEAR;
    let mut near: Vec<_> = minima.iter().filter(is_near).collect();
    near.sort_by(|one, other| one.energy.total_cmp(&other.energy));
    Ok(near.into_iter().cycle().take(DRAWS).collect())
}

/// About as many gradients as [`Coordinates::find`] takes, but for those of descents.
pub(super) fn gradients_of_coordinates() -> usize {
    DRAWS * gradients_of_draw(STEPS)
}

/// E(x, m + s∘u) − Σ ln s, whose integral over u is that of E over z, whatever m and s.
pub(super) struct Rescaled<'a> {
    energy: Box<dyn Energy<2> + 'a>,
    coordinates: Coordinates,
}

impl<'a> Rescaled<'a> {
    pub(super) fn new(energy: impl Energy<2> + 'a, coordinates: Coordinates) -> Self {
        Self {
            energy: Box::new(energy),
            coordinates,
        }
    }
}

impl Energy<2> for Rescaled<'_> {
    fn energies(&self, u: Tensor<2>) -> Tensor<1> {
        let energies = self.energy.energies(self.coordinates.latents(u));
        energies - self.coordinates.log_volume
    }

    fn of_rows(&self, rows: Range<usize>) -> Option<Box<dyn Energy<2> + '_>> {
        let energy = self.energy.of_rows(rows)?;
        Some(Box::new(Rescaled {
            energy,
            coordinates: self.coordinates.clone(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
        tensor.into_data().iter::<f64>().collect()
    }

    #[test]
    fn coordinates_are_the_mean_and_the_widened_spread_of_draws_never_without_width() {
        let draws = Tensor::<2>::from_floats([[1.0, 5.0], [3.0, 5.0]], &Device::flex());
        let coordinates = Coordinates::of_draws(draws);
        assert_eq!(values(coordinates.means.clone()), [2.0, 5.0]);
        let stds = [WIDENED * 2f64.sqrt(), LEAST_STD];
        for (found, std) in values(coordinates.stds.clone()).into_iter().zip(stds) {
            assert!((found - std).abs() < 1e-6, "{found}, not {std}");
        }
        let log_volume = stds[0].ln() + stds[1].ln();
        assert!((coordinates.log_volume - log_volume).abs() < 1e-4);
    }

    #[test]
    fn draws_start_at_minima_near_the_least_by_turns() {
        let minima = [3.0, 1.0, 6.5, 5.5].map(|energy| Minimum {
            latents: vec![energy],
            energy,
        });
        let near = near_least(&minima).expect("finite");
        assert_eq!(near.len(), DRAWS);
        let first: Vec<f32> = near[..5].iter().map(|minimum| minimum.energy).collect();
        assert_eq!(first, [1.0, 3.0, 5.5, 1.0, 3.0]);
        let diverged = minima.map(|minimum| Minimum {
            energy: f32::NAN,
            ..minimum
        });
        let refused = near_least(&diverged).expect_err("not finite");
        assert_eq!(refused, AnnealingError::NotFinite);
    }

    /// Energies of rows: Σz² and the number of the row.
    struct Numbered(Range<usize>);

    impl Energy<2> for Numbered {
        fn energies(&self, z: Tensor<2>) -> Tensor<1> {
            let numbers: Vec<f32> = self.0.clone().map(|row| row as f32).collect();
            let numbers = Tensor::<1>::from_floats(numbers.as_slice(), &Device::flex());
            z.square().sum_dim(1).squeeze_dim::<1>(1) + numbers
        }

        fn of_rows(&self, rows: Range<usize>) -> Option<Box<dyn Energy<2> + '_>> {
            Some(Box::new(Self(
                self.0.start + rows.start..self.0.start + rows.end,
            )))
        }
    }

    #[test]
    fn a_rescaled_energy_is_that_of_z_less_the_logarithm_of_the_volume_piece_by_piece() {
        let device = Device::flex();
        let coordinates = Coordinates {
            means: Tensor::from_floats([[1.0, -1.0]], &device),
            stds: Tensor::from_floats([[2.0, 0.5]], &device),
            log_volume: 0.25,
        };
        let rescaled = Rescaled::new(Numbered(0..3), coordinates);
        // z is (1, −1), (3, −1), (−1, 0).
        let u = Tensor::<2>::from_floats([[0.0, 0.0], [1.0, 0.0], [-1.0, 2.0]], &device);
        let expected = [2.0 - 0.25, 11.0 - 0.25, 3.0 - 0.25];
        assert_eq!(values(rescaled.energies(u.clone())), expected);
        let rows = rescaled.of_rows(1..3).expect("energies of rows");
        let (energies, gradients) = rows.energies_and_gradients(u.narrow(0, 1, 2));
        assert_eq!(values(energies), expected[1..]);
        // 2z·s
        assert_eq!(values(gradients), [12.0, -1.0, -4.0, 0.0]);
    }
}
