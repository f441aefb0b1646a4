//! Say what a run will cost, from a few measured iterations.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use ebm_data::{Batches, Dataset, Images};
use ebm_model::Network;

use super::open::new_state;
use super::process_memory;
use crate::collective::Team;
use crate::config::{Config, Settings};
use crate::error::TrainError;
use crate::objective::AnyObjective;
use crate::trainer::Trainer;

/// Iterations before the clock starts, and on the clock.
const WARM_UP: usize = 2;
const MEASURED: usize = 5;
/// Iterations longer than this are not run whole.
const LONGEST_SECONDS: f64 = 10.0;
/// Images of a small iteration, for each core.
const FEW_IMAGES: usize = 8;

/// The cost of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Median seconds per iteration.
    pub s_per_iteration: f64,
    /// Seconds of the fastest and of the slowest iteration, where whole ones were measured.
    pub fastest_and_slowest: Option<[f64; 2]>,
    /// Parameters of the network.
    pub parameters: usize,
    /// Largest memory of the process in training, in bytes, where the system tells.
    pub peak_memory: Option<u64>,
    /// Images of the iterations that the figures are computed from, where those were smaller than
    /// the run's.
    pub scaled_from: Option<usize>,
    /// What the samples cost, on top of the iterations, that chains start at (`buffer.start=previous`).
    pub first_chains: Option<FirstChainsCost>,
}

/// The cost of the samples that are drawn between the parts of a run for chains to start at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FirstChainsCost {
    /// Samples of all parts that start so.
    pub samples: usize,
    /// Seconds, computed from the iterations: a sample takes as many gradients as the samples of the part before, and
    /// each gradient as long as one of the chains that start there, its share of the weights' update included. Both
    /// parts have the same network.
    pub seconds: f64,
}

/// Run a few iterations of every part of a run, and write nothing. The cost of samples that chains start at is computed
/// from these iterations; sample pictures, evaluations and checkpoints are not in the estimate.
///
/// # Errors
/// Where the network does not fit the data.
pub fn measure(
    config: &Config,
    dataset: &Dataset,
    device: &Device,
) -> Result<Estimate, TrainError> {
    let parts = config.parts()?;
    let is_reached = |part: &&Settings| part.iterations.start < config.iterations as u64;
    let reached: Vec<&Settings> = parts.iter().filter(is_reached).collect();
    let measured: Result<Vec<_>, TrainError> = reached
        .iter()
        .map(|part| {
            let end = part.iterations.end.min(config.iterations as u64);
            let iterations = end.saturating_sub(part.iterations.start);
            let estimate = measure_part(&part.config, dataset, device)?;
            Ok((iterations as f64, estimate))
        })
        .collect();
    let measured = measured?;
    Ok(Estimate {
        first_chains: first_chains(&reached, &measured),
        ..mean_of(&measured)
    })
}

/// The cost of the samples that chains start at; `None` where chains of none of these parts do.
///
/// - `measured`: iterations of each part, and what was measured of it
fn first_chains(parts: &[&Settings], measured: &[(f64, Estimate)]) -> Option<FirstChainsCost> {
    let borders = parts.windows(2).zip(measured.iter().skip(1));
    let costs = borders.filter_map(|(border, (_, of_part))| {
        let [before, part] = [&border[0].config, &border[1].config];
        let samples = part.buffer.capacity;
        let gradients = samples * before.gradients_of_sample();
        let of_iteration = part.image_steps() * part.langevin.gradients_per_step();
        part.starts_at_samples_of(before).then(|| FirstChainsCost {
            samples,
            seconds: gradients as f64 * of_part.s_per_iteration / of_iteration as f64,
        })
    });
    costs.reduce(|one, other| FirstChainsCost {
        samples: one.samples + other.samples,
        seconds: one.seconds + other.seconds,
    })
}

