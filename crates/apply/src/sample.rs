//! Draw images from a trained energy.

use std::ops::Range;

use burn::tensor::Tensor;
use ebm_core::{Energy, NoiseKey, PhiloxRng, Stream, index_tensor};
use ebm_langevin::{
    ChainRun, LangevinConfig, Method, Sampler, Stage, StepCounter, labels_in_turn, noise_images_of,
    sampler_outside_training, warm_up, warm_up_gradients,
};
use ebm_model::{Precision, UnsupportedPrecision};
use thiserror::Error;

use crate::trained::{Trained, Weights};

/// Key of [`Stream::Sample`] that chooses chains of the buffer.
const CHOICE: u32 = 2;
/// Most chains of a part.
const PART: usize = 500;

/// Where chains start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Init {
    /// Uniform noise.
    #[default]
    Noise,
    /// Chains of the replay buffer.
    Buffer,
}

/// Steps before those that count.
#[derive(Clone, Debug, PartialEq)]
pub struct BurnIn {
    /// How chains move.
    pub langevin: LangevinConfig,
    /// How many steps.
    pub steps: usize,
}

/// What is drawn, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleOptions {
    /// The class of every chain; all 0 for a model without classes.
    pub labels: Vec<u32>,
    /// The classes under which chains go on after their steps, for as many steps again.
    pub then: Option<Vec<u32>>,
    /// Number of the first chain: chains have the same random numbers whether they are drawn together or in
    /// parts.
    pub first_chain: u32,
    /// Langevin steps.
    pub steps: usize,
    /// Seed of the samples.
    pub seed: u64,
    /// Where chains start.
    pub init: Init,
    /// Steps that bring the chains to low energies first.
    pub burn_in: Option<BurnIn>,
    /// How chains move.
    pub langevin: LangevinConfig,
    /// Floating-point precision of the chains' copy of the weights.
    pub precision: Precision,
    /// Which weights.
    pub weights: Weights,
    /// Steps between the states that [`Samples::trajectory`] keeps, at least 1; `None` for no
    /// trajectory.
    pub trajectory_every: Option<usize>,
}

impl SampleOptions {
    /// `num` samples of the classes in turn, as the run itself draws them.
    pub fn new(trained: &Trained, num: usize) -> Self {
        Self {
            labels: labels_in_turn(num, trained.num_classes()),
            then: None,
            first_chain: 0,
            steps: trained.config().output.sample_steps,
            seed: 0,
            init: Init::default(),
            burn_in: None,
            langevin: trained.config().langevin.clone(),
            precision: Precision::default(),
            weights: Weights::default(),
            trajectory_every: None,
        }
    }

    /// Gradients of all chains together, but for a few of an adapting step size.
    pub fn num_gradients(&self) -> u64 {
        let gradients = |burn_in: &BurnIn| burn_in.steps * burn_in.langevin.gradients_per_step();
        let before = self.burn_in.as_ref().map_or(0, gradients) + warm_up_gradients(&self.langevin);
        let runs = if self.then.is_some() { 2 } else { 1 };
        let asked_for = runs * self.steps * self.langevin.gradients_per_step();
        (self.labels.len() * (before + asked_for)) as u64
    }

    /// The same chains in parts of at most 500, in order. Parts that are drawn one by one give the samples that
    /// all chains together give (on a GPU, up to the rounding of kernels for other batches), in less memory.
    /// Chains that depend on each other are one part: those of a buffer are chosen together, and those of an
    /// adapting step size share it.
    pub fn parts(&self) -> impl Iterator<Item = Self> {
        let num = self.labels.len();
        let is_cut = self.init == Init::Noise && self.langevin.target_acceptance.is_none();
        let len = if is_cut { PART } else { num.max(1) };
        let starts = (0..num).step_by(len);
        starts.map(move |start| self.part(start..num.min(start + len)))
    }

    fn part(&self, chains: Range<usize>) -> Self {
        Self {
            first_chain: self.first_chain + chains.start as u32,
            then: self.then.as_ref().map(|then| then[chains.clone()].to_vec()),
            labels: self.labels[chains].to_vec(),
            ..self.clone()
        }
    }
}

