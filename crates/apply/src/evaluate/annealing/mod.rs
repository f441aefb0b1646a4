//! Estimate log Z of an energy in a box by annealed importance sampling (Neal 2001), from below and from
//! above.
//!
//! Chains go from uniform noise to p(x) = exp(−E(x)/T)/Z over p_β(x) ∝ exp(−βE(x)/T), β from 0 to 1, one step
//! of Hamiltonian Monte Carlo at every β. With w the importance weights, E[w] = Z/Z₀, Z₀ the volume of the box,
//! so that ln mean w is in expectation at most ln Z/Z₀. Chains from samples of p go the same way back; their
//! weights have E[1/w] = Z₀/Z, and −ln mean 1/w is in expectation at least ln Z/Z₀ (Grosse, Ghahramani &
//! Adams 2015, §3.1). That holds as far as they start from exact samples.
//!
//! Where the βs lie, and how long steps are, is found by a pilot run, whose chains count for nothing else: βs
//! have a constant thermodynamic length ∫ sd_β(E/T) dβ between them, which makes the variance of ln w smallest
//! (Gelman & Meng 1998, §4.2). So is T, where it is not given: the likelihood of data is greatest at the T at
//! which the mean energy under p is theirs. Chains stop following the temperature where they freeze in wells of
//! different depths, or where two phases exist beside each other; T then is the lowest before that.
//!
//! States without bounds start from N(0, I) instead, and p_β(x) ∝ exp(−½‖x‖² − β(E(x) − ½‖x‖²)/T): what E has
//! beyond the energy of N(0, I) is annealed alone.
//!
//! Reading order: `path` (the pilot run) → this file (weights and what they say) → `chains` (steps).

mod chains;
mod path;

use burn::tensor::{Device, Tensor};
use ebm_core::rows::row_sums;
use ebm_core::{Distribution, Energy, ImageShape, NoiseKey, Stream, index_tensor};
use ebm_langevin::{Noise, StepCounter, perturb};
use serde::Serialize;
use thiserror::Error;

use super::moments::{deviation, error_of_mean, mean};
use chains::Chains;
pub use path::{AnnealingPath, TemperatureChoice};

/// Keys of [`Stream::Sample`]: steps of a pilot run, forward, before those back, and back; each plus this,
/// where their chains start.
const PILOT: u32 = 20;
const FORWARD: u32 = 21;
const SETTLE: u32 = 22;
const BACK: u32 = 23;
const STARTS: u32 = 10;

/// How log Z is estimated.
#[derive(Clone, Debug, PartialEq)]
pub struct AnnealingOptions {
    /// Chains in each direction, at least 2.
    pub chains: usize,
    /// Inverse temperatures above 0, at least 1.
    pub temperatures: usize,
    /// Leapfrog steps of a step of Hamiltonian Monte Carlo, at least 1.
    pub leapfrog_steps: usize,
    /// T, or how it is found.
    pub temperature: Temperature,
    /// Where chains start.
    pub base: Base,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl Default for AnnealingOptions {
    fn default() -> Self {
        Self {
            chains: 256,
            temperatures: 1000,
            leapfrog_steps: 10,
            temperature: Temperature::Fixed(1.0),
            base: Base::Uniform([0.0, 1.0]),
            seed: 0,
        }
    }
}

/// The density from which chains start, whose log Z₀ is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Base {
    /// Uniform between these bounds of every element, which chains never leave.
    Uniform([f64; 2]),
    /// N(0, I), without bounds.
    Normal,
}

impl Base {
    /// ln Z₀ of states of so many elements: of the volume of the box, or of exp(−½‖x‖²).
    fn log_z(self, elements: usize) -> f64 {
        let of_element = match self {
            Self::Uniform([low, high]) => (high - low).ln(),
            Self::Normal => core::f64::consts::TAU.ln() / 2.0,
        };
        elements as f64 * of_element
    }

    /// What E has beyond the energy of this density, from energies of states `x`.
    ///
    /// # Shapes
    /// - `energies`, and what returns: `[batch]`, `x`: `[batch, ..]`
    fn beyond<const D: usize>(self, energies: Tensor<1>, x: &Tensor<D>) -> Tensor<1> {
        match self {
            Self::Uniform(_) => energies,
            Self::Normal => energies - half_square(x),
        }
    }
}