/// The estimate of a whole run, of those of its parts with their iterations.
fn mean_of(parts: &[(f64, Estimate)]) -> Estimate {
    let total: f64 = parts.iter().map(|(iterations, _)| iterations).sum();
    let mean = |of: &dyn Fn(&Estimate) -> f64| {
        let parts = parts.iter();
        parts
            .map(|(iterations, part)| iterations / total * of(part))
            .sum()
    };
    let ends = |end: usize| {
        let is_whole = parts
            .iter()
            .all(|(_, part)| part.fastest_and_slowest.is_some());
        is_whole.then(|| mean(&|part| part.fastest_and_slowest.map_or(0.0, |ends| ends[end])))
    };
    let all = || parts.iter().map(|(_, part)| part);
    Estimate {
        s_per_iteration: mean(&|part| part.s_per_iteration),
        fastest_and_slowest: ends(0)
            .zip(ends(1))
            .map(|(fastest, slowest)| [fastest, slowest]),
        parameters: all().map(|part| part.parameters).max().unwrap_or(0),
        peak_memory: all().filter_map(|part| part.peak_memory).max(),
        scaled_from: all().filter_map(|part| part.scaled_from).max(),
        first_chains: None,
    }
}

/// Run a few iterations. Where those would take long, run a few small ones, with few images and one or two
/// Langevin steps, and take the cost for an update's plus one proportional to both.
fn measure_part(
    config: &Config,
    dataset: &Dataset,
    device: &Device,
) -> Result<Estimate, TrainError> {
    let mut stopwatch = Stopwatch::new(config, &dataset.train, device)?;
    let parameters = stopwatch.trainer.state.model.num_params();
    let few = (FEW_IMAGES * rayon::current_num_threads()).min(config.batch_size);
    let few = few.next_multiple_of(config.shards as usize);
    let twice = (2 * few).min(config.batch_size);
    let before = process_memory::resident();
    let projected = Projection {
        one_step: stopwatch.seconds(&small(config, few, 1), 1),
        two_steps: stopwatch.seconds(&small(config, few, 2), 1),
        twice_the_images: stopwatch.seconds(&small(config, twice, 1), 1),
    }
    .seconds(config, few);
    if projected > LONGEST_SECONDS && twice < config.batch_size {
        let grown = |(before, peak): (u64, u64)| {
            let measured = config.batch_size as f64 / twice as f64;
            before + (peak.saturating_sub(before) as f64 * measured) as u64
        };
        return Ok(Estimate {
            s_per_iteration: projected,
            fastest_and_slowest: None,
            parameters,
            peak_memory: before.zip(process_memory::peak()).map(grown),
            scaled_from: Some(twice),
            first_chains: None,
        });
    }
    let seconds = stopwatch.sorted_seconds(config, MEASURED);
    Ok(Estimate {
        s_per_iteration: seconds[MEASURED / 2],
        fastest_and_slowest: Some([seconds[0], seconds[MEASURED - 1]]),
        parameters,
        peak_memory: process_memory::peak(),
        scaled_from: None,
        first_chains: None,
    })
}

/// Seconds of small iterations.
struct Projection {
    one_step: f64,
    two_steps: f64,
    twice_the_images: f64,
}

impl Projection {
    /// Seconds of an iteration of the whole run, from small ones of `few` images.
    fn seconds(&self, config: &Config, few: usize) -> f64 {
        // What an iteration costs whatever its images: the update of the weights.
        let update = (2.0 * self.one_step - self.twice_the_images).clamp(0.0, self.one_step);
        let per_step = (self.two_steps - self.one_step).max(0.0);
        let more_steps = (config.langevin.num_steps - 1) as f64;
        let of_images = self.one_step - update + per_step * more_steps;
        update + config.batch_size as f64 / few as f64 * of_images
    }
}

/// Times iterations of configurations that differ in batch size and steps alone.
struct Stopwatch<'a> {
    trainer: Trainer<Network, AnyObjective>,
    team: Team,
    images: &'a Images,
    device: &'a Device,
}

impl<'a> Stopwatch<'a> {
    fn new(config: &Config, images: &'a Images, device: &'a Device) -> Result<Self, TrainError> {
        config.precision.check(device)?;
        let state = new_state(config, images.into(), device)?;
        let trainer = Trainer::from_state(state, config.objective(), config.seed);
        let team = Team::alone(config.shards);
        Ok(Self {
            trainer: trainer.with_config(config.step()).with_team(team.clone()),
            team,
            images,
            device,
        })
    }

