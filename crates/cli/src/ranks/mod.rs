//! Work as one of several processes that `mpirun` or `srun` has started: begin, know who the others are, end together.
//!
//! Reading order: `launch` (whether there are others) → `job` (with MPI) or `alone` (without) → `programs`, `threads` (what
//! is looked at in the beginning) → `failure` (what is said at the end).

#[cfg(not(feature = "mpi"))]
mod alone;
mod error;
mod failure;
#[cfg(feature = "mpi")]
mod job;
mod launch;
#[cfg(feature = "mpi")]
mod programs;
#[cfg(feature = "mpi")]
mod threads;

use std::sync::Arc;

use clap::{Args, ValueEnum};
use ebm_train::Collective;

#[cfg(not(feature = "mpi"))]
use alone as engine;
pub(crate) use error::RanksError;
pub(crate) use failure::Failure;
#[cfg(feature = "mpi")]
use job as engine;
use launch::Several;

use crate::args::DEVICE;

/// Whether to work as one of several processes.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct RanksArgs {
    /// Whether this is one of several processes that share the work
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Distributed::Auto, help_heading = DEVICE)]
    distributed: Distributed,
}

/// What `--distributed` may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Distributed {
    /// Where mpirun or srun has started several
    Auto,
    /// Always, over MPI
    Mpi,
    /// Never: each process works alone
    Off,
}

/// Begin to work with the other ranks, where there are any. Returns what is to be said about it, once.
///
/// # Errors
/// Where this build has no MPI, MPI does not work or does not see the others, or the ranks do not run the same program.
pub(crate) fn begin(args: &RanksArgs) -> anyhow::Result<Option<String>> {
    let several = launch::several(|name| std::env::var(name).ok());
    match (args.distributed, several) {
        (Distributed::Off, _) | (Distributed::Auto, None) => Ok(None),
        (Distributed::Auto, Some(several)) if !cfg!(feature = "mpi") => {
            let found = several.found;
            Err(RanksError::OneOfSeveral { found }.into())
        }
        (Distributed::Mpi, _) if !cfg!(feature = "mpi") => Err(RanksError::NotCompiledIn.into()),
        (Distributed::Auto | Distributed::Mpi, several) => {
            let said = engine::begin()?;
            refuse_unseen(several, world())?;
            Ok(said)
        }
    }
}

/// Refuse to work alone where a launcher has started several: all would write into one directory.
fn refuse_unseen(several: Option<Several>, world: usize) -> Result<(), RanksError> {
    match several.filter(|several| several.is_certain && world == 1) {
        Some(Several { found, .. }) => Err(RanksError::MpiSeesOne { found }),
        None => Ok(()),
    }
}

/// What moves numbers between the ranks; alone, nothing.
pub(crate) fn collective() -> Arc<dyn Collective> {
    engine::collective()
}

/// This rank, from 0.
pub(crate) fn rank() -> usize {
    collective().rank() as usize
}

/// The number of ranks.
pub(crate) fn world() -> usize {
    collective().world() as usize
}

/// Whether this is the rank that speaks, and writes what is written once.
pub(crate) fn is_first() -> bool {
    rank() == 0
}

/// Whether to keep quiet: where that was asked for, and on all ranks but the first.
pub(crate) fn quiet(asked: bool) -> bool {
    asked || !is_first()
}

/// The machine that this rank is on, by the first rank there.
pub(crate) fn machine() -> u32 {
    engine::local_ranks().first().copied().unwrap_or_default()
}

/// The place of this rank among those of its machine.
pub(crate) fn local_rank() -> usize {
    let own = collective().rank();
    let place = engine::local_ranks().iter().position(|&rank| rank == own);
    place.unwrap_or_default()
}

/// The part of what all ranks share equally that those of this machine have.
pub(crate) fn part_of_machine(all: usize) -> usize {
    all / world() * engine::local_ranks().len()
}

/// Ends all ranks where it is dropped by a panic.
#[derive(Debug)]
pub(crate) struct EndsOthersOnPanic;

impl Drop for EndsOthersOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            engine::abort_others();
        }
    }
}

/// End together with the other ranks. Where something failed, say it: once, where all ranks have come to their end, and
/// else end the others, who may wait for this one.
pub(crate) fn end(failure: Option<&Failure>) {
    engine::end(failure);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_a_launcher_has_started_and_mpi_does_not_see_are_refused() {
        let several = |found: &str, is_certain| {
            let found = found.to_owned();
            Some(Several { found, is_certain })
        };
        let found = "SLURM_STEP_NUM_TASKS=4".to_owned();
        assert_eq!(
            refuse_unseen(several(&found, true), 1),
            Err(RanksError::MpiSeesOne {
                found: found.clone()
            })
        );
        assert_eq!(refuse_unseen(several(&found, true), 4), Ok(()));
        assert_eq!(refuse_unseen(several("PMIX_RANK=0", false), 1), Ok(()));
        assert_eq!(refuse_unseen(None, 1), Ok(()));
    }
}
