//! Say how well samplers mix over one energy, and how far the steps of training are from its density.
//!
//! Chains run long under `sgld` as in training, and under `mala` and `hmc`, which sample exp(−E/T) itself, T
//! the temperature that those steps stand for. Their energies tell, by [`Convergence`]. Those of `sgld` are read
//! where its steps end, after the descent and before the noise of the next step.

use burn::tensor::Tensor;
use ebm_core::{Energy, NoiseKey, Stream, index_tensor};
use ebm_langevin::{
    LangevinConfig, Method, Sampler, StepCounter, labels_in_turn, warm_up, warm_up_gradients,
};
use serde::Serialize;
use thiserror::Error;

use super::convergence::Convergence;
use super::moments::{error_of_mean, mean};
use crate::sample::{SampleError, SampleOptions, sample_counted};
use crate::trained::{Trained, Weights};

/// First key of [`Stream::Sample`] of the blocks of steps between two recorded energies, and how far apart
/// methods are.
const BLOCKS: u32 = 10_000;
const BLOCKS_OF_METHOD: u32 = 10_000_000;
/// Gradients of a chain between two recorded energies.
const BETWEEN: usize = 10;
/// R̂ above which chains have not forgotten where they began, with room for chance.
const FORGOTTEN: f64 = 1.1;
/// Classes of which chains run, so that there are several of each.
const MOST_CLASSES: usize = 8;
/// Leapfrog steps of a step of `hmc`.
const LEAPFROG_STEPS: usize = 10;

/// How long chains run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixingOptions {
    /// Gradients of every chain under each method; the first half is left out.
    pub gradients: usize,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl Default for MixingOptions {
    fn default() -> Self {
        Self {
            gradients: 4000,
            seed: 0,
        }
    }
}

/// What long chains of one method do.
#[derive(Clone, Debug, Serialize)]
pub struct Mixing {
    /// `sgld`, `mala` or `hmc`.
    pub method: String,
    /// Mean energy over chains and time.
    pub mean_energy: f64,
    /// Its standard error, by the effective sample size.
    pub error: f64,
    /// Standard deviation of the energy over chains and time.
    pub std_energy: f64,
    /// Share of the steps that were accepted, of methods that may reject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<f64>,
    /// R̂: about 1 where chains have forgotten where they began; above 1.1 they have not. Of a model with
    /// classes energies count from the mean of their class.
    pub scale_reduction: f64,
    /// Integrated autocorrelation time of the energy, in gradients of a chain.
    pub autocorrelation: f64,
    /// Independent energies that all chains together are worth.
    pub effective_sample_size: f64,
    /// Mean energy of the chains at every recorded step, the first half included.
    #[serde(skip)]
    pub trace: Vec<f64>,
    /// Mean energy of each chain.
    #[serde(skip)]
    pub of_chains: Vec<f64>,
}

/// How samplers of one energy compare.
#[derive(Clone, Debug, Serialize)]
pub struct SamplerComparison {
    /// T of the density that all of them are to sample.
    pub temperature: f64,
    /// Chains of each.
    pub chains: usize,
    /// Gradients of each chain.
    pub gradients: usize,
    /// Each method, that of training first.
    pub methods: Vec<Mixing>,
    /// Mean energy under `sgld` less that under `hmc`, from the same starts.
    pub difference: Difference,
    /// What to know before these numbers are believed.
    pub warnings: Vec<String>,
}

/// How far the steps of training are from those that sample the density, in mean energy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Mean over the chains.
    pub mean: f64,
    /// Its standard error, chain by chain.
    pub error: f64,
    /// Whether both have forgotten where they began: then it is the distance from the density; else it is that of
    /// these chains alone.
    pub is_of_density: bool,
}

/// Chains that cannot be compared.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum MixingError {
    /// The steps sample no density.
    #[error("the run's steps are not `sgld` with noise: there is no density to hold them against")]
    NoDensity,
    /// The chains of training are of latent vectors.
    #[error("the run's chains are of latent vectors: there are none of images to compare")]
    OfLatents,
    /// They are too few for any of it.
    #[error("{gradients} gradients of a chain are too few; take at least {least}")]
    Short {
        /// Gradients of a chain.
        gradients: usize,
        /// The fewest.
        least: usize,
    },
    /// Chains cannot start.
    #[error(transparent)]
    Start(#[from] SampleError),
    /// An energy is not finite.
    #[error("the energy of a chain of {method} is {energy}")]
    Diverged {
        /// The method.
        method: Method,
        /// The energy.
        energy: f64,
    },
}

