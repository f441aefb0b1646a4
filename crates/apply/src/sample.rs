//! Draw images from a trained energy.

mod ladder;
mod options;

use burn::tensor::Tensor;
use ebm_core::{Energy, NoiseKey, PhiloxRng, Stream, index_tensor};
use ebm_langevin::{
    ChainRun, LangevinConfig, Sampler, Stage, StepCounter, sampler_outside_training, starts_of,
    warm_up,
};
use ebm_model::UnsupportedPrecision;
use thiserror::Error;

use crate::trained::Trained;

pub use options::{BurnIn, Init, SampleOptions};

/// Key of [`Stream::Sample`] that chooses chains of the buffer.
const CHOICE: u32 = 2;

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
    /// Training had no chains, or none that persist.
    #[error(
        "the model learned without chains that persist, so that there is no buffer to start from"
    )]
    NoChains,
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
    /// An energy with noise levels is to change its classes on the way.
    #[error("samples that come down noise levels have one class all the way")]
    OneClass,
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
/// Where the buffer has too few chains, an energy is not finite, or one with noise levels is to change its classes.
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
    if let Some(levels) = &options.ladder {
        return ladder::samples(trained, options, levels, counter);
    }
    let start = match options.init {
        Init::Noise => {
            let chains = options.first_chain..options.first_chain + num as u32;
            let (langevin, shape) = (options.first_steps(), trained.shape());
            starts_of(langevin, chains, shape, options.seed, device)
        }
        Init::Buffer => buffer_images(trained, &options.labels, options.seed)?,
    };
    let model = trained.energy(options.weights);
    let model = model.rounded(options.precision);
    let energy = model.given(index_tensor(&options.labels, device));
    // What a run has adapted is the size of its own kind of steps.
    let scale_of = |langevin: &LangevinConfig| match *langevin == trained.config().langevin {
        true => trained.state().objective_state.step_scale(),
        false => 1.0,
    };
    let ids: Vec<u32> = (options.first_chain..).take(num).collect();
    let run = |sampler: &Sampler, start, energy: &dyn Energy<4>| sampler.run(start, &ids, energy);
    let start = match &options.burn_in {
        Some(BurnIn { langevin, steps }) => {
            let sampler = sampler_outside_training(langevin, *steps, options.seed, Stage::BurnIn)
                .with_step_scale(scale_of(langevin));
            run(&sampler.with_counter(counter.clone()), start, &energy).x
        }
        None => start,
    };
    let (langevin, seed) = (&options.langevin, options.seed);
    let scale = scale_of(langevin);
    let (start, scale) = warm_up(&energy, langevin, start, seed, scale, &counter);
    let sampler = |stage| {
        sampler_outside_training(langevin, options.steps, seed, stage)
            .with_step_scale(scale)
            .with_counter(counter.clone())
            .with_energies(true)
            .with_stats(langevin.method.may_reject())
    };
    let shown = |stage| match options.trajectory_every {
        Some(every) => sampler(stage).with_trajectory(every),
        None => sampler(stage),
    };
    let ended = match &options.then {
        None => run(&shown(Stage::Chains), start, &energy),
        Some(then) => {
            let first = sampler(Stage::Chains).with_final_denoising(false);
            let first = run(&first, start, &energy);
            let energy = model.given(index_tensor(then, device));
            run(&shown(Stage::Second), first.x, &energy)
        }
    };
    finish(ended, options)
}

fn finish(mut run: ChainRun<4>, options: &SampleOptions) -> Result<Samples, SampleError> {
    let is_denoised = options.langevin.final_denoise_std.is_some();
    let lacks_end = |every| is_denoised || !options.steps.is_multiple_of(every);
    if options.trajectory_every.is_some_and(lacks_end) {
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
    let chains = trained.state().objective_state.chains();
    let buffer = &chains.ok_or(SampleError::NoChains)?.buffer;
    let capacity = buffer.capacity();
    let key = NoiseKey::new(seed, Stream::Sample, CHOICE);
    let order = rand::seq::index::sample(&mut PhiloxRng::new(key, 0), capacity, capacity);
    let mut order: Vec<u32> = order.into_iter().map(|slot| slot as u32).collect();
    // Chains of an energy whose classes are summed out are of none.
    let by_class = trained.num_classes() > 0 && !trained.config().objective.is_marginal();
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