/// ½‖x‖² of every state, `[batch]`.
fn half_square<const D: usize>(x: &Tensor<D>) -> Tensor<1> {
    row_sums(x.clone().square()) / 2.0
}

/// T of p(x) ∝ exp(−E(x)/T).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Temperature {
    /// This one.
    Fixed(f64),
    /// That at which the mean energy under p is this one, as nearly as the 64 chains of a pilot run find it; or,
    /// where they stop following the temperature above that, the lowest at which they still did.
    OfMeanEnergy(f64),
}

/// What chains in one direction say of log Z.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bound {
    /// The estimate of log Z, in nats.
    pub log_z: f64,
    /// Its standard error, by the spread of the weights: too small where few of them count.
    pub error: f64,
    /// (Σw)²/Σw²: of so many chains of equal weight the estimate is worth.
    pub effective_chains: f64,
    /// Mean over the chains of what each by itself says of log Z, in nats.
    pub mean_of_chains: f64,
    /// Standard deviation of that.
    pub std_of_chains: f64,
    /// Chains.
    pub chains: usize,
}

/// An energy that cannot be annealed.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum AnnealingError {
    /// It, or its gradient, is not finite somewhere on the way.
    #[error("the energy is not finite on the way from noise to samples: log Z cannot be estimated")]
    NotFinite,
    /// No temperature makes images of the mean energy `target` likelier than uniform noise.
    #[error(
        "uniform noise has a mean energy of {noise}, no more than the {target} of the images that are to be likely: \
         at no temperature are they likelier than noise"
    )]
    NoiseIsAsLikely {
        /// Mean energy of noise.
        noise: f64,
        /// Mean energy that is asked for.
        target: f64,
    },
}

/// An energy, and how it is annealed: one of images, or of any other states.
pub struct Annealing<'a, const D: usize = 4> {
    energy: &'a dyn Energy<D>,
    /// Dimensions of one state, the first of them 1.
    state: [usize; D],
    device: &'a Device,
    options: AnnealingOptions,
    counter: StepCounter,
}

impl<'a> Annealing<'a, 4> {
    /// Anneal `energy` of images of this shape. `counter` counts gradients.
    ///
    /// # Panics
    /// If there are fewer than 2 chains, or no inverse temperature or leapfrog step.
    pub fn new(
        energy: &'a dyn Energy<4>,
        shape: ImageShape,
        device: &'a Device,
        options: AnnealingOptions,
        counter: StepCounter,
    ) -> Self {
        Self::of_states(energy, shape.batch(1), device, options, counter)
    }
}

impl<'a, const D: usize> Annealing<'a, D> {
    /// Anneal `energy` of states of these dimensions, the first of which is the batch's. `counter` counts gradients.
    /// An energy that differs between the rows of a batch is asked for as many rows as there are chains, and for
    /// those of a pilot run, which are 64.
    ///
    /// # Panics
    /// If there are fewer than 2 chains, or no inverse temperature or leapfrog step.
    pub fn of_states(
        energy: &'a dyn Energy<D>,
        state: [usize; D],
        device: &'a Device,
        options: AnnealingOptions,
        counter: StepCounter,
    ) -> Self {
        let AnnealingOptions {
            chains,
            temperatures,
            leapfrog_steps,
            ..
        } = options;
        assert!(
            chains >= 2 && temperatures >= 1 && leapfrog_steps >= 1,
            "expected at least 2 chains, 1 temperature and 1 leapfrog step, got {chains}, {temperatures} and \
             {leapfrog_steps}"
        );
        Self {
            energy,
            state: Self::batch(state, 1),
            device,
            options,
            counter,
        }
    }

    /// Dimensions of so many states.
    fn batch(mut state: [usize; D], states: usize) -> [usize; D] {
        state[0] = states;
        state
    }

    /// Elements of a state.
    fn elements(&self) -> usize {
        self.state.iter().product()
    }

    /// ln Z₀.
    fn log_base(&self) -> f64 {
        self.options.base.log_z(self.elements())
    }