/// [`compare_samplers`] of a run's energy, from its own samples: of up to eight classes in turn where it has
/// classes.
///
/// # Errors
/// As there, and where samples cannot be drawn.
pub fn compare_samplers_of(
    trained: &Trained,
    weights: Weights,
    chains: usize,
    options: MixingOptions,
    counter: &StepCounter,
) -> Result<SamplerComparison, MixingError> {
    check_mixing_of(trained, options)?;
    let langevin = &trained.config().langevin;
    let classes = trained.num_classes().min(MOST_CLASSES);
    let starts = SampleOptions {
        labels: labels_in_turn(chains, classes),
        seed: options.seed,
        weights,
        ..SampleOptions::new(trained, chains)
    };
    let labels = index_tensor(&starts.labels, trained.device());
    let start = sample_counted(trained, &starts, counter.clone())?.images;
    let model = trained.energy(weights);
    let chains = Starts {
        x: start,
        classes: &starts.labels,
    };
    compare_samplers(&model.given(labels), langevin, &chains, options, counter)
}

/// Gradients that [`compare_samplers_of`] takes, but for a few that find the order of magnitude of a step size.
pub fn mixing_gradients_of(trained: &Trained, chains: usize, options: MixingOptions) -> u64 {
    let each = METHODS.map(|method| {
        let config = of_method(&trained.config().langevin, method);
        options.gradients + warm_up_gradients(&config)
    });
    let starts = SampleOptions::new(trained, chains).num_gradients();
    starts + (chains * each.iter().sum::<usize>()) as u64
}

/// [`check_mixing`] of a run, whose steps are those of its configuration unless its energy has noise levels.
///
/// # Errors
/// As there; also of an energy with noise levels or latent vectors.
pub fn check_mixing_of(trained: &Trained, options: MixingOptions) -> Result<(), MixingError> {
    if trained.has_latents() {
        return Err(MixingError::OfLatents);
    }
    if trained.config().objective.ladder().is_some() {
        return Err(MixingError::NoDensity);
    }
    check_mixing(&trained.config().langevin, options)
}

/// Check that samplers can be compared.
///
/// # Errors
/// Where the steps sample no density, or chains are too short.
pub fn check_mixing(langevin: &LangevinConfig, options: MixingOptions) -> Result<(), MixingError> {
    const FEWEST: usize = 20;
    let exact = of_method(langevin, Method::Hmc);
    if langevin.method != Method::Sgld || exact.target_acceptance.is_none() {
        return Err(MixingError::NoDensity);
    }
    let (gradients, least) = (options.gradients, FEWEST * BETWEEN);
    if gradients < least {
        return Err(MixingError::Short { gradients, least });
    }
    Ok(())
}

const METHODS: [Method; 3] = [Method::Sgld, Method::Mala, Method::Hmc];

/// Where chains start: near samples, as what leads from noise to them takes long.
#[derive(Clone, Debug)]
pub struct Starts<'a> {
    /// `[chains, channels, height, width]`.
    pub x: Tensor<4>,
    /// The class of every chain, all 0 without classes; several chains of each.
    pub classes: &'a [u32],
}

/// Run long chains of each method from the same starts, and compare them.
///
/// # Errors
/// Where the steps sample no density, chains are too short, or an energy is not finite.
///
/// # Panics
/// If there are not as many classes as chains.
pub fn compare_samplers(
    energy: &dyn Energy<4>,
    langevin: &LangevinConfig,
    starts: &Starts<'_>,
    options: MixingOptions,
    counter: &StepCounter,
) -> Result<SamplerComparison, MixingError> {
    check_mixing(langevin, options)?;
    let methods = METHODS
        .iter()
        .map(|&method| mixing(energy, langevin, method, starts, options, counter));
    let methods: Vec<Mixing> = methods.collect::<Result<_, _>>()?;
    let has_forgotten = |one: &Mixing| one.scale_reduction <= FORGOTTEN;
    let apart = methods.iter().filter(|one| !has_forgotten(one));
    let warnings = apart.map(|one| {
        format!(
            "chains of {} still differ by where they began (R̂ {:.2}): their mean energy and its error are theirs, \
             not those of the density",
            one.method, one.scale_reduction
        )
    });
    let (sgld, hmc) = (&methods[0], &methods[2]);
    let pairs = sgld.of_chains.iter().zip(&hmc.of_chains);
    let differences: Vec<f64> = pairs.map(|(one, other)| one - other).collect();
    Ok(SamplerComparison {
        temperature: of_method(langevin, Method::Hmc).temperature.at(0, 1),
        chains: starts.classes.len(),
        gradients: options.gradients,
        difference: Difference {
            mean: mean(&differences),
            error: error_of_mean(&differences),
            is_of_density: has_forgotten(sgld) && has_forgotten(hmc),
        },
        warnings: warnings.collect(),
        methods,
    })
}

