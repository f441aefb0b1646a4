//! Say which shards are whose, and let all ranks agree.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ebm_core::Shard;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::{Collective, Solo, tree};

/// Why so many ranks cannot share so many shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "{world} ranks cannot share {shards} shards: the number of ranks must be 1, 2, 4, … and divide that of the shards"
)]
pub struct TeamError {
    /// Ranks.
    pub world: u32,
    /// Shards.
    pub shards: u32,
}

/// The ranks that train one model, and the shards that they share: the first ones are those of rank 0.
#[derive(Clone, Debug)]
pub struct Team {
    collective: Arc<dyn Collective>,
    shards: u32,
    /// What this rank says with its next step.
    raised: Arc<AtomicU32>,
    /// What some rank has said with the last one.
    agreed: Arc<AtomicU32>,
}

impl Default for Team {
    fn default() -> Self {
        Self::alone(1)
    }
}

impl Team {
    /// One rank for all of so many shards, a power of two.
    pub fn alone(shards: u32) -> Self {
        Self {
            collective: Arc::new(Solo),
            shards,
            raised: Arc::default(),
            agreed: Arc::default(),
        }
    }

    /// These ranks, for so many shards.
    ///
    /// # Errors
    /// Where the ranks are no power of two, or do not divide the shards.
    pub fn new(shards: u32, collective: Arc<dyn Collective>) -> Result<Self, TeamError> {
        let world = collective.world();
        let is_shared = world.is_power_of_two() && shards.is_multiple_of(world);
        if !(is_shared && shards.is_power_of_two()) {
            return Err(TeamError { world, shards });
        }
        Ok(Self {
            collective,
            ..Self::alone(shards)
        })
    }

    /// These ranks, of any number, a shard each: for work whose results are gathered and not summed.
    pub fn of_any(collective: Arc<dyn Collective>) -> Self {
        Self {
            shards: collective.world(),
            collective,
            ..Self::alone(1)
        }
    }

    /// This rank.
    pub fn rank(&self) -> u32 {
        self.collective.rank()
    }

    /// The number of ranks.
    pub fn world(&self) -> u32 {
        self.collective.world()
    }

    /// The rank that writes what is written once.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Shards of all ranks.
    pub fn num_shards(&self) -> u32 {
        self.shards
    }

    /// The shards of this rank.
    pub fn shards(&self) -> Vec<Shard> {
        let each = self.shards / self.world();
        let own = self.rank() * each..(self.rank() + 1) * each;
        let of = |rank| Shard {
            rank,
            world: self.shards,
        };
        own.map(of).collect()
    }

    /// The mean of a vector of every shard; `own` are those of this rank's shards, in order.
    pub(crate) fn mean(&self, own: Vec<Vec<f32>>) -> Vec<f32> {
        let mut sum = tree::of_neighbours(own);
        tree::over_ranks(&*self.collective, &mut sum);
        let share = 1.0 / self.shards as f32; // a power of two
        sum.iter_mut().for_each(|value| *value *= share);
        sum
    }

    /// A value of every rank, in the order of ranks.
    ///
    /// # Panics
    /// If it has no JSON form, or ranks send other things than each other.
    pub fn gather<T: Serialize + DeserializeOwned>(&self, own: &T) -> Vec<T> {
        gather(&*self.collective, own)
    }

    /// Bytes of every rank, in the order of ranks; of any number each.
    pub fn gather_bytes(&self, own: &[u8]) -> Vec<Vec<u8>> {
        self.collective.gather(own)
    }

    /// Numbers of every shard, in the order of shards; `own` are those of this rank's shards.
    pub(crate) fn gather_of_shards(&self, own: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        if self.world() == 1 {
            return own;
        }
        let lengths = own.iter().map(|values| values.len() as f64);
        let numbers = lengths.chain(own.iter().flatten().copied());
        let bytes: Vec<u8> = numbers.flat_map(f64::to_ne_bytes).collect();
        let of_ranks = self.collective.gather(&bytes).into_iter();
        of_ranks
            .flat_map(|bytes| split(&bytes, own.len()))
            .collect()
    }

    /// What the first rank finds; nobody else looks for it.
    pub fn first<T: Serialize + DeserializeOwned>(&self, find: impl FnOnce() -> T) -> T {
        let own: Vec<T> = self.is_first().then(find).into_iter().collect();
        let all = match self.world() {
            1 => vec![own],
            _ => self.gather(&own),
        };
        let found = all.into_iter().flatten().next();
        found.expect("the first rank has found it")
    }

