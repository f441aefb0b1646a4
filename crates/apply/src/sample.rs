//! Draw images from a trained energy.

mod chains;
mod ladder;
mod latent;
mod options;
mod part_sampler;

use burn::tensor::Tensor;
use ebm_core::{Energy, NoiseKey, PhiloxRng, Stream, index_tensor};
use ebm_langevin::StepCounter;
use ebm_model::UnsupportedPrecision;
use ebm_train::ChainState;
use thiserror::Error;

use crate::trained::Trained;

pub(crate) use chains::Chains;
pub use options::{BurnIn, Init, SampleOptions};
pub use part_sampler::{PartSampler, SamplePart};

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
    /// The chains of training stay with the run.
    #[error("an exported model has no replay buffer to start from: that stays with its run")]
    NotExported,
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
    /// A rank would draw other samples than the first.
    #[error("rank {rank} draws from another checkpoint than rank 0, or with other options")]
    RanksDiffer {
        /// The first of such ranks.
        rank: u32,
    },
    /// Another rank cannot draw its part, or the first cannot take one.
    #[error("rank {rank}: {why}")]
    OnRank {
        /// That rank.
        rank: u32,
        /// Why not.
        why: String,
    },
}

impl Trained {
    /// The chains that training kept.
    ///
    /// # Errors
    /// Where it kept none, or the model is an exported one.
    pub fn chains(&self) -> Result<&ChainState, SampleError> {
        let chains = self.state().objective_state().chains();
        chains.ok_or(match self.only_weights() {
            Some(_) => SampleError::NotExported,
            None => SampleError::NoChains,
        })
    }
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
    let device = trained.device();
    options.precision.check(device)?;
    if trained.has_latents() {
        return latent::samples(trained, options, counter);
    }
    if let Some(levels) = &options.ladder {
        return ladder::samples(trained, options, levels, counter);
    }
    let chains = Chains {
        trained,
        options,
        counter,
    };
    let start = match options.init {
        Init::Noise => chains.noise(),
        Init::Buffer => buffer_images(trained, &options.labels, options.seed)?,
    };
    let model = trained.energy(options.weights);
    let model = model.rounded(options.precision);
    let given = |labels: &[u32]| model.given(index_tensor(labels, device));
    let energy = given(&options.labels);
    let then = options.then.as_deref().map(given);
    let then = then.as_ref().map(|then| then as &dyn Energy<4>);
    chains.run(start, &energy, then)
}

/// Different chains of the buffer, chosen by the seed, each of its label's class where the model
/// has classes.
fn buffer_images(trained: &Trained, labels: &[u32], seed: u64) -> Result<Tensor<4>, SampleError> {
    let buffer = &trained.chains()?.buffer;
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