/// Steps of a method: training's own, its schedules at their last values, or what is exact for them.
fn of_method(langevin: &LangevinConfig, method: Method) -> LangevinConfig {
    let last = langevin.num_steps.saturating_sub(1);
    let at_the_end = LangevinConfig {
        step_size: langevin.step_size.at(last, langevin.num_steps).into(),
        noise_std: langevin.noise_std.at(last, langevin.num_steps).into(),
        temperature: langevin.temperature.at(last, langevin.num_steps).into(),
        ..langevin.clone()
    };
    LangevinConfig {
        leapfrog_steps: LEAPFROG_STEPS,
        ..at_the_end.metropolis_corrected(method)
    }
}

fn mixing(
    energy: &dyn Energy<4>,
    langevin: &LangevinConfig,
    method: Method,
    starts: &Starts<'_>,
    options: MixingOptions,
    counter: &StepCounter,
) -> Result<Mixing, MixingError> {
    let config = of_method(langevin, method);
    let diverged = |energy: f64| MixingError::Diverged { method, energy };
    let (mut x, scale) = warm_up(
        energy,
        &config,
        starts.x.clone(),
        options.seed,
        1.0,
        counter,
    );
    if !scale.is_finite() {
        return Err(diverged(f64::NAN));
    }
    let config = LangevinConfig {
        num_steps: (BETWEEN / config.gradients_per_step()).max(1),
        ..config
    };
    let ids: Vec<u32> = (0..starts.classes.len() as u32).collect();
    let first = BLOCKS + method as u32 * BLOCKS_OF_METHOD;
    let records = options.gradients / BETWEEN;
    let mut energies = vec![Vec::with_capacity(records); ids.len()];
    let mut acceptance = Vec::with_capacity(records);
    for record in 0..records {
        let key = NoiseKey::new(options.seed, Stream::Sample, first + record as u32);
        let sampler = Sampler::new(config.clone(), key)
            .with_step_scale(scale)
            .with_counter(counter.clone())
            .with_energies(true)
            .with_stats(method != Method::Sgld);
        let run = sampler.run(x, &ids, energy);
        let stats = run.stats.expect("energies are recorded");
        let accepted = stats.mean_acceptance();
        if let Some(bad) = accepted.filter(|accepted| !accepted.is_finite()) {
            return Err(diverged(bad)); // of a proposal, which was refused
        }
        acceptance.extend(accepted);
        let data = stats.energy_after.into_data();
        for (chain, energy) in energies.iter_mut().zip(data.iter::<f64>()) {
            if !energy.is_finite() {
                return Err(diverged(energy));
            }
            chain.push(energy);
        }
        x = run.x;
    }
    Ok(of_energies(method, &energies, starts.classes, &acceptance))
}

