//! Take one training step: objective → mean over shards → clip → Adam, or a step that samples weights → EMA.

use burn::tensor::Tensor;
use ebm_core::{Invalid, Schedule, StepKey, Stream, Varying};
use ebm_data::Batch;
use ebm_model::EnergyModel;

use crate::collective::Team;
use crate::config::RollbackConfig;
use crate::ema;
use crate::objective::{Contrasted, Gradient, Objective, gradient_of_shards};
use crate::optimizer::{OptimizerConfig, OptimizerMethod};
use crate::parameters;
use crate::posterior::{PosteriorConfig, WeightStep};
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
    /// What makes updates of gradients.
    pub optimizer: OptimizerConfig,
    /// Which posterior weights are sampled from, where the optimizer samples.
    pub posterior: PosteriorConfig,
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
            posterior: PosteriorConfig::default(),
        }
    }
}

impl StepConfig {
    /// Learning rate of an iteration of an attempt, warm-up included.
    pub fn lr_at(&self, iteration: u64, attempt: u32) -> f64 {
        let warmup = self.optimizer.warmup as f64;
        let (since, num_steps) = self.place_of(iteration);
        let warmed = ((since + 1) as f64 / warmup.max(1.0)).min(1.0);
        let lr = warmed * self.lr.at(since, num_steps);
        (0..attempt).fold(lr, |lr, _| lr * self.lr_factor)
    }

    /// Steps of the schedule before an iteration, and of all of it.
    fn place_of(&self, iteration: u64) -> (usize, usize) {
        let since = (iteration as usize).saturating_sub(self.start);
        (since, self.iterations.saturating_sub(self.start))
    }

    /// Whether the weights are kept after the iteration with this number, counted from 0.
    pub fn keeps_weights(&self, iteration: u64) -> bool {
        let (since, num_steps) = self.place_of(iteration);
        self.optimizer.method.is_sampling() && self.posterior.keeps(&self.lr, since, num_steps)
    }

    /// How the weights move in an iteration that samples them, at a learning rate, where the loss is a mean over so many
    /// images.
    fn weight_step(&self, key: StepKey, lr: f64, images: u64) -> WeightStep {
        let (since, num_steps) = self.place_of(u64::from(key.iteration));
        let is_sampling = self.posterior.is_sampling(&self.lr, since, num_steps);
        WeightStep {
            step_size: lr,
            images,
            prior_precision: self.posterior.prior_precision,
            temperature: if is_sampling {
                self.posterior.temperature
            } else {
                0.0
            },
            key: key.stream(Stream::WeightNoise),
        }
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
        self.validate_cycles()?;
        if !(0.0..1.0).contains(&self.ema_decay) {
            let problem = format!("must be in [0, 1), got {}", self.ema_decay);
            return Err(Invalid::new("ema_decay", problem));
        }
        let optimizer = self.optimizer.validate();
        optimizer.map_err(|invalid| invalid.within("optimizer"))?;
        let posterior = self.posterior.validate();
        posterior.map_err(|invalid| invalid.within("posterior"))?;
        self.validate_posterior()
    }

    /// Refuse a learning rate that begins more often than there are iterations.
    pub(crate) fn validate_cycles(&self) -> Result<(), Invalid> {
        let (_, num_steps) = self.place_of(self.start as u64);
        match self.lr {
            Schedule::Varying(Varying::Cyclic { cycles, .. }) if cycles as usize > num_steps => {
                let problem = format!(
                    "has {cycles} cycles, and its part of the run {num_steps} iterations: a cycle needs at least one"
                );
                Err(Invalid::new("lr", problem))
            }
            _ => Ok(()),
        }
    }

    /// Refuse keys of a posterior that would do nothing.
    fn validate_posterior(&self) -> Result<(), Invalid> {
        let problem = |key, problem: &str| Err(Invalid::new(key, problem).within("posterior"));
        if self.posterior.every > 0 && !self.optimizer.method.is_sampling() {
            let needed = "above 0 needs optimizer.method = \"sgld\" or \"psgld\"";
            return problem("every", needed);
        }
        let is_cyclic = self.lr.cycle_of(0, self.iterations).is_some();
        if self.posterior.exploration > 0.0 && !is_cyclic {
            return problem("exploration", "above 0 needs a cyclic lr");
        }
        Ok(())
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
///
/// # Panics
/// If the optimizer samples weights, and the state does not know of how many images.
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
    let update = match config.optimizer.method {
        OptimizerMethod::Adam => {
            optimizer.step_of_norm(&config.optimizer, lr, weights, flat, grad_norm)
        }
        OptimizerMethod::Sgld | OptimizerMethod::Psgld => {
            let images = state.data.identity.map(|identity| identity.num);
            let images = images.expect("a posterior is of a known number of images");
            let step = config.weight_step(key, lr, images);
            optimizer.langevin_step(&config.optimizer, &step, weights, flat, grad_norm)
        }
    };
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
