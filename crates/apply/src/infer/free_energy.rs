//! Integrate over latent vectors: the free energy −log ∫ exp(−E(x, z)) dz of an image.

use burn::tensor::{Device, Tensor};
use ebm_langevin::StepCounter;
use ebm_model::LatentEnergy;
use serde::Serialize;

use super::coordinates::{Coordinates, OfImage, Rescaled, gradients_of_coordinates};
use super::starts::SearchOptions;
use crate::evaluate::{Annealing, AnnealingError, AnnealingOptions, Base, Bound};

/// Rows of which a pilot run asks for the energy.
const FEWEST_ROWS: usize = 64;
/// Steps of a pilot run, about: as many levels as there usually are, ten steps each, of 64 chains.
const PILOT_STEPS: usize = 25 * 10;

/// How a free energy is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeEnergyOptions {
    /// Chains, at least 2.
    pub chains: usize,
    /// Inverse temperatures that they go through, at least 1.
    pub temperatures: usize,
    /// Leapfrog steps of each of their steps, at least 1.
    pub leapfrog_steps: usize,
    /// Starts of the descents at whose ends draws of p(z | x) start, at least 1, as of [`SearchOptions`].
    pub starts: usize,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl Default for FreeEnergyOptions {
    fn default() -> Self {
        Self {
            chains: 64,
            temperatures: 100,
            leapfrog_steps: 10,
            starts: SearchOptions::default().starts,
            seed: 0,
        }
    }
}

/// The free energy of an image, by chains that go from a normal law around draws of p(z | x) to p(z | x).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FreeEnergy {
    /// The estimate, in nats: in expectation at least −log ∫ exp(−E(x, z)) dz.
    pub value: f64,
    /// Its standard error, by the spread of the weights: too small where few of them count.
    pub error: f64,
    /// Of so many chains of equal weight the estimate is worth.
    pub effective_chains: f64,
}

/// About as many gradients as [`free_energy_of`] takes, but for the few of its descents.
pub fn free_energy_gradients(options: &FreeEnergyOptions) -> u64 {
    let steps = options.chains * options.temperatures + FEWEST_ROWS * PILOT_STEPS;
    (steps * options.leapfrog_steps + gradients_of_coordinates()) as u64
}

/// The free energy of one image, by annealed importance sampling of z from a normal law to exp(−E(x, ·)).
///
/// It is done in u of z = m + s∘u, from N(0, I), with m and s the mean and the widened standard deviations of draws of
/// p(z | x): p(z | x) may be far narrower than N(0, I), and elsewhere. The draws have random numbers of their own, so
/// that m and s are constants to the estimate, which they cannot bias. They start at the minima of several descents.
/// `counter` counts gradients.
///
/// # Shapes
/// - `image`, `known`: `[1, channels, height, width]`
///
/// # Errors
/// Where an energy is not finite.
///
/// # Panics
/// If there are fewer than 2 chains, or no temperature, leapfrog step or start, or pixels are missing and the energy is
/// a free one.
pub fn free_energy_of(
    model: &dyn LatentEnergy,
    image: &Tensor<4>,
    known: Option<&Tensor<4>>,
    device: &Device,
    options: FreeEnergyOptions,
    counter: StepCounter,
) -> Result<FreeEnergy, AnnealingError> {
    let of_image = OfImage {
        model,
        image,
        known,
    };
    let search = SearchOptions {
        starts: options.starts,
        seed: options.seed,
    }
    .checked();
    let coordinates = Coordinates::find(of_image, device, search, &counter)?;
    let rows = options.chains.max(FEWEST_ROWS);
    let energy = Rescaled::new(of_image.of(rows), coordinates);
    let annealing = AnnealingOptions {
        chains: options.chains,
        temperatures: options.temperatures,
        leapfrog_steps: options.leapfrog_steps,
        base: Base::Normal,
        seed: options.seed,
        ..AnnealingOptions::default()
    };
    let state = [1, model.num_latents()];
    let annealing = Annealing::<2>::of_states(&energy, state, device, annealing, counter);
    let path = annealing.path()?;
    let Bound {
        log_z,
        error,
        effective_chains,
        ..
    } = annealing.forward(&path)?;
    Ok(FreeEnergy {
        value: -log_z,
        error,
        effective_chains,
    })
}