    /// From the base to the energy: a lower bound of log Z, in expectation.
    ///
    /// # Errors
    /// Where the energy is not finite.
    pub fn forward(&self, path: &AnnealingPath) -> Result<Bound, AnnealingError> {
        let noise = self.noise(self.options.chains, FORWARD);
        let log_weights = self.anneal(noise, path, Direction::Forward)?;
        Ok(self.bound(&log_weights, 1.0))
    }

    /// From samples to the base: an upper bound of log Z, in expectation, where they are exact samples of
    /// p. `samples` first take `settling` steps at β = 1, which bring other images nearer to p.
    ///
    /// # Shapes
    /// - `samples`: `[chains, ..]`, within the bounds of the base, if any
    ///
    /// # Errors
    /// Where the energy is not finite.
    pub fn back(
        &self,
        samples: Tensor<D>,
        path: &AnnealingPath,
        settling: usize,
    ) -> Result<Bound, AnnealingError> {
        let mut chains = Chains::start(self, samples, SETTLE);
        for _ in 0..settling {
            chains.step(path.temperature, path.step_sizes[path.step_sizes.len() - 1])?;
        }
        let log_weights = self.anneal(chains.positions(), path, Direction::Back)?;
        Ok(self.bound(&log_weights, -1.0))
    }

    /// The logarithms of the weights of chains from `start` over the path, without Z₀: of w forward, of 1/w
    /// back.
    fn anneal(
        &self,
        start: Tensor<D>,
        path: &AnnealingPath,
        direction: Direction,
    ) -> Result<Vec<f64>, AnnealingError> {
        let key = match direction {
            Direction::Forward => FORWARD,
            Direction::Back => BACK,
        };
        let mut chains = Chains::start(self, start, key);
        let mut log_weights = vec![0.0; chains.len()];
        let below = |index: usize| {
            if index == 0 {
                0.0
            } else {
                path.betas[index - 1]
            }
        };
        let mut add = |chains: &Chains<'_, '_, D>, difference: f64| {
            for (weight, energy) in log_weights.iter_mut().zip(chains.energies()) {
                *weight -= difference * energy / path.temperature;
            }
        };
        let len = path.betas.len();
        match direction {
            // w = Π p_{k+1}(x_k)/p_k(x_k): weigh, then move at the new β, but for the last, after which nothing
            // is weighed.
            Direction::Forward => {
                for index in 0..len {
                    add(&chains, path.betas[index] - below(index));
                    if index + 1 == len {
                        break;
                    }
                    chains.step(path.temperature / path.betas[index], path.step_sizes[index])?;
                }
            }
            // The same in reverse: move at β, then weigh against the β below.
            Direction::Back => {
                for index in (0..len).rev() {
                    chains.step(path.temperature / path.betas[index], path.step_sizes[index])?;
                    add(&chains, below(index) - path.betas[index]);
                }
            }
        }
        Ok(log_weights)
    }

    /// What the logarithms of weights say, `sign` 1 for those of w, −1 for those of 1/w.
    fn bound(&self, log_weights: &[f64], sign: f64) -> Bound {
        let most = log_weights
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        let weights = log_weights.iter().map(|weight| (weight - most).exp());
        let weights: Vec<f64> = weights.collect();
        let sum: f64 = weights.iter().sum();
        let squares: f64 = weights.iter().map(|weight| weight * weight).sum();
        let (weight, base) = (mean(&weights), self.log_base());
        Bound {
            log_z: base + sign * (most + weight.ln()),
            // The first order of ln around the mean.
            error: error_of_mean(&weights) / weight,
            effective_chains: sum * sum / squares,
            mean_of_chains: base + sign * mean(log_weights),
            std_of_chains: deviation(log_weights),
            chains: log_weights.len(),
        }
    }