/// What was drawn.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Pixels in [0, 1], `[num, channels, height, width]`.
    pub images: Tensor<4>,
    /// The chains at the start, after every [`SampleOptions::trajectory_every`] steps, and at the end;
    /// where classes change, only of the steps under the second classes.
    pub trajectory: Vec<Tensor<4>>,
    /// The energy of every sample.
    pub energies: Vec<f32>,
    /// Mean probability with which steps were accepted, in [0, 1], of methods that may reject them.
    pub acceptance: Option<f64>,
}

/// Samples that cannot be drawn.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum SampleError {
    /// The buffer has too few chains of a class.
    #[error("the buffer has only {found} chains of class {class}")]
    FewOfClass {
        /// The class.
        class: u32,
        /// Its chains.
        found: usize,
    },
    /// The buffer has too few chains.
    #[error("{asked} samples exceed the buffer's {capacity} chains")]
    FewChains {
        /// Samples asked for.
        asked: usize,
        /// Chains of the buffer.
        capacity: usize,
    },
    /// The device does not compute in the precision.
    #[error(transparent)]
    Precision(#[from] UnsupportedPrecision),
    /// An energy is not finite.
    #[error("sampling diverged: an energy is {energy}")]
    Diverged {
        /// The first energy that is not finite.
        energy: f32,
    },
}

/// Draw samples.
///
/// # Errors
/// Where the buffer has too few chains, or an energy is not finite.
///
/// # Panics
/// If `then` has another length than `labels`, or `steps` does not fit in 24 bits.
pub fn sample(trained: &Trained, options: &SampleOptions) -> Result<Samples, SampleError> {
    sample_counted(trained, options, StepCounter::default())
}

/// [`sample`], counting [`SampleOptions::num_gradients`] gradients.
///
/// # Errors
/// As [`sample`].
///
/// # Panics
/// As [`sample`].
pub fn sample_counted(
    trained: &Trained,
    options: &SampleOptions,
    counter: StepCounter,
) -> Result<Samples, SampleError> {
    let (device, num) = (trained.device(), options.labels.len());
    options.precision.check(device)?;
    let start = match options.init {
        Init::Noise => {
            let chains = options.first_chain..options.first_chain + num as u32;
            noise_images_of(chains, trained.shape(), options.seed, device)
        }
        Init::Buffer => buffer_images(trained, &options.labels, options.seed)?,
    };
    let model = trained.energy(options.weights);
    let model = model.rounded(options.precision);
    let energy = model.given(index_tensor(&options.labels, device));
    // What a run has adapted is the size of its own kind of steps.
    let is_own = options.langevin == trained.config().langevin;
    let scale = if is_own {
        trained.state().objective_state.step_scale
    } else {
        1.0
    };
    let ids: Vec<u32> = (options.first_chain..).take(num).collect();
    let run = |sampler: &Sampler, start, energy: &dyn Energy<4>| sampler.run(start, &ids, energy);
    let start = match &options.burn_in {
        Some(BurnIn { langevin, steps }) => {
            let sampler = sampler_outside_training(langevin, *steps, options.seed, Stage::BurnIn);
            run(&sampler.with_counter(counter.clone()), start, &energy).x
        }
        None => start,
    };
    let (langevin, seed) = (&options.langevin, options.seed);
    let (start, scale) = warm_up(&energy, langevin, start, seed, scale, &counter);
    let sampler = |stage| {
        sampler_outside_training(langevin, options.steps, seed, stage)
            .with_step_scale(scale)
            .with_counter(counter.clone())
            .with_energies(true)
            .with_stats(langevin.method != Method::Sgld) // which rejects nothing
    };
    let shown = |stage| match options.trajectory_every {
        Some(every) => sampler(stage).with_trajectory(every),
        None => sampler(stage),
    };
    let ended = match &options.then {
        None => run(&shown(Stage::Chains), start, &energy),
        Some(then) => {
            let first = run(&sampler(Stage::Chains), start, &energy);
            let energy = model.given(index_tensor(then, device));
            run(&shown(Stage::Second), first.x, &energy)
        }
    };
    finish(ended, options)
}