    /// Median of `measured` iterations.
    fn seconds(&mut self, config: &Config, measured: usize) -> f64 {
        self.sorted_seconds(config, measured)[measured / 2]
    }

    /// Seconds of `measured` iterations, the fastest first, after some that are slow and tell nothing.
    fn sorted_seconds(&mut self, config: &Config, measured: usize) -> Vec<f64> {
        self.trainer.objective = config.objective();
        let (batches, seed) = (config.batches(), config.seed);
        let mut batches = Batches::new(self.images, batches, seed, self.device);
        let mut seconds = Vec::new();
        for _ in 0..WARM_UP + measured {
            let start = Instant::now();
            let (key, shards) = (self.trainer.key(), self.team.shards().into_iter());
            let of_shards: Vec<_> = shards.map(|shard| batches.at(key, shard)).collect();
            let info = self.trainer.step_on(&of_shards, false);
            let _wait_for_the_device = info.loss.into_data();
            seconds.push(start.elapsed().as_secs_f64());
        }
        let mut measured = seconds.split_off(WARM_UP);
        measured.sort_by(f64::total_cmp);
        measured
    }
}

/// The configuration with fewer images and steps.
fn small(config: &Config, images: usize, steps: usize) -> Config {
    let mut small = config.clone();
    small.batch_size = images;
    small.langevin.num_steps = steps;
    // The same share of them has chains: of a shard two at least, as those beside a flow must be.
    let least = (2 * config.shards as usize).min(images);
    let with_chains = |all: usize| (all * images / config.batch_size).clamp(least, images);
    small.objective.generative_batch = config.objective.generative_batch.map(with_chains);
    small
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iteration_is_an_update_and_a_cost_for_each_image_and_step() {
        // An update of 3 s; 8 images take 0.5 s, and 0.25 s for each step.
        let cost = |images: f64, steps: f64| 3.0 + images / 8.0 * (0.5 + 0.25 * steps);
        let projection = Projection {
            one_step: cost(8.0, 1.0),
            two_steps: cost(8.0, 2.0),
            twice_the_images: cost(16.0, 1.0),
        };
        let mut config = Config {
            batch_size: 64,
            ..Config::default()
        };
        config.langevin.num_steps = 20;
        let seconds = projection.seconds(&config, 8);
        assert!((seconds - cost(64.0, 20.0)).abs() < 1e-9, "{seconds}");
    }

    #[test]
    fn samples_that_chains_start_at_take_gradients_as_long_as_those_of_the_chains() {
        let keys = [
            "batch_size=50",
            "langevin.num_steps=20",
            "buffer.capacity=500",
            "buffer.start=previous",
            "output.sample_steps=10",
            "iterations=30",
            "phases=[{until=10, set=[\"objective.kind=flow\", \"langevin.method=heun\", \"langevin.grad_clip=none\"]}, \
             {until=20, set=[\"lr=0.001\"]}]",
        ];
        let config = Config::resolve("digits", None, &keys.map(str::to_owned)).expect("resolves");
        let parts = config.parts().expect("valid");
        let measured = [8.0, 0.5, 4.0].map(|s_per_iteration| {
            let estimate = Estimate {
                s_per_iteration,
                fastest_and_slowest: None,
                parameters: 1,
                peak_memory: None,
                scaled_from: None,
                first_chains: None,
            };
            (10.0, estimate)
        });
        let parts: Vec<&Settings> = parts.iter().collect();
        // 500 samples of 10 steps of 2 gradients, and 1000 gradients in half a second; the last part goes on.
        let expected = FirstChainsCost {
            samples: 500,
            seconds: 5.0,
        };
        assert_eq!(first_chains(&parts, &measured), Some(expected));
        assert_eq!(first_chains(&parts[1..], &measured[1..]), None);
    }

    #[test]
    fn of_fewer_images_the_same_share_has_chains() {
        let mut config = Config {
            batch_size: 64,
            ..Config::default()
        };
        let of = |config: &Config, images| small(config, images, 1).objective.generative_batch;
        assert_eq!(of(&config, 16), None);
        config.objective.generative_batch = Some(16);
        assert_eq!(of(&config, 32), Some(8));
        assert_eq!(of(&config, 2), Some(2));
        assert_eq!(of(&config, 1), Some(1));
    }
}
