//! Choose among the objectives: what a run's configuration does.

use burn::tensor::Device;
use ebm_core::Shard;
use ebm_data::Batch;
use ebm_model::EnergyModel;

use super::contrastive::{ChainState, Contrastive};
use super::{
    Classification, Denoising, Flow, Gradient, Jem, Latent, Objective, Recovery, ScoreMatching,
    StepContext, TrajectoryState, WhitenedContrast,
};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::state::{DataSummary, OfShard, Persist, TrainState};

/// One of the objectives.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyObjective {
    /// Energies of data against energies of chains.
    Contrastive(Contrastive),
    /// ∇E against the velocity from data to noise.
    Flow(Flow),
    /// ∇E against the noise in data.
    Denoising(Denoising),
    /// Energies of data with noise against those of chains that take noise off.
    Recovery(Recovery),
    /// Energies of one class against those of the others.
    Classification(Classification),
    /// Classes, and one of the others.
    Jem(Box<Jem<AnyObjective>>),
    /// Data against where trajectories lead from them, in whitened coordinates.
    WhitenedContrast(WhitenedContrast),
    /// The score of data, in whitened coordinates.
    ScoreMatching(ScoreMatching),
    /// Energies of data with latent vectors against those of chains.
    Latent(Latent),
}

/// What it remembers.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // one per run
pub enum AnyState {
    /// Nothing.
    Nothing,
    /// Chains.
    Chains(ChainState),
    /// How long the steps of trajectories are.
    Trajectories(TrajectoryState),
}

impl AnyObjective {
    /// The lowest mean energy of data at which a penalty holds them; −∞ where energies are not held against
    /// each other.
    pub(crate) fn lowest_of_data(&self) -> f64 {
        let contrastive = self.contrastive();
        contrastive.map_or(f64::NEG_INFINITY, Contrastive::lowest_of_data)
    }

    /// What it goes on from after another objective, or other settings of its own: chains, where their buffer can;
    /// `None` where it begins anew.
    pub(crate) fn take_over(&self, before: AnyState) -> Option<AnyState> {
        match (self.contrastive(), before) {
            (Some(contrastive), AnyState::Chains(chains)) => {
                contrastive.take_over(chains).map(AnyState::Chains)
            }
            _ => None,
        }
    }

    /// Whether it [takes over](Self::take_over) chains of `before`.
    pub(crate) fn goes_on_with(&self, before: &Self) -> bool {
        match (self.contrastive(), before.contrastive()) {
            (Some(own), Some(before)) => own.goes_on_with(before),
            _ => false,
        }
    }

    /// What learns from chains.
    fn contrastive(&self) -> Option<&Contrastive> {
        match self {
            Self::Contrastive(contrastive) => Some(contrastive),
            Self::Jem(jem) => jem.generative.contrastive(),
            Self::Flow(_)
            | Self::Denoising(_)
            | Self::Recovery(_)
            | Self::Classification(_)
            | Self::WhitenedContrast(_)
            | Self::ScoreMatching(_)
            | Self::Latent(_) => None,
        }
    }
}

impl AnyState {
    /// The states of several shards as one: the chains of all, with the step size that they share.
    fn of_all(states: impl IntoIterator<Item = Self>) -> Self {
        let together = |all: Self, more: Self| match (all, more) {
            (Self::Chains(all), Self::Chains(more)) => Self::Chains(all.with(more)),
            (all, _) => all,
        };
        states.into_iter().reduce(together).unwrap_or(Self::Nothing)
    }

    /// Its chains, if it has any.
    pub fn chains(&self) -> Option<&ChainState> {
        match self {
            Self::Nothing | Self::Trajectories(_) => None,
            Self::Chains(chains) => Some(chains),
        }
    }

    /// Its chains, to change them.
    pub fn chains_mut(&mut self) -> Option<&mut ChainState> {
        match self {
            Self::Nothing | Self::Trajectories(_) => None,
            Self::Chains(chains) => Some(chains),
        }
    }

