//! Find by a pilot run at which temperatures chains stop on their way, and how long their steps are.

use serde::Serialize;

use super::chains::Chains;
use super::{Annealing, AnnealingError, Base, PILOT, Temperature};
use crate::evaluate::moments::{deviation, mean};

/// Chains of a pilot run.
const PILOT_CHAINS: usize = 64;
/// Steps of a pilot run at each temperature, while the length of steps adapts.
const PILOT_STEPS: usize = 10;
/// Factor between neighbouring temperatures of a pilot run.
const PILOT_RATIO: f64 = 1.25;
/// The most temperatures of a pilot run: 1.25³⁰⁰ are 29 decades.
const MOST_LEVELS: usize = 300;
/// A pilot run begins where the energies of noise differ by this many nats.
const FIRST_SPREAD: f64 = 0.05;
/// Acceptance rate to which steps adapt (Beskos et al. 2013), and how fast.
const TARGET_ACCEPTANCE: f64 = 0.651;
const GAIN: f64 = 0.7;
/// The longest leapfrog step, as a share of the width of the box, and from N(0, I), under which steps are stable below 2.
const LONGEST_STEP: f64 = 0.25;
const LONGEST_STEP_OF_NORMAL: f64 = 1.0;

/// Where the temperature of a path comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TemperatureChoice {
    /// It was given.
    Given,
    /// The mean energy there is the one that was asked for.
    OfMeanEnergy,
    /// The lowest that chains of the pilot run followed: the one that was asked for is lower.
    LowestFollowed,
}

/// Temperature, inverse temperatures on the way there, and the length of a leapfrog step at each.
#[derive(Clone, Debug, PartialEq)]
pub struct AnnealingPath {
    pub(super) temperature: f64,
    choice: TemperatureChoice,
    froze_at: Option<f64>,
    /// β, rising, above 0, the last of them 1.
    pub(super) betas: Vec<f64>,
    pub(super) step_sizes: Vec<f64>,
}

impl<const D: usize> Annealing<'_, D> {
    /// Find the temperature, where it is not given, the inverse temperatures on the way, and the length of
    /// steps at each.
    ///
    /// # Errors
    /// Where an energy is not finite, or no temperature has the mean energy that is asked for.
    pub fn path(&self) -> Result<AnnealingPath, AnnealingError> {
        let mut pilot = Pilot::start(self)?;
        let temperature = self.options.temperature;
        if let Temperature::OfMeanEnergy(target) = temperature {
            let noise = pilot.levels[0].mean;
            if noise <= target {
                return Err(AnnealingError::NoiseIsAsLikely { noise, target });
            }
        }
        let mut froze_at = None;
        for _ in 0..MOST_LEVELS {
            let level = pilot.cool(temperature)?;
            if self.has_frozen(&level) && froze_at.is_none() {
                froze_at = Some(1.0 / level.inverse);
            }
            let is_last = match temperature {
                Temperature::Fixed(temperature) => level.inverse >= 1.0 / temperature,
                Temperature::OfMeanEnergy(target) => level.mean <= target || froze_at.is_some(),
            };
            if is_last {
                break;
            }
        }
        let (inverse, choice) = match temperature {
            Temperature::Fixed(temperature) => (1.0 / temperature, TemperatureChoice::Given),
            Temperature::OfMeanEnergy(target) => where_mean_is(&pilot.levels, target),
        };
        let path = AnnealingPath::of_levels(&pilot.levels, inverse, self.options.temperatures);
        Ok(AnnealingPath {
            choice,
            froze_at,
            ..path
        })
    }

    /// Whether chains have stopped following the temperature: their energies differ by more than √d
    /// temperatures, where those of d independent pixels would by √(d/2).
    fn has_frozen(&self, level: &Level) -> bool {
        level.spread * level.inverse > (self.elements() as f64).sqrt()
    }
}

/// Chains that go from noise to ever lower temperatures.
struct Pilot<'a, 'b, const D: usize> {
    chains: Chains<'a, 'b, D>,
    longest: f64,
    first: f64,
    /// What it found, the base first.
    levels: Vec<Level>,
}

