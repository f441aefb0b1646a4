//! Take one training step: objective → mean over shards → clip → Adam → EMA.

use burn::tensor::Tensor;
use ebm_core::{Invalid, Schedule, StepKey};
use ebm_data::Batch;
use ebm_model::EnergyModel;

use crate::collective::Team;
use crate::config::RollbackConfig;
use crate::ema;
use crate::objective::{Contrasted, Gradient, Objective, gradient_of_shards};
use crate::optimizer::OptimizerConfig;
use crate::parameters;
use crate::state::TrainState;

/// How gradients become weights.
#[derive(Clone, Debug, PartialEq)]
pub struct StepConfig {
    /// The iteration with which the schedule of the learning rate begins, and its warm-up.
    pub start: usize,
    /// Updates of the weights in a whole run, at whose end the schedule of the learning rate ends.
    pub iterations: usize,
    /// Learning rate.
    pub lr: Schedule,
    /// What the learning rate is multiplied by for each time that the run has gone back.
    pub lr_factor: f64,
    /// Decay of the moving average of the weights, in [0, 1).
    pub ema_decay: f64,
    /// Adam, and what bounds its gradients.
    pub optimizer: OptimizerConfig,
}

impl Default for StepConfig {
    fn default() -> Self {
        Self {
            start: 0,
            iterations: 10_000,
            lr: Schedule::Constant(1e-4),
            lr_factor: RollbackConfig::default().lr_factor,
            ema_decay: 0.99,
            optimizer: OptimizerConfig::default(),
        }
    }
}

impl StepConfig {
    /// Learning rate of an iteration of an attempt, warm-up included.
    pub fn lr_at(&self, iteration: u64, attempt: u32) -> f64 {
        let warmup = self.optimizer.warmup as f64;
        let since = (iteration as usize).saturating_sub(self.start);
        let warmed = ((since + 1) as f64 / warmup.max(1.0)).min(1.0);
        let lr = warmed
            * self
                .lr
                .at(since, self.iterations.saturating_sub(self.start));
        (0..attempt).fold(lr, |lr, _| lr * self.lr_factor)
    }

    /// Check that steps can be taken.
    ///
    /// # Errors
    /// Names the first key with an impossible value.
    pub fn validate(&self) -> Result<(), Invalid> {
        if self.iterations == 0 {
            return Err(Invalid::new("iterations", "must be at least 1, got 0"));
        }
        if self.iterations > u32::MAX as usize {
            return Err(Invalid::new("iterations", "must be below 2³²"));
        }
        match self.lr.range() {
            Err(problem) => return Err(Invalid::new("lr", problem)),
            Ok((low, _)) if low < 0.0 => {
                return Err(Invalid::new("lr", format!("must be ≥ 0, got {low}")));
            }
            Ok(_) => {}
        }
        if !(0.0..1.0).contains(&self.ema_decay) {
            let problem = format!("must be in [0, 1), got {}", self.ema_decay);
            return Err(Invalid::new("ema_decay", problem));
        }
        let optimizer = self.optimizer.validate();
        optimizer.map_err(|invalid| invalid.within("optimizer"))
    }
}

/// What happened in a step. Tensors stay on the device until somebody reads them.
#[derive(Clone, Debug)]
pub struct StepInfo {
    /// What was minimised, `[1]`.
    pub loss: Tensor<1>,
    /// Which energies were contrasted, where the objective does so.
    pub contrasted: Option<Contrasted>,
    /// What the objective tells, `[1]` each.
    pub terms: Vec<(&'static str, Tensor<1>)>,
    /// L2 norm of the parameter gradient before clipping, `[1]`.
    pub grad_norm: Tensor<1>,
    /// Learning rate used.
    pub lr: f64,
}

/// One step: the objective's gradient becomes an update of the weights and of their moving average.
///
/// Spectral norm takes one power iteration first. `batches` are those of this rank's shards, in order; `record` is
/// whether somebody will read the terms.
pub fn step<M: EnergyModel + Sync, O: Objective<M>>(
    config: &StepConfig,
    objective: &O,
    state: &mut TrainState<M, O::State>,
    batches: &[Batch],
    (key, record): (StepKey, bool),
    team: &Team,
) -> StepInfo {
    for weight in &mut state.model.spectral_norms() {
        weight.iterate();
    }
    let Gradient {
        flat,
        loss,
        contrasted,
        terms,
    } = gradient_of_shards(
        objective,
        &mut state.objective_states,
        &state.model,
        batches,
        (key, record),
        team,
    );
    let lr = config.lr_at(state.iteration, state.attempt);
    let weights = parameters::flatten(&state.model); // [parameters]
    let grad_norm = norm(&flat, team);
    let optimizer = &mut state.optimizer;
    let update = optimizer.step_of_norm(&config.optimizer, lr, weights, flat, grad_norm);
    let average = state.ema.clone();
    state.ema = ema::update(
        average,
        update.parameters.clone(),
        config.ema_decay,
        state.iteration,
    );
    state.model = parameters::unflatten(state.model.clone(), &update.parameters);
    state.iteration += 1;
    StepInfo {
        loss,
        contrasted,
        terms,
        grad_norm: update.grad_norm,
        lr,
    }
}

/// The L2 norm of a gradient, `[1]`. Of several shards it is summed in order on the host, as ranks must find the same bits:
/// a GPU chooses by speed in which order it adds.
fn norm(flat: &Tensor<1>, team: &Team) -> Tensor<1> {
    if team.num_shards() == 1 {
        return flat.clone().square().sum().sqrt();
    }
    let values = flat.clone().into_data();
    let squares = values.iter::<f64>().map(|value| value * value);
    Tensor::from_floats([squares.sum::<f64>().sqrt() as f32], &flat.device())
}
