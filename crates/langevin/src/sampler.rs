//! Run Langevin chains: `num_steps` times noise, gradient, clamp, step and clip.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::gradient::energy_and_gradient;
use crate::kernel::{descend, perturb};
use crate::philox::{Distribution, NoiseKey};
use crate::pieces::{on_threads, pieces_for};
use crate::schedule::Schedule;
use crate::stats::{ChainStats, StatsRecorder};
use crate::step::{Descent, Noise};

/// How a chain moves. All lengths are in pixel units of [0, 1]; see the [crate's
/// convention](crate#convention).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LangevinConfig {
    /// K: Langevin steps of a run.
    pub num_steps: usize,
    /// η, at least 0.
    pub step_size: Schedule,
    /// s: standard deviation of the noise of a step, at least 0.
    pub noise_std: Schedule,
    /// T: what divides the energy, above 0.
    pub temperature: Schedule,
    /// c: every element of ∇E/T is clamped to [−c, c]; absent for no clamp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grad_clip: Option<f64>,
    /// Bounds to which a pixel is clipped after every step; absent for none. Images live in
    /// [0, 1], so a configuration file cannot change them.
    #[serde(skip, default = "unit_interval")]
    pub bounds: Option<[f64; 2]>,
}

fn unit_interval() -> Option<[f64; 2]> {
    Some([0.0, 1.0])
}

impl Default for LangevinConfig {
    fn default() -> Self {
        Self {
            num_steps: 60,
            step_size: Schedule::Constant(10.0),
            noise_std: Schedule::Constant(0.005),
            temperature: Schedule::Constant(1.0),
            grad_clip: None,
            bounds: unit_interval(),
        }
    }
}

/// A value that no chain can run with.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{key} {problem}")]
pub struct InvalidValue {
    /// The key of the configuration.
    pub key: &'static str,
    /// What is wrong, with the value.
    pub problem: String,
}

impl LangevinConfig {
    /// Check that chains can run.
    ///
    /// # Errors
    /// Names the first key with an impossible value.
    pub fn validate(&self) -> Result<(), InvalidValue> {
        let invalid = |key, problem: String| Err(InvalidValue { key, problem });
        for (key, schedule, above_zero) in [
            ("step_size", self.step_size, false),
            ("noise_std", self.noise_std, false),
            ("temperature", self.temperature, true),
        ] {
            match schedule.range() {
                Err(problem) => return invalid(key, problem.into()),
                Ok((low, _)) if low < 0.0 => {
                    return invalid(key, format!("must be ≥ 0, got {low}"));
                }
                Ok((low, _)) if above_zero && low == 0.0 => {
                    return invalid(key, "must be > 0".into());
                }
                Ok(_) => {}
            }
        }
        match self.grad_clip {
            Some(c) if c.is_nan() || c <= 0.0 => invalid(
                "grad_clip",
                format!("must be > 0, got {c}; leave it out for no clamp"),
            ),
            _ if self.num_steps >= 1 << 24 => invalid("num_steps", "must be below 2²⁴".into()),
            _ => Ok(()),
        }
    }

    /// The same chains in [0, 1], for a recipe published for images in [−1, 1]: η/4, s/2, 2c.
    pub fn from_minus_one_to_one(&self) -> Self {
        Self {
            step_size: self.step_size.scaled(0.25),
            noise_std: self.noise_std.scaled(0.5),
            grad_clip: self.grad_clip.map(|c| 2.0 * c),
            bounds: self
                .bounds
                .map(|bounds| bounds.map(|bound| (bound + 1.0) / 2.0)),
            ..self.clone()
        }
    }

    fn descent(&self, step: usize) -> Descent {
        let bounds = self.bounds.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
        Descent {
            step_size: self.step_size.at(step, self.num_steps) as f32,
            inverse_temperature: (1.0 / self.temperature.at(step, self.num_steps)) as f32,
            grad_clip: self.grad_clip.map_or(f32::INFINITY, |c| c as f32),
            bounds: bounds.map(|bound| bound as f32),
        }
    }
}

/// The sampler: a configuration and the random numbers it uses.
#[derive(Clone, Debug)]
pub struct Langevin {
    config: LangevinConfig,
    key: NoiseKey,
    record_stats: bool,
    trajectory_every: Option<usize>,
    piece_size: Option<usize>,
}

/// What a run leaves behind.
#[derive(Clone, Debug)]
pub struct Run<const D: usize> {
    /// The chains after the last step.
    pub x: Tensor<D>,
    /// What was seen on the way, where asked for.
    pub stats: Option<ChainStats>,
    /// The chains at the start and after every n-th step, where asked for.
    pub trajectory: Vec<Tensor<D>>,
}

impl Langevin {
    /// A sampler that draws its noise from `key`.
    pub fn new(config: LangevinConfig, key: NoiseKey) -> Self {
        Self {
            config,
            key,
            record_stats: false,
            trajectory_every: None,
            piece_size: None,
        }
    }