/// What the energies `[chains][records]` tell; the first half of each chain is left out. Chains of one class
/// sample one density.
fn of_energies(
    method: Method,
    energies: &[Vec<f64>],
    classes: &[u32],
    acceptance: &[f64],
) -> Mixing {
    let records = energies[0].len();
    let kept: Vec<&[f64]> = energies.iter().map(|chain| &chain[records / 2..]).collect();
    let of_chains: Vec<f64> = kept.iter().map(|chain| mean(chain)).collect();
    let center = mean(&of_chains);
    let of_class = |class: u32| {
        let chains = classes.iter().zip(&of_chains);
        let of_class = chains.filter(|(other, _)| **other == class);
        mean(&of_class.map(|(_, mean)| *mean).collect::<Vec<_>>())
    };
    let moved: Vec<Vec<f64>> = kept
        .iter()
        .zip(classes)
        .map(|(chain, &class)| {
            let offset = center - of_class(class);
            chain.iter().map(|energy| energy + offset).collect()
        })
        .collect();
    let chains: Vec<&[f64]> = moved.iter().map(|chain| &chain[..]).collect();
    let found = Convergence::of(&chains);
    let accepted = &acceptance[acceptance.len() / 2..];
    let trace = (0..records).map(|record| {
        let at_record: Vec<f64> = energies.iter().map(|chain| chain[record]).collect();
        mean(&at_record)
    });
    Mixing {
        method: method.to_string(),
        mean_energy: found.mean,
        error: found.error(),
        std_energy: found.std,
        acceptance: (!accepted.is_empty()).then(|| mean(accepted)),
        scale_reduction: found.scale_reduction,
        autocorrelation: found.autocorrelation * BETWEEN as f64,
        effective_sample_size: found.effective,
        trace: trace.collect(),
        of_chains,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn classes_of_other_energies_do_not_keep_chains_from_meeting() {
        let chain = |offset: f64| -> Vec<f64> {
            (0..400)
                .map(|i| offset + f64::from(i * 7919 % 101) / 101.0)
                .collect()
        };
        let chains = [chain(0.0), chain(50.0), chain(0.0), chain(50.0)];
        let apart = of_energies(Method::Hmc, &chains, &[0, 0, 0, 0], &[]);
        assert!(apart.scale_reduction > 10.0, "{apart:?}");
        let by_class = of_energies(Method::Hmc, &chains, &[0, 1, 0, 1], &[0.0, 1.0]);
        assert!(
            (by_class.scale_reduction - 1.0).abs() < 0.05,
            "{by_class:?}"
        );
        assert!((by_class.mean_energy - apart.mean_energy).abs() < 1e-9);
        assert_eq!(
            (by_class.acceptance, by_class.trace.len()),
            (Some(1.0), 400)
        );
    }

    /// E = Σ (x − ½)²/2σ², whose laws under both kinds of steps are known.
    #[test]
    fn the_bias_of_steps_is_that_of_their_own_law() {
        let std = 0.05_f64;
        let bowl = |x: Tensor<4>| -> Tensor<1> {
            let rows: Tensor<2> = (x - 0.5).square().flatten(1, 3);
            rows.sum_dim(1).squeeze_dim::<1>(1) / (2.0 * std * std)
        };
        // A step of a third of the curvature: (1 − a)² per step, noise before it.
        let shrink = 1.0 / 3.0;
        let (step_size, noise) = (shrink * std * std, 0.02_f64);
        let langevin = LangevinConfig::new(10)
            .with_step_size(step_size)
            .with_noise_std(noise);
        let (chains, pixels) = (64, 16.0);
        let starts = Starts {
            x: Tensor::full([chains, 1, 4, 4], 0.5, &Device::flex()),
            classes: &vec![0; chains],
        };
        let options = MixingOptions {
            gradients: 2000,
            seed: 4,
        };
        let counter = StepCounter::default();
        let found = compare_samplers(&bowl, &langevin, &starts, options, &counter).expect("finite");
        let temperature = noise * noise / (2.0 * step_size);
        assert!(
            (found.temperature / temperature - 1.0).abs() < 1e-9,
            "{found:?}"
        );
        let kept: f64 = (1.0 - shrink) * (1.0 - shrink);
        let variance = noise * noise * kept / (1.0 - kept);
        let expected = [
            pixels * variance / (2.0 * std * std),
            pixels * temperature / 2.0,
        ];
        for (mixing, expected) in [&found.methods[0], &found.methods[2]].iter().zip(expected) {
            let off = (mixing.mean_energy - expected) / mixing.error;
            assert!(off.abs() < 5.0, "{mixing:?}, not {expected}");
            assert!(mixing.scale_reduction < 1.05, "{mixing:?}");
        }
        let (bias, found) = (expected[0] - expected[1], found.difference);
        assert!(
            (found.mean - bias).abs() < 5.0 * found.error,
            "{found:?}, not {bias}"
        );
        assert!(
            bias.abs() > 5.0 * found.error,
            "{bias} can be told from nothing"
        );
        assert!(found.is_of_density);
    }

    #[test]
    fn steps_without_a_density_and_short_chains_are_refused() {
        let flat = |x: Tensor<4>| -> Tensor<1> { x.flatten::<2>(1, 3).sum_dim(1).squeeze_dim(1) };
        let starts = Starts {
            x: Tensor::full([2, 1, 1, 1], 0.5, &Device::flex()),
            classes: &[0, 0],
        };
        let compare = |langevin: &LangevinConfig, gradients| {
            let options = MixingOptions { gradients, seed: 0 };
            let found =
                compare_samplers(&flat, langevin, &starts, options, &StepCounter::default());
            found.map(|found| found.methods.len())
        };
        let noiseless = LangevinConfig::new(10).with_noise_std(0.0);
        assert_eq!(compare(&noiseless, 1000), Err(MixingError::NoDensity));
        let own = LangevinConfig::new(10).with_method(Method::Hmc);
        assert_eq!(compare(&own, 1000), Err(MixingError::NoDensity));
        let short = MixingError::Short {
            gradients: 199,
            least: 200,
        };
        assert_eq!(compare(&LangevinConfig::new(10), 199), Err(short));
    }
}
