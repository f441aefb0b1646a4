//! Run chains: the loop over steps of any algorithm, spread over the pieces of a batch.

mod adaptation;
mod chain_run;
mod config;
mod conversion;
mod denoise;
mod dynamics;
pub mod euler;
mod flow;
pub mod heun;
pub mod hmc;
pub mod mala;
mod method;
mod metropolis;
pub mod sgld;
mod validate;

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use burn::tensor::Tensor;
use ebm_core::{Energy, NoiseKey, chain_pieces, each_piece, pieces_of};

use crate::stats::StatsRecorder;
use chain_run::join;
use dynamics::{Algorithm, StepRequest};

pub(crate) use adaptation::adapted_by;
pub use adaptation::adapted_scale;
pub use chain_run::{ChainRun, LastStep};
pub use config::LangevinConfig;
pub use dynamics::Dynamics;
pub use method::Method;

/// The sampler: a configuration and the random numbers it uses.
#[derive(Clone, Debug)]
pub struct Sampler {
    config: LangevinConfig,
    key: NoiseKey,
    step_scale: f64,
    recorded: Recorded,
    keep_last_step: bool,
    denoises: bool,
    trajectory_every: Option<usize>,
    steps: Option<Range<usize>>,
    piece_size: Option<usize>,
    counter: Option<StepCounter>,
}

/// Counts the gradients that the chains of a sampler have taken, for who wants to show how far it is.
#[derive(Clone, Debug)]
pub struct StepCounter {
    gradients: Arc<AtomicU64>,
    /// What each gradient counts for.
    weight: u64,
}

impl Default for StepCounter {
    fn default() -> Self {
        Self {
            gradients: Arc::default(),
            weight: 1,
        }
    }
}

impl StepCounter {
    /// The same count, to which each gradient adds `weight`: the gradients of so many ranks that take their steps
    /// at the same time.
    pub fn weighted(&self, weight: u64) -> Self {
        Self {
            gradients: Arc::clone(&self.gradients),
            weight,
        }
    }

    /// Gradients so far, each of one chain.
    pub fn gradients(&self) -> u64 {
        self.gradients.load(Ordering::Relaxed)
    }

    /// Count some more.
    pub fn add(&self, gradients: usize) {
        let counted = gradients as u64 * self.weight;
        self.gradients.fetch_add(counted, Ordering::Relaxed);
    }
}

/// What a sampler records of its chains.
#[derive(Clone, Copy, Debug, Default)]
struct Recorded {
    /// The first and the last state.
    ends: bool,
    /// All steps, and the first and the last state.
    steps: bool,
}

impl Sampler {
    /// A sampler that draws its random numbers from `key`.
    pub fn new(config: LangevinConfig, key: NoiseKey) -> Self {
        Self {
            config,
            key,
            step_scale: 1.0,
            recorded: Recorded::default(),
            keep_last_step: false,
            denoises: false,
            trajectory_every: None,
            steps: None,
            piece_size: None,
            counter: None,
        }
    }

    /// Multiply the step size η by `scale`: what [`adapted_scale`] has found.
    pub fn with_step_scale(mut self, scale: f64) -> Self {
        self.step_scale = scale;
        self
    }

    /// Record [`ChainStats`](crate::ChainStats): two more energies a run, and some sums a step.
    pub fn with_stats(mut self, record: bool) -> Self {
        self.recorded.steps = record;
        self
    }

    /// Record the energies and final pixels of [`ChainStats`](crate::ChainStats) alone: nothing in a step.
    pub fn with_energies(mut self, record: bool) -> Self {
        self.recorded.ends = record;
        self
    }

    /// Keep the [`LastStep`] of `sgld`.
    pub fn with_last_step(mut self, keep: bool) -> Self {
        self.keep_last_step = keep;
        self
    }

    /// End with the denoising of [`LangevinConfig::final_denoise_std`], where the configuration has it: for
    /// samples, not for chains that go on.
    pub fn with_final_denoising(mut self, denoise: bool) -> Self {
        self.denoises = denoise;
        self
    }

    /// Take these steps of a run, counted from 0, instead of all of them: chains that stop after some steps and go
    /// on with the next ones end where they would have without the stop. Beyond
    /// [`num_steps`](LangevinConfig::num_steps) schedules keep their last values, and the time of a flow goes on.
    pub fn with_steps(mut self, steps: Range<usize>) -> Self {
        self.steps = Some(steps);
        self
    }

    /// Keep the start and every `steps`-th state, before any final denoising.
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