impl<'a, 'b, const D: usize> Pilot<'a, 'b, D> {
    fn start(annealing: &'a Annealing<'b, D>) -> Result<Self, AnnealingError> {
        let noise = annealing.noise(PILOT_CHAINS, PILOT);
        let chains = Chains::start(annealing, noise, PILOT);
        let energies = chains.energies();
        let (mean, spread) = (mean(&energies), deviation(&energies));
        if !(mean.is_finite() && spread.is_finite()) {
            return Err(AnnealingError::NotFinite);
        }
        let longest = match annealing.options.base {
            Base::Uniform([low, high]) => LONGEST_STEP * (high - low),
            Base::Normal => LONGEST_STEP_OF_NORMAL,
        };
        Ok(Self {
            chains,
            longest,
            // Energies that do not differ at all are known to a millionth.
            first: FIRST_SPREAD / spread.max(1e-6 * mean.abs()).max(1e-12),
            levels: vec![Level {
                inverse: 0.0,
                step_size: longest,
                spread,
                mean,
            }],
        })
    }

    /// Take steps at the next lower temperature, but at none below one that is given.
    fn cool(&mut self, limit: Temperature) -> Result<Level, AnnealingError> {
        let inverse = self.first * PILOT_RATIO.powi(self.levels.len() as i32 - 1);
        let inverse = match limit {
            Temperature::Fixed(temperature) => inverse.min(1.0 / temperature),
            Temperature::OfMeanEnergy(_) => inverse,
        };
        let mut step_size = self.levels[self.levels.len() - 1].step_size;
        for _ in 0..PILOT_STEPS {
            let acceptance = self.chains.step(1.0 / inverse, step_size)?;
            let factor = (GAIN * (acceptance - TARGET_ACCEPTANCE)).exp();
            step_size = (step_size * factor).min(self.longest);
        }
        let energies = self.chains.energies();
        let level = Level {
            inverse,
            step_size,
            spread: deviation(&energies),
            mean: mean(&energies),
        };
        self.levels.push(level);
        Ok(level)
    }
}

/// What a pilot run found at one temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Level {
    /// 1/T, 0 for the base.
    inverse: f64,
    /// Length of a leapfrog step.
    step_size: f64,
    /// Standard deviation of E over the chains.
    spread: f64,
    /// Mean of E over the chains.
    mean: f64,
}

impl Level {
    /// What lies between this level and the next, at an inverse temperature between theirs.
    fn towards(&self, next: &Self, inverse: f64) -> Self {
        let share = (inverse - self.inverse) / (next.inverse - self.inverse);
        let between = |one: f64, other: f64| one + share * (other - one);
        Self {
            inverse,
            step_size: between(self.step_size, next.step_size),
            spread: between(self.spread, next.spread),
            mean: between(self.mean, next.mean),
        }
    }
}

/// The inverse temperature at which the mean of E is `target`, which noise is above; where no level comes down
/// to it, that of the level before the last, at which chains stopped following.
fn where_mean_is(levels: &[Level], target: f64) -> (f64, TemperatureChoice) {
    for two in levels.windows(2) {
        let (before, after) = (&two[0], &two[1]);
        if after.mean <= target {
            let share = (before.mean - target) / (before.mean - after.mean);
            let inverse = before.inverse + share * (after.inverse - before.inverse);
            return (inverse, TemperatureChoice::OfMeanEnergy);
        }
    }
    // Noise itself has no temperature.
    let before_last = levels.len().saturating_sub(2).max(1);
    (
        levels[before_last].inverse,
        TemperatureChoice::LowestFollowed,
    )
}