    /// Samples of the base, `[chains, ..]`.
    fn noise(&self, chains: usize, key: u32) -> Tensor<D> {
        let ids: Vec<u32> = (0..chains as u32).collect();
        let base = self.options.base;
        let noise = Noise {
            key: NoiseKey::new(self.options.seed, Stream::Sample, key + STARTS),
            distribution: match base {
                Base::Uniform(_) => Distribution::Uniform,
                Base::Normal => Distribution::Normal,
            },
            scale: 1.0,
        };
        let zeros = Tensor::zeros(Self::batch(self.state, chains), self.device);
        let draws = perturb(zeros, &index_tensor(&ids, self.device), noise);
        match base {
            Base::Uniform([low, high]) => draws * (high - low) + low,
            Base::Normal => draws,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Forward,
    Back,
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    use super::super::vectors::testing::normal;
    use super::*;

    const SHAPE: ImageShape = ImageShape::new(1, 4, 4);
    const PIXELS: f64 = 16.0;

    fn rows(x: Tensor<4>) -> Tensor<2> {
        x.flatten(1, 3)
    }

    /// (x − center)²/2·std², summed over the pixels.
    fn bowl(x: Tensor<4>, center: f64, std: f64) -> Tensor<1> {
        let squares = rows(x - center).square() / (2.0 * std * std);
        squares.sum_dim(1).squeeze_dim(1)
    }

    /// ln of ∫ exp(−(x − center)²/2σ²) over [low, high].
    fn log_integral(center: f64, std: f64, [low, high]: [f64; 2]) -> f64 {
        let scaled = |bound: f64| libm::erf((bound - center) / (std * 2f64.sqrt()));
        (std * (core::f64::consts::PI / 2.0).sqrt() * (scaled(high) - scaled(low))).ln()
    }

    /// Normal values with this standard deviation around a centre each, those outside the bounds drawn
    /// again.
    fn exact(
        chains: usize,
        std: f64,
        bounds: [f64; 2],
        center: impl Fn(usize) -> f64,
    ) -> Tensor<4> {
        let draws = normal(100 * chains, 1, 0.0, std, 7);
        let mut draws = draws.rows().map(|row| row[0]);
        let mut values = Vec::new();
        for chain in 0..chains {
            for _ in 0..SHAPE.pixels() {
                let mut inside = draws.by_ref().map(|draw| center(chain) + draw);
                let value = inside.find(|value| (bounds[0]..bounds[1]).contains(value));
                values.push(value.expect("enough draws") as f32);
            }
        }
        Tensor::from_data(
            TensorData::new(values, SHAPE.batch(chains)),
            &Device::flex(),
        )
    }

    #[track_caller]
    fn assert_sandwiched(
        energy: &dyn Energy<4>,
        options: AnnealingOptions,
        samples: Tensor<4>,
        log_z: f64,
    ) {
        let device = Device::flex();
        let annealing = Annealing::new(
            energy,
            SHAPE,
            &device,
            options.clone(),
            StepCounter::default(),
        );
        let path = annealing.path().expect("finite");
        assert_eq!(path.len(), options.temperatures);
        assert!(path.betas.is_sorted() && path.betas[0] > 0.0);
        let lower = annealing.forward(&path).expect("finite");
        let upper = annealing.back(samples, &path, 0).expect("finite");
        for bound in [lower, upper] {
            let off = (bound.log_z - log_z) / bound.error;
            assert!(
                off.abs() < 5.0,
                "{bound:?}, not {log_z}: {off} standard errors"
            );
            assert!(
                bound.effective_chains > 0.2 * options.chains as f64,
                "{bound:?}"
            );
            assert!(bound.error < 0.2, "{bound:?}");
        }
        assert!(
            lower.mean_of_chains < log_z && log_z < upper.mean_of_chains,
            "{lower:?} {upper:?}"
        );
    }

    #[test]
    fn log_z_of_a_gaussian_in_a_box_is_found_from_both_sides() {
        // Wide enough that the walls cut it, and off the middle.
        let bounds = [-0.1, 1.1];
        let options = AnnealingOptions {
            chains: 128,
            temperatures: 200,
            temperature: Temperature::Fixed(0.5),
            base: Base::Uniform(bounds),
            ..AnnealingOptions::default()
        };
        let (center, std) = (0.7, 0.2);
        let energy = |x: Tensor<4>| bowl(x, center, std);
        // At T = ½ it is narrower by √2.
        let narrower = std * 0.5f64.sqrt();
        let log_z = PIXELS * log_integral(center, narrower, bounds);
        let samples = exact(options.chains, narrower, bounds, |_| center);
        assert_sandwiched(&energy, options, samples, log_z);
    }

    #[test]
    fn log_z_of_a_mixture_of_two_far_gaussians_is_found_from_both_sides() {
        let bounds = [0.0, 1.0];
        let options = AnnealingOptions {
            chains: 256,
            temperatures: 120,
            seed: 3,
            ..AnnealingOptions::default()
        };
        let std = 0.12;
        // exp(−E) = exp(−E₁) + 3 exp(−E₂).
        let energy = |x: Tensor<4>| {
            let (one, other) = (bowl(x.clone(), 0.35, std), bowl(x, 0.65, std) - 3f64.ln());
            let least = one.clone().min_pair(other.clone());
            let sum = (least.clone() - one).exp() + (least.clone() - other).exp();
            least - sum.log()
        };
        let of = |center| PIXELS * log_integral(center, std, bounds);
        let log_z = (of(0.35).exp() + 3.0 * of(0.65).exp()).ln();
        let mut rng = SmallRng::seed_from_u64(5);
        let is_first: Vec<bool> = (0..options.chains).map(|_| rng.random_bool(0.25)).collect();
        let samples = exact(options.chains, std, bounds, |chain| {
            if is_first[chain] { 0.35 } else { 0.65 }
        });
        assert_sandwiched(&energy, options, samples, log_z);
    }

    #[test]
    fn a_temperature_is_found_by_the_mean_energy_under_it() {
        let device = Device::flex();
        let energy = |x: Tensor<4>| bowl(x, 0.5, 0.1);
        // Far from the walls E has the mean d/2·T, which 64 chains show to one in √(64·d/2).
        let (expected, runs) = (0.1, 8);
        let found = (0..runs).map(|seed| {
            let options = AnnealingOptions {
                temperature: Temperature::OfMeanEnergy(expected * PIXELS / 2.0),
                seed,
                ..AnnealingOptions::default()
            };
            let counter = StepCounter::default();
            let path = Annealing::new(&energy, SHAPE, &device, options, counter).path();
            let path = path.expect("finite");
            assert_eq!(path.choice(), TemperatureChoice::OfMeanEnergy);
            path.temperature() / expected - 1.0
        });
        let off = mean(&found.collect::<Vec<_>>());
        let error = 1.0 / (64.0 * PIXELS / 2.0 * runs as f64).sqrt();
        assert!(off.abs() < 5.0 * error, "{off} is not 0 ± {error}");
    }

    #[test]
    fn where_chains_stop_following_the_temperature_the_lowest_before_that_is_taken() {
        let device = Device::flex();
        // Two wells of unequal depth with a wall between them, which no chain crosses when it is cold.
        let energy = |x: Tensor<4>| {
            let right = rows(x.clone()).mean_dim(1).squeeze_dim::<1>(1);
            bowl(x.clone(), 0.2, 0.01).min_pair(bowl(x, 0.8, 0.01) + right * 5.0)
        };
        let options = AnnealingOptions {
            temperatures: 20,
            temperature: Temperature::OfMeanEnergy(-1.0),
            ..AnnealingOptions::default()
        };
        let annealing = Annealing::new(&energy, SHAPE, &device, options, StepCounter::default());
        let path = annealing.path().expect("finite");
        assert_eq!(path.choice(), TemperatureChoice::LowestFollowed);
        let frozen = path.froze_at().expect("chains froze");
        assert!(frozen < path.temperature(), "{frozen} {path:?}");
    }

    #[test]
    fn an_energy_that_is_no_number_where_noise_or_where_chains_come_is_an_error() {
        let device = Device::flex();
        let of = |x: Tensor<4>, from: f64| -> Tensor<1> {
            let mean = rows(x.clone()).mean_dim(1).squeeze_dim::<1>(1);
            bowl(x, 0.0, 0.01) + (mean - from).log()
        };
        // Means of noise are ½ ± 0.07.
        for from in [0.5, 0.2] {
            let energy = |x: Tensor<4>| of(x, from);
            let options = AnnealingOptions::default();
            let annealing =
                Annealing::new(&energy, SHAPE, &device, options, StepCounter::default());
            assert_eq!(annealing.path(), Err(AnnealingError::NotFinite), "{from}");
        }
    }

    #[test]
    fn images_that_are_no_likelier_than_noise_have_no_temperature() {
        let device = Device::flex();
        let energy = |x: Tensor<4>| bowl(x, 0.5, 0.1);
        let options = AnnealingOptions {
            temperature: Temperature::OfMeanEnergy(1e4),
            ..AnnealingOptions::default()
        };
        let annealing = Annealing::new(&energy, SHAPE, &device, options, StepCounter::default());
        let refused = annealing.path().expect_err("upside down");
        assert!(
            matches!(refused, AnnealingError::NoiseIsAsLikely { .. }),
            "{refused}"
        );
    }

    #[test]
    fn log_z_of_a_gaussian_without_bounds_is_found_from_both_sides_of_a_normal_base() {
        let options = AnnealingOptions {
            chains: 128,
            temperatures: 500,
            base: Base::Normal,
            ..AnnealingOptions::default()
        };
        let (center, std) = (0.5, 0.5);
        let energy = |x: Tensor<4>| bowl(x, center, std);
        let log_z = PIXELS * (std * core::f64::consts::TAU.sqrt()).ln();
        let samples = exact(options.chains, std, [-9.0, 9.0], |_| center);
        assert_sandwiched(&energy, options, samples, log_z);
    }

    #[test]
    fn the_energy_of_a_normal_base_has_its_log_z_whatever_the_temperatures() {
        let device = Device::flex();
        let options = AnnealingOptions {
            chains: 4,
            temperatures: 3,
            base: Base::Normal,
            ..AnnealingOptions::default()
        };
        let energy = |x: Tensor<4>| bowl(x, 0.0, 1.0) + 2.0;
        let annealing = Annealing::new(&energy, SHAPE, &device, options, StepCounter::default());
        let path = annealing.path().expect("finite");
        let bound = annealing.forward(&path).expect("finite");
        let log_z = PIXELS / 2.0 * core::f64::consts::TAU.ln() - 2.0;
        assert!((bound.log_z - log_z).abs() < 1e-4, "{bound:?}, not {log_z}");
    }

    /// log Z of an energy that differs from row to row is that of each row, however rows are cut.
    #[test]
    fn an_energy_of_rows_is_asked_for_those_of_each_piece() {
        struct OfRows(f64);
        impl Energy<4> for OfRows {
            fn energies(&self, x: Tensor<4>) -> Tensor<1> {
                rows(x * 0.0).sum_dim(1).squeeze_dim::<1>(1) + self.0
            }
            fn of_rows(&self, rows: core::ops::Range<usize>) -> Option<Box<dyn Energy<4> + '_>> {
                Some(Box::new(Self(rows.start as f64 + 1.0)))
            }
        }
        let device = Device::flex();
        let options = AnnealingOptions {
            chains: 64,
            temperatures: 2,
            ..AnnealingOptions::default()
        };
        let annealing = Annealing::new(
            &OfRows(0.0),
            SHAPE,
            &device,
            options,
            StepCounter::default(),
        );
        let path = annealing.path().expect("finite");
        let found = annealing.forward(&path).expect("finite");
        assert!(found.log_z < 0.0, "energies are 1 at least: {found:?}");
    }

    #[test]
    fn a_flat_energy_has_the_volume_of_the_box() {
        let device = Device::flex();
        let energy = |x: Tensor<4>| -> Tensor<1> { rows(x * 0.0).sum_dim(1).squeeze_dim(1) };
        let options = AnnealingOptions {
            chains: 4,
            temperatures: 3,
            base: Base::Uniform([-0.5, 1.5]),
            ..AnnealingOptions::default()
        };
        let annealing = Annealing::new(&energy, SHAPE, &device, options, StepCounter::default());
        let path = annealing.path().expect("finite");
        let bound = annealing.forward(&path).expect("finite");
        assert!(
            (bound.log_z - PIXELS * 2f64.ln()).abs() < 1e-12,
            "{bound:?}"
        );
    }
}