    /// Multiplier of the sampler's step size: 1 unless it adapts. Trajectories in whitened coordinates have their own.
    pub fn step_scale(&self) -> f64 {
        self.chains().map_or(1.0, |chains| chains.step_scale)
    }
}

impl<M: EnergyModel> TrainState<M, AnyState> {
    /// The same for those who use what was learned: all chains in one buffer.
    pub fn in_one_shard(mut self) -> Self {
        let states = core::mem::take(&mut self.objective_states);
        let states = states.into_iter().map(|of_shard| of_shard.state);
        self.objective_states = vec![OfShard {
            shard: Shard::WHOLE,
            state: AnyState::of_all(states),
        }];
        self
    }
}

impl Persist for AnyState {
    fn to_files(&self) -> Vec<(&'static str, Vec<u8>)> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Chains(chains) => chains.to_files(),
            Self::Trajectories(trajectories) => trajectories.to_files(),
        }
    }
}

impl<M: EnergyModel + Sync> Objective<M> for AnyObjective {
    type State = AnyState;

    fn init(&self, data: &DataSummary, seed: u64, shard: Shard, device: &Device) -> AnyState {
        match self {
            Self::Contrastive(it) => {
                let chains = Objective::<M>::init(it, data, seed, shard, device);
                AnyState::Chains(chains)
            }
            Self::Jem(it) => Objective::<M>::init(&**it, data, seed, shard, device),
            Self::WhitenedContrast(it) => {
                AnyState::Trajectories(Objective::<M>::init(it, data, seed, shard, device))
            }
            Self::Flow(_)
            | Self::Denoising(_)
            | Self::Recovery(_)
            | Self::Classification(_)
            | Self::ScoreMatching(_)
            | Self::Latent(_) => AnyState::Nothing,
        }
    }

    fn load(
        &self,
        data: &DataSummary,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> Result<AnyState, CheckpointError> {
        match self {
            Self::Contrastive(it) => {
                Objective::<M>::load(it, data, checkpoint, device).map(AnyState::Chains)
            }
            Self::Jem(it) => Objective::<M>::load(&**it, data, checkpoint, device),
            Self::WhitenedContrast(it) => {
                Objective::<M>::load(it, data, checkpoint, device).map(AnyState::Trajectories)
            }
            Self::Flow(_)
            | Self::Denoising(_)
            | Self::Recovery(_)
            | Self::Classification(_)
            | Self::ScoreMatching(_)
            | Self::Latent(_) => Ok(AnyState::Nothing),
        }
    }

    fn is_coupled(&self) -> bool {
        match self {
            Self::Contrastive(it) => Objective::<M>::is_coupled(it),
            Self::Flow(it) => Objective::<M>::is_coupled(it),
            Self::Jem(it) => Objective::<M>::is_coupled(&**it),
            Self::WhitenedContrast(it) => Objective::<M>::is_coupled(it),
            Self::Denoising(_)
            | Self::Recovery(_)
            | Self::Classification(_)
            | Self::ScoreMatching(_)
            | Self::Latent(_) => false,
        }
    }

    /// # Panics
    /// If the state is of another objective.
    fn gradient(
        &self,
        state: &mut AnyState,
        model: &M,
        batch: &Batch,
        step: &StepContext,
    ) -> Gradient {
        match self {
            Self::Contrastive(it) => {
                let chains = state.chains_mut().expect("a state with chains");
                it.gradient(chains, model, batch, step)
            }
            Self::Flow(it) => it.gradient(&mut (), model, batch, step),
            Self::Denoising(it) => it.gradient(&mut (), model, batch, step),
            Self::Recovery(it) => it.gradient(&mut (), model, batch, step),
            Self::Classification(it) => it.gradient(&mut (), model, batch, step),
            Self::Jem(it) => it.gradient(state, model, batch, step),
            Self::WhitenedContrast(it) => {
                let AnyState::Trajectories(trajectories) = state else {
                    panic!("a state with trajectories");
                };
                it.gradient(trajectories, model, batch, step)
            }
            Self::ScoreMatching(it) => it.gradient(&mut (), model, batch, step),
            Self::Latent(it) => it.gradient(&mut (), model, batch, step),
        }
    }
}