    /// Record [`ChainStats`]: two more energies a run, and some sums a step.
    pub fn with_stats(mut self, record: bool) -> Self {
        self.record_stats = record;
        self
    }

    /// Keep the start and every `steps`-th state.
    pub fn with_trajectory(mut self, steps: usize) -> Self {
        self.trajectory_every = Some(steps.max(1));
        self
    }

    /// Cut the batch into pieces of `chains` chains, instead of what suits the device.
    /// The result does not depend on it.
    pub fn with_piece_size(mut self, chains: usize) -> Self {
        self.piece_size = Some(chains.max(1));
        self
    }

    /// Run all steps on `x`, chain i with the noise of `chains[i]`.
    ///
    /// On a CPU the batch is cut into pieces, and every thread runs all steps of a piece at a
    /// time, so that its activations stay in its cache.
    ///
    /// # Shapes
    /// - `x`: `[batch, ..]` f32, not tracked by autodiff
    /// - `energy`: `[batch, ..]` to `[batch]`, each energy a function of its own image alone
    ///
    /// # Panics
    /// If `chains` is not as long as the batch.
    pub fn run<const D: usize>(
        &self,
        x: Tensor<D>,
        chains: &[u32],
        energy: impl Fn(Tensor<D>) -> Tensor<1> + Sync,
    ) -> Run<D> {
        let batch = x.dims()[0];
        assert_eq!(batch, chains.len(), "{batch} images need as many chain ids");
        let pieces = pieces_for(&x.device(), batch, self.piece_size);
        if pieces.len() <= 1 {
            return self.run_piece(x, chains, &energy);
        }
        let runs = on_threads(pieces, |piece| {
            let x = x.clone().narrow(0, piece.start, piece.len());
            self.run_piece(x, &chains[piece], &energy)
        });
        join(runs)
    }

    /// All steps of some chains, as one batch on the calling thread.
    fn run_piece<const D: usize>(
        &self,
        x: Tensor<D>,
        chains: &[u32],
        energy: &impl Fn(Tensor<D>) -> Tensor<1>,
    ) -> Run<D> {
        let ids = chain_tensor(chains, &x.device());
        let mut trajectory = Vec::new();
        if self.trajectory_every.is_some() {
            trajectory.push(x.clone());
        }
        let mut stats = (self.record_stats).then(|| StatsRecorder::start(energy(x.clone())));
        let mut x = match self.noise(0) {
            Some(noise) => perturb(x, &ids, noise),
            None => x,
        };
        for step in 0..self.config.num_steps {
            let (_, gradient) = energy_and_gradient(x.clone(), energy);
            let descent = self.config.descent(step);
            if let Some(stats) = &mut stats {
                stats.record(&gradient, &descent);
            }
            let noise = self.noise(step + 1);
            let kept = self.trajectory_every.is_some_and(|n| (step + 1) % n == 0);
            x = descend(x, gradient, &ids, descent, noise.filter(|_| !kept));
            if kept {
                trajectory.push(x.clone());
                if let Some(noise) = noise {
                    x = perturb(x, &ids, noise);
                }
            }
        }
        let stats = stats.map(|stats| stats.finish(energy(x.clone()), &x, self.config.bounds));
        Run {
            x,
            stats,
            trajectory,
        }
    }

    /// The noise that precedes `step`; none after the last step, or where s = 0.
    fn noise(&self, step: usize) -> Option<Noise> {
        let scale = self.config.noise_std.at(step, self.config.num_steps) as f32;
        (step < self.config.num_steps && scale > 0.0).then(|| Noise {
            key: self.key.at_step(step as u32),
            distribution: Distribution::Normal,
            scale,
        })
    }
}

/// The ids of chains as the kernels take them.
///
/// # Shapes
/// - returns `[chains]`, i32
pub fn chain_tensor(chains: &[u32], device: &Device) -> Tensor<1, Int> {
    let ids: Vec<i32> = chains.iter().map(|&id| id as i32).collect();
    let data = TensorData::new(ids, [chains.len()]);
    Tensor::from_data(data, (device, DType::I32))
}

/// The runs of consecutive pieces as the run of the whole batch.
fn join<const D: usize>(runs: Vec<Run<D>>) -> Run<D> {
    let frames = runs.first().map_or(0, |run| run.trajectory.len());
    let trajectory = (0..frames)
        .map(|frame| {
            let pieces = runs.iter().map(|run| run.trajectory[frame].clone());
            Tensor::cat(pieces.collect(), 0)
        })
        .collect();
    let (xs, stats): (Vec<_>, Vec<_>) = runs.into_iter().map(|run| (run.x, run.stats)).unzip();
    Run {
        x: Tensor::cat(xs, 0),
        stats: stats
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .map(ChainStats::join),
        trajectory,
    }
}