impl AnnealingPath {
    /// As many inverse temperatures as asked for, at a constant thermodynamic length from each other, up to
    /// `last`, from the levels of a pilot run below and beyond it.
    fn of_levels(levels: &[Level], last: f64, betas: usize) -> Self {
        let below = levels.iter().copied().filter(|level| level.inverse < last);
        let mut levels_to_last: Vec<Level> = below.collect();
        let below = levels_to_last[levels_to_last.len() - 1];
        let beyond = levels.iter().find(|level| level.inverse >= last);
        levels_to_last.push(match beyond {
            Some(beyond) => below.towards(beyond, last),
            None => Level {
                inverse: last,
                ..below
            },
        });
        let levels = levels_to_last;
        let mut lengths = vec![0.0];
        for two in levels.windows(2) {
            let width = two[1].inverse - two[0].inverse;
            let length = width * (two[0].spread + two[1].spread) / 2.0;
            lengths.push(lengths[lengths.len() - 1] + length);
        }
        let total = lengths[lengths.len() - 1];
        let at = |share: f64| {
            if total <= 0.0 {
                return (share, levels[0].step_size);
            }
            let length = share * total;
            let upper = lengths.partition_point(|&some| some < length);
            let upper = upper.clamp(1, levels.len() - 1);
            let (below, above) = (&levels[upper - 1], &levels[upper]);
            let width = lengths[upper] - lengths[upper - 1];
            let within = if width > 0.0 {
                ((length - lengths[upper - 1]) / width).clamp(0.0, 1.0)
            } else {
                1.0
            };
            let inverse = below.inverse + within * (above.inverse - below.inverse);
            (inverse / last, below.towards(above, inverse).step_size)
        };
        let places = (1..=betas).map(|index| at(index as f64 / betas as f64));
        let (mut betas, step_sizes): (Vec<f64>, Vec<f64>) = places.unzip();
        if let Some(last) = betas.last_mut() {
            *last = 1.0;
        }
        Self {
            temperature: 1.0 / last,
            choice: TemperatureChoice::Given,
            froze_at: None,
            betas,
            step_sizes,
        }
    }

    /// A path to a given temperature, on which chains may have frozen.
    #[cfg(test)]
    pub(in crate::evaluate) fn for_tests(froze_at: Option<f64>) -> Self {
        Self {
            temperature: 1e-6,
            choice: TemperatureChoice::Given,
            froze_at,
            betas: vec![1.0],
            step_sizes: vec![0.1],
        }
    }

    /// T.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// Where T comes from.
    pub fn choice(&self) -> TemperatureChoice {
        self.choice
    }

    /// The highest temperature, if any, at which chains of the pilot run had stopped following it.
    pub fn froze_at(&self) -> Option<f64> {
        self.froze_at
    }

    /// Inverse temperatures.
    pub fn len(&self) -> usize {
        self.betas.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.betas.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(inverse: f64, mean: f64, spread: f64) -> Level {
        Level {
            inverse,
            step_size: 1.0 - inverse / 10.0,
            spread,
            mean,
        }
    }

    #[test]
    fn a_temperature_lies_between_the_levels_whose_means_surround_it() {
        let levels = [(0.0, 5.0), (1.0, 3.0), (2.0, 2.0)].map(|(i, mean)| level(i, mean, 1.0));
        let found = TemperatureChoice::OfMeanEnergy;
        assert_eq!(where_mean_is(&levels, 4.0), (0.5, found));
        assert_eq!(where_mean_is(&levels, 2.5), (1.5, found));
        let lowest = TemperatureChoice::LowestFollowed;
        assert_eq!(where_mean_is(&levels, 1.0), (1.0, lowest));
        assert_eq!(where_mean_is(&levels[..2], 1.0), (1.0, lowest));
    }

    #[test]
    fn inverse_temperatures_are_closer_where_energies_differ_more() {
        // Lengths 1 and 3 on either side of 2.
        let levels = [
            level(0.0, 0.0, 0.5),
            level(2.0, 0.0, 0.5),
            level(4.0, 0.0, 2.5),
        ];
        let path = AnnealingPath::of_levels(&levels, 4.0, 4);
        assert_eq!(path.temperature(), 0.25);
        let by_length: Vec<f64> = path.betas.iter().map(|beta| beta * 4.0).collect();
        let expected = [2.0, 2.0 + 2.0 / 3.0, 2.0 + 4.0 / 3.0, 4.0];
        for (found, expected) in by_length.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{by_length:?}");
        }
        assert!((path.step_sizes[0] - 0.8).abs() < 1e-12);
        // A last temperature between levels, and one beyond them.
        assert_eq!(AnnealingPath::of_levels(&levels, 3.0, 2).betas[1], 1.0);
        assert_eq!(AnnealingPath::of_levels(&levels, 9.0, 5).len(), 5);
    }
}
