//! Let processes that MPI has started be the ranks.

use core::fmt;
use std::mem::{self, ManuallyDrop};
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use mpi::datatype::PartitionMut;
use mpi::environment::{Universe, initialize_with_threading};
use mpi::point_to_point::send_receive_into;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Equivalence};
use mpi::{Count, Threading};
use thiserror::Error;

use super::Collective;

/// The most elements of a message: MPI counts in 32 bits.
const PIECE: usize = 1 << 28;
/// The most bytes that all ranks together put into one gathering.
const GATHERED: usize = 1 << 30;
/// How often a rank looks whether the others have come to their end.
const POLL: Duration = Duration::from_millis(1);

/// Why MPI cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MpiError {
    /// A process begins it once.
    #[error("MPI has been begun by this process before")]
    BegunBefore,
    /// Its library wants processes of one thread.
    #[error("this MPI library does not work in a process that has threads")]
    NoThreads,
}

/// One of the processes that MPI has started.
///
/// Dropping it leaves MPI as it is: `MPI_Finalize` waits for all ranks, for ever where one of them has panicked.
pub struct Mpi {
    /// Until it is finalised, by dropping what is in it.
    universe: Mutex<ManuallyDrop<Option<Universe>>>,
    communicator: ManuallyDrop<SimpleCommunicator>,
    /// For the end alone, so that it is not mixed up with what others still wait for.
    ending: ManuallyDrop<SimpleCommunicator>,
    thread: ThreadId,
    rank: u32,
    world: u32,
    /// The ranks on this machine, in order.
    local: Vec<u32>,
}

// SAFETY: MPI is called by the thread that has begun it, as `on_its_thread` makes sure, whoever holds this value; dropping
// the value calls nothing of MPI.
unsafe impl Send for Mpi {}
// SAFETY: the same.
unsafe impl Sync for Mpi {}

impl fmt::Debug for Mpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mpi")
            .field("rank", &self.rank)
            .field("world", &self.world)
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

impl Mpi {
    /// Begin MPI. This thread is the only one that may use it.
    ///
    /// # Errors
    /// Where it was begun before, or its library does not work beside threads.
    pub fn begin() -> Result<Self, MpiError> {
        let begun = initialize_with_threading(Threading::Funneled);
        let (universe, threading) = begun.ok_or(MpiError::BegunBefore)?;
        if threading < Threading::Funneled {
            mem::forget(universe); // nobody waits for anybody
            return Err(MpiError::NoThreads);
        }
        let communicator = universe.world();
        let rank = communicator.rank();
        let on_this_machine = communicator.split_shared(rank);
        let mut local = vec![0; on_this_machine.size() as usize];
        on_this_machine.all_gather_into(&rank, &mut local[..]);
        Ok(Self {
            universe: Mutex::new(ManuallyDrop::new(Some(universe))),
            ending: ManuallyDrop::new(communicator.duplicate()),
            thread: thread::current().id(),
            rank: rank as u32,
            world: communicator.size() as u32,
            local: local.into_iter().map(|rank| rank as u32).collect(),
            communicator: ManuallyDrop::new(communicator),
        })
    }

    /// The ranks on this machine, in order; this one is among them.
    pub fn local_ranks(&self) -> &[u32] {
        &self.local
    }

    /// Wait until all ranks have come to their end, and hear what each of them has to say; without end where no `patience`
    /// is given. `None` where one of them has not come in time: nothing but [`abort`](Self::abort) is left then.
    ///
    /// # Panics
    /// On another thread than the one that has begun MPI, and after its end.
    pub fn meet(&self, own: &[u8], patience: Option<Duration>) -> Option<Vec<Vec<u8>>> {
        let ending = self.on_its_thread(&self.ending);
        let begin = Instant::now();
        let mut waiting = ending.immediate_barrier();
        while let Err(unfinished) = waiting.test() {
            if patience.is_some_and(|patience| begin.elapsed() > patience) {
                mem::forget(unfinished); // it is never completed, which its destructor would complain about
                return None;
            }
            waiting = unfinished;
            thread::sleep(POLL);
        }
        Some(gather(ending, own))
    }

