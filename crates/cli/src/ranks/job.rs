//! Be one of the ranks that MPI has started.

use std::panic;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use ebm_train::{Collective, Mpi, Solo};

use super::{Failure, programs, threads};

/// How long a rank that has failed waits for the others: where all fail for the same reason, one says it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the launcher takes at most to pass on what a rank has said: what it has not by then is lost.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// What a panic exits with.
const PANICKED: u8 = 101;

static JOB: OnceLock<Arc<Mpi>> = OnceLock::new();

/// Begin MPI, and look at what the ranks have in common. Returns what is to be said, once.
///
/// # Errors
/// Where MPI does not work, the ranks do not run the same program, or threads cannot be started.
pub(super) fn begin() -> anyhow::Result<Option<String>> {
    let mpi = Arc::new(Mpi::begin()?);
    let (rank, world) = (mpi.rank(), mpi.world());
    let mpi = JOB.get_or_init(|| mpi);
    if world == 1 {
        return Ok(None);
    }
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        tell!("rank {rank} of {world}:");
        usual(panic);
    }));
    programs::refuse_others(&**mpi)?;
    threads::share(mpi)
}

pub(super) fn collective() -> Arc<dyn Collective> {
    match JOB.get() {
        Some(mpi) => Arc::clone(mpi) as Arc<dyn Collective>,
        None => Arc::new(Solo),
    }
}

pub(super) fn local_ranks() -> &'static [u32] {
    match JOB.get() {
        Some(mpi) => mpi.local_ranks(),
        None => &[0],
    }
}

/// End all ranks, once the launcher has had the time to pass on what this one has said.
fn abort(mpi: &Mpi, code: u8) -> ! {
    thread::sleep(LAST_WORDS);
    mpi.abort(code)
}

/// End all ranks, as this one has panicked: the others may wait for it for ever.
pub(super) fn abort_others() {
    if let Some(mpi) = JOB.get() {
        abort(mpi, PANICKED);
    }
}

pub(super) fn end(failure: Option<&Failure>) {
    match JOB.get() {
        Some(mpi) => end_with_others(mpi, failure),
        None => {
            if let Some(failure) = failure {
                failure.say();
            }
        }
    }
}

/// Finalise MPI where all ranks have come to their end, and else end the others. MPI is finalised before anybody exits with
/// a code other than 0, at which a launcher may end those who are still at work.
fn end_with_others(mpi: &Mpi, failure: Option<&Failure>) {
    let own = mpi.rank() as usize;
    let patience = failure.is_some().then_some(PATIENCE);
    let Some(said) = mpi.meet(&[u8::from(failure.is_some())], patience) else {
        let failure = failure.cloned().unwrap_or(Failure {
            code: 1,
            message: None,
        });
        failure.say_as(own);
        abort(mpi, failure.code.max(1)); // the others' work is not done, also where nobody reads what this one prints
    };
    let first = said.iter().position(|said| said[..] == [1]);
    if let Some(failure) = failure.filter(|_| first == Some(own)) {
        match own {
            0 => failure.say(),
            _ => failure.say_as(own),
        }
    }
    mpi.finalize();
}
