//! Hold together what training needs: how steps are taken, an objective, and the state.

use burn::tensor::Device;
use ebm_core::{Schedule, Shard, StepKey};
use ebm_data::Batch;
use ebm_model::{EnergyModel, Frozen};

use crate::collective::Team;
use crate::objective::Objective;
use crate::optimizer::OptimizerConfig;
use crate::state::{DataSummary, TrainState};
use crate::step::{StepConfig, StepInfo, step};

/// Trains a network under an objective, one batch at a time.
///
/// ```
/// use burn::tensor::Device;
/// use ebm_core::{ImageShape, NoiseKey, PhiloxRng, Shard, StepKey, Stream};
/// use ebm_data::{BatchConfig, Batches, DataConfig};
/// use ebm_model::ConvNetConfig;
/// use ebm_train::{Contrastive, Trainer};
///
/// let (seed, device) = (0, Device::flex());
/// let config = DataConfig { train_images: 100, test_images: 0, ..DataConfig::default() };
/// let data = ebm_data::load(&config, seed)?.train;
/// let mut rng = PhiloxRng::new(NoiseKey::new(seed, Stream::Weights, 0), 0);
/// let net = ConvNetConfig::uva().init(data.shape, &mut rng, &device.clone().autodiff())?;
/// let objective = Contrastive::default();
/// let mut trainer = Trainer::new(net, objective, (&data).into(), seed, &device).with_lr(1e-4);
/// let mut batches = Batches::new(&data, BatchConfig::new(8), seed, &device);
/// let info = trainer.step(&batches.at(trainer.key(), Shard::WHOLE));
/// assert!(info.loss.into_scalar::<f32>().is_finite());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Trainer<M: EnergyModel, O: Objective<M>> {
    /// How steps are taken.
    pub config: StepConfig,
    /// What is minimised.
    pub objective: O,
    /// What is remembered.
    pub state: TrainState<M, O::State>,
    seed: u64,
    team: Team,
}

impl<M: EnergyModel + Sync, O: Objective<M>> Trainer<M, O> {
    /// Train `model`, whose weights are on the tape of an autodiff device, on `device`, the same
    /// without autodiff.
    pub fn new(model: M, objective: O, data: DataSummary, seed: u64, device: &Device) -> Self {
        let of_objective = objective.init(&data, seed, Shard::WHOLE, device);
        let state = TrainState::new(model, of_objective, data, device);
        Self::from_state(state, objective, seed)
    }

    /// Go on from `state`.
    pub fn from_state(state: TrainState<M, O::State>, objective: O, seed: u64) -> Self {
        Self {
            config: StepConfig::default(),
            objective,
            state,
            seed,
            team: Team::default(),
        }
    }

    /// Take steps like this.
    pub fn with_config(mut self, config: StepConfig) -> Self {
        self.config = config;
        self
    }

    /// This learning rate: a number, or a schedule over [`StepConfig::iterations`].
    pub fn with_lr(mut self, lr: impl Into<Schedule>) -> Self {
        self.config.lr = lr.into();
        self
    }

    /// This decay of the moving average of the weights, in [0, 1).
    pub fn with_ema_decay(mut self, decay: f64) -> Self {
        self.config.ema_decay = decay;
        self
    }

    /// This Adam.
    pub fn with_optimizer(mut self, optimizer: OptimizerConfig) -> Self {
        self.config.optimizer = optimizer;
        self
    }

    /// Share the work with other ranks. The state is that of this one's shards.
    pub fn with_team(mut self, team: Team) -> Self {
        self.team = team;
        self
    }

    /// What keys the random numbers of the next step, those of its batch of data included.
    pub fn key(&self) -> StepKey {
        StepKey {
            seed: self.seed,
            attempt: self.state.attempt,
            iteration: self.state.iteration as u32,
        }
    }

    /// Take a step on a batch of data.
    pub fn step(&mut self, batch: &Batch) -> StepInfo {
        self.step_on(core::slice::from_ref(batch), false)
    }

    /// Take a step, and tell its terms.
    pub fn step_recorded(&mut self, batch: &Batch) -> StepInfo {
        self.step_on(core::slice::from_ref(batch), true)
    }

    /// Take a step on the batches of this rank's shards, in order; `record` is whether its terms are told.
    pub fn step_on(&mut self, batches: &[Batch], record: bool) -> StepInfo {
        let key = self.key();
        step(
            &self.config,
            &self.objective,
            &mut self.state,
            batches,
            (key, record),
            &self.team,
        )
    }

    /// The network with averaged weights, as it is sampled from.
    pub fn averaged(&self) -> Frozen<M> {
        self.state.ema_model()
    }
}