    /// Finalise MPI, which waits for all ranks to do so: only after they [met](Self::meet).
    ///
    /// # Panics
    /// On another thread than the one that has begun MPI, and after its end.
    pub fn finalize(&self) {
        self.on_its_thread(&self.communicator);
        drop(self.universe().take());
    }

    /// End all ranks at once, with this exit code.
    pub fn abort(&self, code: u8) -> ! {
        if thread::current().id() == self.thread && self.universe().is_some() {
            self.communicator.abort(code.into());
        }
        process::exit(code.into()) // whoever has started the ranks ends the others
    }

    fn universe(&self) -> MutexGuard<'_, ManuallyDrop<Option<Universe>>> {
        let universe = self.universe.lock();
        universe.unwrap_or_else(PoisonError::into_inner)
    }

    /// What may be used now and here.
    fn on_its_thread<'a>(&self, communicator: &'a SimpleCommunicator) -> &'a SimpleCommunicator {
        let here = thread::current().id();
        assert_eq!(here, self.thread, "MPI is used by the thread that began it");
        assert!(self.universe().is_some(), "MPI has ended");
        communicator
    }
}

impl Collective for Mpi {
    fn rank(&self) -> u32 {
        self.rank
    }

    fn world(&self) -> u32 {
        self.world
    }

    /// # Panics
    /// If `peer` sends another number of elements, on another thread than the one that has begun MPI, and after its end.
    fn exchange(&self, peer: u32, send: &[f32], receive: &mut [f32]) {
        let communicator = self.on_its_thread(&self.communicator);
        let peer = communicator.process_at_rank(peer as i32);
        // What one side sends is what the other receives, so that both count as many pieces.
        let pieces = send.len().max(receive.len()).div_ceil(PIECE);
        let mut sends = send.chunks(PIECE);
        let mut receives = receive.chunks_mut(PIECE);
        for _ in 0..pieces {
            let send = sends.next().unwrap_or_default();
            let receive = receives.next().unwrap_or_default();
            let status = send_receive_into(send, &peer, receive, &peer);
            let received = status.count(f32::equivalent_datatype());
            assert_eq!(received as usize, receive.len(), "elements of a peer");
        }
    }

    /// # Panics
    /// On another thread than the one that has begun MPI, and after its end.
    fn gather(&self, own: &[u8]) -> Vec<Vec<u8>> {
        gather(self.on_its_thread(&self.communicator), own)
    }
}

/// The bytes of every rank, in as many rounds as they need.
fn gather(communicator: &SimpleCommunicator, own: &[u8]) -> Vec<Vec<u8>> {
    let world = communicator.size() as usize;
    let mut lengths = vec![0_u64; world];
    communicator.all_gather_into(&(own.len() as u64), &mut lengths[..]);
    let lengths: Vec<usize> = lengths.into_iter().map(|length| length as usize).collect();
    let with_room = |&length: &usize| Vec::with_capacity(length);
    let mut all: Vec<Vec<u8>> = lengths.iter().map(with_room).collect();
    let share = (GATHERED / world).max(1);
    let longest = lengths.iter().copied().max().unwrap_or_default();
    for start in (0..longest).step_by(share) {
        let of_round = |length: usize| length.saturating_sub(start).min(share);
        let counts: Vec<Count> = lengths
            .iter()
            .map(|&length| of_round(length) as Count)
            .collect();
        let places = counts.iter().scan(0, |end, &count| {
            let place = *end;
            *end += count;
            Some(place)
        });
        let places: Vec<Count> = places.collect();
        let total: Count = counts.iter().sum();
        let mut received = vec![0_u8; total as usize];
        let own = &own[own.len().min(start)..][..of_round(own.len())];
        let mut parts = PartitionMut::new(&mut received[..], &counts[..], &places[..]);
        communicator.all_gather_varcount_into(own, &mut parts);
        for ((bytes, &place), &count) in all.iter_mut().zip(&places).zip(&counts) {
            bytes.extend_from_slice(&received[place as usize..][..count as usize]);
        }
    }
    all
}
