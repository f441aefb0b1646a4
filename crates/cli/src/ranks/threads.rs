//! Share the CPUs of a machine among its ranks.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::thread;

use anyhow::Context;
use ebm_train::{Collective, Mpi, Team};
use rayon::ThreadPoolBuilder;
use serde::{Deserialize, Serialize};

use crate::counted::counted;

/// Where Linux says which CPUs a process may use, and which there are.
const OF_PROCESS: &str = "/proc/self/status";
const OF_MACHINE: &str = "/sys/devices/system/cpu/online";
/// With which the number of threads is set by hand.
const BY_HAND: &str = "RAYON_NUM_THREADS";

/// The CPUs of a rank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cpus {
    /// The machine, by its first rank.
    machine: u32,
    /// Those that the rank may use, by number.
    allowed: BTreeSet<u32>,
    /// All of the machine.
    all: usize,
}

/// Start as many threads as this rank has CPUs to itself, where others may use the same ones and nobody has set the number
/// by hand. Returns a warning for one rank to give.
///
/// # Errors
/// Where threads cannot be started.
pub(super) fn share(mpi: &Arc<Mpi>) -> anyhow::Result<Option<String>> {
    let team = Team::of_any(Arc::clone(mpi) as Arc<dyn Collective>);
    let cpus = team.gather(&Cpus::own(mpi));
    let own = &cpus[team.rank() as usize];
    let available = thread::available_parallelism().map_or(1, usize::from);
    let is_by_hand = std::env::var_os(BY_HAND).is_some_and(|threads| !threads.is_empty());
    if let Some(threads) = threads_of(own, &cpus, available).filter(|_| !is_by_hand) {
        let pool = ThreadPoolBuilder::new().num_threads(threads);
        pool.build_global().context("cannot start threads")?;
    }
    Ok(warning(&cpus).filter(|_| team.is_first()))
}

impl Cpus {
    fn own(mpi: &Mpi) -> Self {
        let all = fs::read_to_string(OF_MACHINE).ok();
        let all = all.and_then(|list| listed(&list)).unwrap_or_default();
        let status = fs::read_to_string(OF_PROCESS).unwrap_or_default();
        let mut lines = status.lines();
        let allowed = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        // Unknown, all ranks of the machine share all of it.
        let allowed = allowed.and_then(listed).unwrap_or_else(|| all.clone());
        Self {
            machine: mpi.local_ranks()[0],
            all: all.len(),
            allowed,
        }
    }

    fn are_shared_with(&self, other: &Self) -> bool {
        self.machine == other.machine && {
            let is_unknown = self.allowed.is_empty() || other.allowed.is_empty();
            is_unknown || !self.allowed.is_disjoint(&other.allowed)
        }
    }
}

/// Threads for a rank that shares its CPUs with others of these ranks, of the `available` ones; `None` where it has them to
/// itself.
fn threads_of(own: &Cpus, cpus: &[Cpus], available: usize) -> Option<usize> {
    let sharing = cpus.iter().filter(|other| own.are_shared_with(other));
    let sharing = sharing.count();
    (sharing > 1).then(|| (available / sharing).max(1))
}

/// What to say where ranks were bound to one CPU each, as mpirun does of its own accord, on machines that have more.
fn warning(cpus: &[Cpus]) -> Option<String> {
    let on_machine = |machine| cpus.iter().filter(|it| it.machine == machine).count();
    let is_narrow = |it: &&Cpus| it.allowed.len() == 1 && it.all > on_machine(it.machine);
    let narrow: Vec<_> = cpus.iter().filter(is_narrow).collect();
    let first = narrow.first()?;
    Some(format!(
        "{} of {} may use 1 CPU each, of {} that a machine has: pass --bind-to none or --map-by slot:PE=N to mpirun, or \
         --cpus-per-task=N to srun",
        narrow.len(),
        counted(cpus.len(), "rank", "ranks"),
        first.all
    ))
}

/// The numbers of a list as 0-3,8: `None` where it is none.
fn listed(list: &str) -> Option<BTreeSet<u32>> {
    let mut numbers = BTreeSet::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        numbers.extend(first..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(machine: u32, list: &str, all: usize) -> Cpus {
        Cpus {
            machine,
            allowed: listed(list).expect("a list"),
            all,
        }
    }

    #[test]
    fn a_list_of_cpus_is_read_as_linux_writes_it() {
        let numbers = listed("\t0-2,8\n").expect("a list");
        assert_eq!(numbers.into_iter().collect::<Vec<_>>(), [0, 1, 2, 8]);
        assert_eq!(listed(""), None);
        assert_eq!(listed("0-x"), None);
    }

    #[test]
    fn ranks_that_are_not_bound_share_the_cpus_of_their_machine() {
        let unbound = [
            cpus(0, "0-7", 8),
            cpus(0, "0-7", 8),
            cpus(0, "0-7", 8),
            cpus(3, "0-7", 8),
        ];
        let threads = |rank: usize| threads_of(&unbound[rank], &unbound, 8);
        assert_eq!([0, 1, 2, 3].map(threads), [Some(2), Some(2), Some(2), None]);
        let crowd = vec![cpus(0, "0-1", 2); 4];
        assert_eq!(threads_of(&crowd[0], &crowd, 2), Some(1));
    }

    #[test]
    fn ranks_that_are_bound_keep_what_they_have() {
        let bound = [cpus(0, "0-3", 8), cpus(0, "4-7", 8)];
        assert_eq!(threads_of(&bound[0], &bound, 4), None);
        assert_eq!(warning(&bound), None);
    }

    #[test]
    fn ranks_of_one_cpu_are_warned_of_where_the_machine_has_more() {
        let narrow = [cpus(0, "0", 64), cpus(0, "1", 64)];
        let said = warning(&narrow).expect("a warning");
        assert!(
            said.starts_with("2 of 2 ranks may use 1 CPU each, of 64"),
            "{said}"
        );
        let all_are_used = [cpus(0, "0", 2), cpus(0, "1", 2)];
        assert_eq!(warning(&all_are_used), None);
        let one_each = [cpus(0, "0", 1), cpus(1, "0", 1)];
        assert_eq!(warning(&one_each), None);
    }
}
