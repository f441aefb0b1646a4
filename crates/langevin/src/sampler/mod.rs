//! Run chains of any [`Method`]: the loop over steps, spread over the pieces of a batch.

mod adaptation;
mod config;
mod hamiltonian;
mod sgld;

use core::ops::Range;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::gradient::Energy;
use crate::philox::NoiseKey;
use crate::pieces::{chain_pieces, each_piece, pieces_of};
use crate::stats::{ChainStats, StatsRecorder, Tally};
use crate::step::Descent;
use hamiltonian::Hamiltonian;
use sgld::Sgld;

pub use adaptation::adapted_scale;
pub use config::{InvalidValue, LangevinConfig, Method};

/// The sampler: a configuration and the random numbers it uses.
#[derive(Clone, Debug)]
pub struct Sampler {
    config: LangevinConfig,
    key: NoiseKey,
    step_scale: f64,
    recorded: Recorded,
    keep_last_step: bool,
    trajectory_every: Option<usize>,
    piece_size: Option<usize>,
}

/// What a sampler records of its chains.
#[derive(Clone, Copy, Debug, Default)]
struct Recorded {
    /// Of the first and the last state.
    ends: bool,
    /// Of all steps, and of the first and the last state.
    steps: bool,
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
    /// The last step, where asked for.
    pub last_step: Option<LastStep<D>>,
}

/// The last step of `sgld`: x = clip(from − η·clamp(∇E(from)/T)).
#[derive(Clone, Debug)]
pub struct LastStep<const D: usize> {
    /// Where it started, its noise included, `[batch, ..]`.
    pub from: Tensor<D>,
    /// How far it went, and what bounded it.
    pub descent: Descent,
}

/// What the run of a piece leaves behind, as [`Run`].
struct Piece<const D: usize> {
    x: Tensor<D>,
    tally: Option<Tally>,
    trajectory: Vec<Tensor<D>>,
    last_step: Option<LastStep<D>>,
}

/// What moves the chains of a piece.
trait Dynamics<const D: usize> {
    /// Step number `step`. The result is a state of the chain where `settle`; else it may hold the
    /// noise of the next step already.
    fn step(
        &mut self,
        x: Tensor<D>,
        step: usize,
        settle: bool,
        stats: Option<&mut StatsRecorder>,
    ) -> Tensor<D>;

    /// The step just taken, where there is such a thing.
    fn last_step(&mut self) -> Option<LastStep<D>>;
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
            trajectory_every: None,
            piece_size: None,
        }
    }

    /// Multiply every step size by `scale`: what [`adapted_scale`] has found.
    pub fn with_step_scale(mut self, scale: f64) -> Self {
        self.step_scale = scale;
        self
    }

    /// Record [`ChainStats`]: two more energies a run, and some sums a step.
    pub fn with_stats(mut self, record: bool) -> Self {
        self.recorded.steps = record;
        self
    }

    /// Record the energies and final pixels of [`ChainStats`] alone: nothing a step.
    pub fn with_energies(mut self, record: bool) -> Self {
        self.recorded.ends = record;
        self
    }

    /// Keep the [`LastStep`] of `sgld`.
    pub fn with_last_step(mut self, keep: bool) -> Self {
        self.keep_last_step = keep;
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

    /// Run all steps on `x`, chain i with the random numbers of `chains[i]`.
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
        self.run_each(x, chains, |_| &energy)
    }

    /// [`run`](Self::run) with energies that differ between chains: `energy_of(rows)` is the energy
    /// of the chains at those places of the batch.
    ///
    /// # Panics
    /// If `chains` is not as long as the batch.
    pub fn run_each<const D: usize, E: Energy<D>>(
        &self,
        x: Tensor<D>,
        chains: &[u32],
        energy_of: impl Fn(Range<usize>) -> E + Sync,
    ) -> Run<D> {
        let batch = x.dims()[0];
        assert_eq!(batch, chains.len(), "{batch} images need as many chain ids");
        let device = x.device();
        let pieces = match self.piece_size {
            Some(size) => pieces_of(batch, size),
            None => chain_pieces(&device, batch),
        };
        if pieces.len() <= 1 {
            return join(vec![self.run_piece(x, chains, &energy_of(0..batch))]);
        }
        let runs = each_piece(&device, pieces, |piece| {
            let x = x.clone().narrow(0, piece.start, piece.len());
            self.run_piece(x, &chains[piece.clone()], &energy_of(piece))
        });
        join(runs)
    }

    /// All steps of some chains, as one batch on the calling thread.
    fn run_piece<const D: usize>(
        &self,
        x: Tensor<D>,
        chains: &[u32],
        energy: &impl Energy<D>,
    ) -> Piece<D> {
        match self.config.method {
            Method::Sgld => {
                let ids = chain_tensor(chains, &x.device());
                self.follow(Sgld::new(self, ids, energy), x, energy)
            }
            Method::Mala | Method::Hmc => {
                self.follow(Hamiltonian::new(self, chains, energy), x, energy)
            }
        }
    }

    fn follow<const D: usize>(
        &self,
        mut dynamics: impl Dynamics<D>,
        mut x: Tensor<D>,
        energy: &impl Energy<D>,
    ) -> Piece<D> {
        let num_steps = self.config.num_steps;
        let mut trajectory = Vec::new();
        if self.trajectory_every.is_some() {
            trajectory.push(x.clone());
        }
        let recorded = self.recorded;
        let mut stats = (recorded.ends || recorded.steps)
            .then(|| StatsRecorder::start(energy.energies(x.clone())));
        for step in 0..num_steps {
            let kept = self.trajectory_every.is_some_and(|n| (step + 1) % n == 0);
            let of_step = stats.as_mut().filter(|_| recorded.steps);
            x = dynamics.step(x, step, kept || step + 1 == num_steps, of_step);
            if kept {
                trajectory.push(x.clone());
            }
        }
        let tally =
            stats.map(|stats| stats.finish(energy.energies(x.clone()), &x, self.config.bounds));
        Piece {
            x,
            tally,
            trajectory,
            last_step: dynamics.last_step(),
        }
    }

    /// The descent of a step, its size scaled.
    fn descent(&self, step: usize) -> Descent {
        let descent = self.config.descent(step);
        Descent {
            step_size: (f64::from(descent.step_size) * self.step_scale) as f32,
            ..descent
        }
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
fn join<const D: usize>(pieces: Vec<Piece<D>>) -> Run<D> {
    let frames = pieces.first().map_or(0, |piece| piece.trajectory.len());
    let trajectory = (0..frames)
        .map(|frame| {
            let pieces = pieces.iter().map(|piece| piece.trajectory[frame].clone());
            Tensor::cat(pieces.collect(), 0)
        })
        .collect();
    let starts: Option<Vec<_>> = pieces.iter().map(|piece| piece.last_step.clone()).collect();
    let last_step = starts.map(|starts| LastStep {
        descent: starts[0].descent,
        from: Tensor::cat(starts.into_iter().map(|start| start.from).collect(), 0),
    });
    let (xs, tallies): (Vec<_>, Vec<_>) = (pieces.into_iter())
        .map(|piece| (piece.x, piece.tally))
        .unzip();
    let tally = tallies.into_iter().flatten().reduce(Tally::and);
    Run {
        x: Tensor::cat(xs, 0),
        stats: tally.map(Tally::stats),
        trajectory,
        last_step,
    }
}