    /// Refuse what any rank refuses: its own reason, or that of the first rank that has one.
    ///
    /// # Errors
    /// Where a rank has one; all ranks then do.
    pub fn agree<T, E: core::fmt::Display>(
        &self,
        own: Result<T, E>,
        elsewhere: impl FnOnce(u32, String) -> E,
    ) -> Result<T, E> {
        if self.world() == 1 {
            return own;
        }
        let reason = own.as_ref().err().map(ToString::to_string);
        let reasons = (0..).zip(self.gather(&reason));
        let first = reasons
            .filter_map(|(rank, reason)| Some((rank, reason?)))
            .next();
        match (own, first) {
            (Ok(_), Some((rank, reason))) => Err(elsewhere(rank, reason)),
            (own, _) => own,
        }
    }

    /// Say something with the next step: a bit for each thing.
    pub(crate) fn raise(&self, flags: u32) {
        self.raised.store(flags, Ordering::Relaxed);
    }

    /// What this rank says with a step.
    pub(crate) fn raised(&self) -> u32 {
        self.raised.load(Ordering::Relaxed)
    }

    /// What some rank has said with the last step.
    pub(crate) fn agreed(&self) -> u32 {
        self.agreed.load(Ordering::Relaxed)
    }

    pub(crate) fn agree_on(&self, flags: u32) {
        self.agreed.store(flags, Ordering::Relaxed);
    }
}

/// A value of every rank, in the order of ranks; see [`Team::gather`].
pub(crate) fn gather<T: Serialize + DeserializeOwned>(
    collective: &dyn Collective,
    own: &T,
) -> Vec<T> {
    let bytes = serde_json::to_vec(own).expect("a value with a JSON form");
    let all = collective.gather(&bytes).into_iter();
    all.map(|bytes| serde_json::from_slice(&bytes).expect("ranks speak of the same"))
        .collect()
}

/// The numbers of some shards, whose lengths come first.
fn split(bytes: &[u8], shards: usize) -> Vec<Vec<f64>> {
    let (words, _) = bytes.as_chunks::<8>();
    let numbers: Vec<f64> = words.iter().map(|&word| f64::from_ne_bytes(word)).collect();
    let (lengths, mut rest) = numbers.split_at(shards);
    let of_shards = lengths.iter().map(|&length| {
        let (own, others) = rest.split_at(length as usize);
        rest = others;
        own.to_vec()
    });
    of_shards.collect()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::Threads;
    use super::*;

    fn each_rank<T: Send>(world: u32, shards: u32, work: impl Fn(Team) -> T + Sync) -> Vec<T> {
        thread::scope(|scope| {
            let ranks = Threads::ranks(world).into_iter();
            let running = ranks.map(|rank| {
                let team = Team::new(shards, Arc::new(rank)).expect("a team");
                scope.spawn(|| work(team))
            });
            let running: Vec<_> = running.collect();
            let ended = running
                .into_iter()
                .map(|rank| rank.join().expect("no panic"));
            ended.collect()
        })
    }

    #[test]
    fn shards_go_to_ranks_in_order_and_their_numbers_come_back_in_order() {
        let expected: Vec<Vec<f64>> = (0..4)
            .map(|shard| vec![f64::from(shard); shard as usize])
            .collect();
        for world in [1, 2, 4] {
            let found = each_rank(world, 4, |team| {
                let own = team.shards();
                let own = own
                    .iter()
                    .map(|shard| vec![f64::from(shard.rank); shard.rank as usize]);
                team.gather_of_shards(own.collect())
            });
            assert!(
                found.iter().all(|found| *found == expected),
                "{world} ranks"
            );
        }
    }

    #[test]
    fn a_number_of_ranks_that_is_no_power_of_two_or_does_not_divide_the_shards_is_refused() {
        for (world, shards) in [(3, 6), (3, 4), (4, 2), (2, 1)] {
            let rank = Threads::ranks(world).remove(0);
            let refused = Team::new(shards, Arc::new(rank)).expect_err("refused");
            assert_eq!(refused, TeamError { world, shards });
        }
    }

    #[test]
    fn any_number_of_ranks_gathers_bytes_in_order() {
        thread::scope(|scope| {
            for rank in Threads::ranks(3) {
                scope.spawn(|| {
                    let team = Team::of_any(Arc::new(rank));
                    assert_eq!((team.world(), team.num_shards()), (3, 3));
                    let own = vec![7_u8; team.rank() as usize];
                    assert_eq!(team.gather_bytes(&own), [vec![], vec![7], vec![7, 7]]);
                });
            }
        });
    }

    #[test]
    fn what_one_rank_refuses_all_refuse_and_what_the_first_finds_all_have() {
        let found = each_rank(2, 2, |team| {
            let own = match team.rank() {
                1 => Err("the disk is full".to_owned()),
                _ => Ok(()),
            };
            let agreed = team.agree(own, |rank, why| format!("rank {rank}: {why}"));
            assert_eq!(team.first(|| None::<u32>), None);
            (agreed, team.first(|| 7 + team.rank()))
        });
        assert_eq!(found[0], (Err("rank 1: the disk is full".to_owned()), 7));
        assert_eq!(found[1], (Err("the disk is full".to_owned()), 7));
    }
}
