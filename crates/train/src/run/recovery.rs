//! Go back to before the first sign of what went wrong, and try again with other random numbers.

use std::path::PathBuf;

use super::observer::Observers;
use super::open::{new_state_of, read_state};
use super::ranks::{agreed, by_first};
use super::training::Run;
use crate::checkpoint;
use crate::config::OnDivergence;
use crate::error::TrainError;
use crate::posterior;
use crate::state::Rollback;

/// Chains of fewer rounds of sampling than this start afresh: they are the ones that an energy about to
/// collapse has caught.
const YOUNG: u32 = 10;

impl Run<'_> {
    /// Go back after `error`, where the configuration says so and has not had enough of it: to the newest
    /// checkpoint from before its first sign, or to the start where there was none yet. Chains, noise and restarts have other
    /// random numbers from there, the learning rate is smaller, and young chains start afresh. Returns
    /// the checkpoint from which the run goes on, the last one of its directory.
    ///
    /// # Errors
    /// `error` itself where the run does not go back, or was imported and has no checkpoint from before it; or what
    /// keeps it from doing so.
    pub(super) fn go_back(
        &mut self,
        error: TrainError,
        observers: &mut Observers<'_, '_>,
    ) -> Result<PathBuf, TrainError> {
        let Some(iteration) = error.gone_wrong_at() else {
            return Err(error);
        };
        agreed(&self.team, self.dir.check_there())?;
        let (config, before) = (self.config, self.state());
        let goes_back = config.on_divergence == OnDivergence::Rollback
            && (before.attempt as usize) < config.rollback.max;
        if !goes_back {
            return Err(error);
        }
        let mut state = match self.last_good(iteration)? {
            Some(path) => {
                let read = read_state(config, &path, &self.device, &self.team);
                agreed(&self.team, read.map_err(TrainError::from))?
            }
            // An imported model has learned what the start knows nothing of.
            None if before.began_at > 0 => return Err(error),
            None => new_state_of(
                config,
                (&self.dataset.train).into(),
                &self.device,
                &self.team,
            )?,
        };
        let rollback = Rollback {
            attempt: before.attempt + 1,
            from: iteration,
            to: state.iteration,
            why: error.in_short(),
        };
        state.attempt = rollback.attempt;
        state.data.identity = before.data.identity;
        state.rollbacks = before.rollbacks.clone();
        state.rollbacks.push(rollback.clone());
        self.take_on(config.settings_of(state.iteration));
        self.trainer.state = state;
        let key = self.trainer.key();
        for of_shard in &mut self.trainer.state.objective_states {
            if let Some(chains) = of_shard.state.chains_mut() {
                chains.buffer.restart_young(YOUNG, key, of_shard.shard);
            }
        }
        self.unread.clear();
        self.pace.go_back(rollback.to);
        let run_dir = self.dir.path().to_owned();
        let forget = || {
            checkpoint::forget_beyond(&run_dir, rollback.to)?;
            Ok(posterior::forget_beyond(&run_dir, rollback.to)?)
        };
        let path = if rollback.to > 0 {
            // What is left is the newest then, from which the run would do the same again.
            by_first(&self.team, forget)?;
            self.save(observers)?
        } else {
            let path = self.save(observers)?;
            by_first(&self.team, forget)?;
            path
        };
        observers.tell(|observer| observer.on_rollback(&rollback));
        Ok(path)
    }
}