    /// Count the gradients of the chains there. A GPU takes orders ahead of its work.
    pub fn with_counter(mut self, counter: StepCounter) -> Self {
        self.counter = Some(counter);
        self
    }

    /// Run all steps on `x`, chain i with the random numbers of `ids[i]`.
    ///
    /// On a CPU the batch is cut into pieces, and every thread runs all steps of a piece at a
    /// time, so that its activations stay in its cache.
    ///
    /// # Shapes
    /// - `x`: `[batch, ..]` f32, not tracked by autodiff
    ///
    /// # Panics
    /// If `ids` is not as long as the batch.
    pub fn run<const D: usize>(
        &self,
        x: Tensor<D>,
        ids: &[u32],
        energy: &dyn Energy<D>,
    ) -> ChainRun<D> {
        let batch = x.dims()[0];
        assert_eq!(batch, ids.len(), "{batch} images need as many chain ids");
        let device = x.device();
        let pieces = match self.piece_size {
            Some(size) => pieces_of(batch, size),
            None => chain_pieces(&device, batch),
        };
        if pieces.len() <= 1 {
            return self.run_piece(x, ids, energy);
        }
        let runs = each_piece(&device, pieces, |rows: Range<usize>| {
            let x = x.clone().narrow(0, rows.start, rows.len());
            let ids = &ids[rows.clone()];
            match energy.of_rows(rows) {
                Some(energy) => self.run_piece(x, ids, energy.as_ref()),
                None => self.run_piece(x, ids, energy),
            }
        });
        join(runs)
    }

    /// All steps of some chains, as one batch on the calling thread.
    fn run_piece<const D: usize>(
        &self,
        x: Tensor<D>,
        ids: &[u32],
        energy: &dyn Energy<D>,
    ) -> ChainRun<D> {
        let dynamics = Dynamics::new(&self.config, self.key, ids, energy, &x.device())
            .with_step_scale(self.step_scale);
        match self.config.method {
            Method::Sgld => self.follow::<D, sgld::Sgld>(&dynamics, x),
            Method::Mala => self.follow::<D, mala::Mala>(&dynamics, x),
            Method::Hmc => self.follow::<D, hmc::Hmc>(&dynamics, x),
            Method::Euler => self.follow::<D, euler::Euler>(&dynamics, x),
            Method::Heun => self.follow::<D, heun::Heun>(&dynamics, x),
        }
    }

    fn follow<const D: usize, A: Algorithm<D>>(
        &self,
        dynamics: &Dynamics<'_, D>,
        x: Tensor<D>,
    ) -> ChainRun<D> {
        let steps = self.steps.clone().unwrap_or(0..self.config.num_steps);
        let num_steps = steps.len();
        let is_frame = |done: usize| {
            self.trajectory_every
                .is_some_and(|n| done.is_multiple_of(n))
        };
        let mut trajectory: Vec<_> = is_frame(0).then(|| x.clone()).into_iter().collect();
        let recorded = self.recorded;
        let mut stats = (recorded.ends || recorded.steps)
            .then(|| StatsRecorder::start(dynamics.energy.energies(x.clone())));
        let mut last_step = None;
        let gradients_per_step = x.dims()[0] * self.config.gradients_per_step();
        let mut state = A::init(dynamics, x);
        for (done, step) in (1..).zip(steps) {
            let request = StepRequest {
                step,
                settled: is_frame(done) || done == num_steps,
                keep_from: self.keep_last_step && done == num_steps,
            };
            let info;
            (state, info) = A::step(dynamics, state, request);
            if let Some(stats) = stats.as_mut().filter(|_| recorded.steps) {
                let norm_clip = self.config.grad_norm_clip;
                stats.record(
                    &info.gradient,
                    &info.descent,
                    norm_clip,
                    info.log_ratio.as_ref(),
                );
            }
            let descent = info.descent;
            last_step = info.from.map(|from| LastStep { from, descent });
            if is_frame(done) {
                trajectory.push(A::position(&state).clone());
            }
            if let Some(counter) = &self.counter {
                counter.add(gradients_per_step);
            }
        }
        let mut x = A::position(&state).clone();
        if let Some(std) = self.config.final_denoise_std.filter(|_| self.denoises) {
            x = denoise::denoised(dynamics, x, std);
            if let Some(counter) = &self.counter {
                counter.add(x.dims()[0]);
            }
        }
        let end = |stats: StatsRecorder| {
            stats.finish(dynamics.energy.energies(x.clone()), &x, self.config.clip())
        };
        ChainRun {
            stats: stats.map(end),
            x,
            trajectory,
            last_step,
        }
    }
}