fn finish(mut run: ChainRun<4>, options: &SampleOptions) -> Result<Samples, SampleError> {
    let every = options.trajectory_every;
    if every.is_some_and(|every| !options.steps.is_multiple_of(every)) {
        run.trajectory.push(run.x.clone());
    }
    let stats = run.stats.expect("energies are recorded");
    let acceptance = stats.mean_acceptance();
    let energies: Vec<f32> = stats.energy_after.into_data().iter::<f32>().collect();
    if let Some(&energy) = energies.iter().find(|energy| !energy.is_finite()) {
        return Err(SampleError::Diverged { energy });
    }
    Ok(Samples {
        images: run.x,
        trajectory: run.trajectory,
        energies,
        acceptance,
    })
}

/// Different chains of the buffer, chosen by the seed, each of its label's class where the model
/// has classes.
fn buffer_images(trained: &Trained, labels: &[u32], seed: u64) -> Result<Tensor<4>, SampleError> {
    let buffer = &trained.state().objective_state.buffer;
    let capacity = buffer.capacity();
    let key = NoiseKey::new(seed, Stream::Sample, CHOICE);
    let order = rand::seq::index::sample(&mut PhiloxRng::new(key, 0), capacity, capacity);
    let mut order: Vec<u32> = order.into_iter().map(|slot| slot as u32).collect();
    let by_class = trained.num_classes() > 0;
    let is_of = |slot: u32, class: u32| buffer.labels(&[slot]) == [class];
    let mut slots = Vec::with_capacity(labels.len());
    for &class in labels {
        let found = order
            .iter()
            .position(|&slot| !by_class || is_of(slot, class));
        match found {
            Some(place) => slots.push(order.remove(place)),
            None if by_class => {
                let found = slots.iter().filter(|&&slot| is_of(slot, class)).count();
                return Err(SampleError::FewOfClass { class, found });
            }
            None => {
                let asked = labels.len();
                return Err(SampleError::FewChains { asked, capacity });
            }
        }
    }
    Ok(buffer.peek(&slots, seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(num: u32) -> SampleOptions {
        SampleOptions {
            labels: (0..num).collect(),
            then: Some((0..num).rev().collect()),
            first_chain: 7,
            steps: 3,
            seed: 0,
            init: Init::Noise,
            burn_in: None,
            langevin: LangevinConfig::default(),
            precision: Precision::default(),
            weights: Weights::default(),
            trajectory_every: None,
        }
    }

    #[test]
    fn parts_are_all_chains_in_order() {
        let all = options(1001);
        let parts: Vec<_> = all.parts().collect();
        let chains: Vec<_> = parts
            .iter()
            .map(|part| (part.first_chain, part.labels.len()))
            .collect();
        assert_eq!(chains, [(7, 500), (507, 500), (1007, 1)]);
        let labels: Vec<u32> = parts.iter().flat_map(|part| part.labels.clone()).collect();
        assert_eq!(labels, all.labels);
        let then = parts.iter().flat_map(|part| part.then.clone());
        assert_eq!(Some(then.flatten().collect()), all.then);
        let gradients = parts.iter().map(SampleOptions::num_gradients);
        assert_eq!(gradients.sum::<u64>(), all.num_gradients());
    }

    #[test]
    fn few_chains_are_one_part_and_no_chain_is_none() {
        let all = options(500);
        assert_eq!(all.parts().collect::<Vec<_>>(), [all]);
        assert_eq!(options(0).parts().count(), 0);
    }

    #[test]
    fn chains_that_depend_on_each_other_are_one_part() {
        let buffer = SampleOptions {
            init: Init::Buffer,
            ..options(1001)
        };
        let mut adapting = options(1001);
        adapting.langevin.target_acceptance = Some(0.65);
        for all in [buffer, adapting] {
            assert_eq!(all.parts().collect::<Vec<_>>(), [all]);
        }
    }
}
