//! Run the shards of a rank one after the other, and let them meet with those of all ranks.

use core::fmt::Debug;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use super::Team;

/// Where all shards of a step meet.
pub(crate) trait Meeting: Debug + Sync {
    /// Numbers of every shard, in the order of shards; each brings its own.
    fn gather(&self, own: Vec<f64>) -> Vec<Vec<f64>>;
}

/// What `work` makes of the input of every shard of this rank, in order, where shards may meet.
///
/// A rank with one shard does the work itself. One of several has a thread for each, of which one runs at a time: it
/// goes on until it meets the others or ends, so that shards take turns with the cores and with the device.
pub(crate) fn each_shard<I: Send, T: Send>(
    team: &Team,
    inputs: Vec<I>,
    work: impl Fn(I, &dyn Meeting) -> T + Sync,
) -> Vec<T> {
    if inputs.len() == 1 {
        let only = OnlyShard(team);
        return inputs.into_iter().map(|input| work(input, &only)).collect();
    }
    let (turn, work) = (&Turn::default(), &work);
    thread::scope(|scope| {
        let started = inputs.into_iter().map(|input| {
            let ((ask, asked), (answer, answered)) = (channel(), channel());
            let answered = Mutex::new(answered);
            let shard = move || {
                turn.take();
                let place = Place {
                    turn,
                    ask,
                    answered,
                };
                work(input, &place)
            };
            (scope.spawn(shard), (asked, answer))
        });
        let (workers, doors): (Vec<_>, Vec<_>) = started.unzip();
        host(team, doors);
        let ended = workers.into_iter().map(thread::ScopedJoinHandle::join);
        unless_panicked(ended.collect())
    })
}

/// How a shard ends that nobody answers, as another one has ended.
struct Unanswered;

/// The results of shards that have all ended well; else the first panic that is not for want of an answer.
fn unless_panicked<T>(ended: Vec<thread::Result<T>>) -> Vec<T> {
    let (ended, panics): (Vec<_>, Vec<_>) = ended.into_iter().partition(Result::is_ok);
    let mut panics: Vec<_> = panics.into_iter().filter_map(Result::err).collect();
    if let Some(first) = panics.iter().position(|panic| !panic.is::<Unanswered>()) {
        resume_unwind(panics.swap_remove(first));
    }
    assert!(
        panics.is_empty(),
        "every shard meets as often as the others"
    );
    ended.into_iter().filter_map(Result::ok).collect()
}

/// How the host hears of a shard, and answers it.
type Door = (Receiver<Vec<f64>>, Sender<Vec<Vec<f64>>>);

/// Hold meetings until the shards end. Where one ends while others still meet, these learn of it as nobody answers.
fn host(team: &Team, doors: Vec<Door>) {
    loop {
        let own = doors.iter().map(|(asked, _)| asked.recv().ok());
        let Some(own) = own.collect::<Option<Vec<_>>>() else {
            return;
        };
        let all = team.gather_of_shards(own);
        for (_, answer) in &doors {
            let _ = answer.send(all.clone()); // a shard that has panicked since is found when it is joined
        }
    }
}

/// The only shard of a rank.
#[derive(Debug)]
struct OnlyShard<'a>(&'a Team);

impl Meeting for OnlyShard<'_> {
    fn gather(&self, own: Vec<f64>) -> Vec<Vec<f64>> {
        self.0.gather_of_shards(vec![own])
    }
}

/// One of several shards of a rank, while it has its turn.
#[derive(Debug)]
struct Place<'a> {
    turn: &'a Turn,
    ask: Sender<Vec<f64>>,
    answered: Mutex<Receiver<Vec<Vec<f64>>>>,
}

impl Meeting for Place<'_> {
    fn gather(&self, own: Vec<f64>) -> Vec<Vec<f64>> {
        // Without a host, nobody answers either.
        let _ = self.ask.send(own);
        self.turn.give();
        let answered = self.answered.lock();
        let all = answered.unwrap_or_else(PoisonError::into_inner).recv();
        self.turn.take();
        all.unwrap_or_else(|_| resume_unwind(Box::new(Unanswered)))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turn.give();
    }
}

/// What one thread at a time has.
#[derive(Debug, Default)]
struct Turn {
    is_taken: Mutex<bool>,
    given: Condvar,
}

impl Turn {
    fn take(&self) {
        let is_taken = self.is_taken.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.given.wait_while(is_taken, |is_taken| *is_taken);
        *free.unwrap_or_else(PoisonError::into_inner) = true;
    }

    fn give(&self) {
        *self.is_taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.given.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::Threads;
    use super::*;

    /// The running sums of what all four shards bring to three meetings.
    fn meet(team: &Team) -> Vec<f64> {
        let inputs = team.shards().into_iter().map(|shard| f64::from(shard.rank));
        let found = each_shard(team, inputs.collect(), |mut own, meeting| {
            for _ in 0..3 {
                let all = meeting.gather(vec![own]).concat();
                own += all
                    .iter()
                    .zip(1..)
                    .map(|(x, place)| x * f64::from(place))
                    .sum::<f64>();
            }
            own
        });
        team.gather(&found).concat()
    }

    #[test]
    fn shards_meet_alike_on_any_number_of_ranks() {
        let alone = meet(&Team::alone(4));
        for world in [2, 4] {
            thread::scope(|scope| {
                for rank in Threads::ranks(world) {
                    let team = Team::new(4, Arc::new(rank)).expect("a team");
                    let alone = &alone;
                    scope.spawn(move || assert_eq!(meet(&team), *alone));
                }
            });
        }
    }

    #[test]
    fn one_shard_works_at_a_time() {
        let working = AtomicUsize::new(0);
        each_shard(&Team::alone(4), vec![(); 4], |(), meeting| {
            for _ in 0..50 {
                assert_eq!(working.fetch_add(1, Ordering::SeqCst), 0);
                thread::yield_now();
                working.fetch_sub(1, Ordering::SeqCst);
                meeting.gather(Vec::new());
            }
        });
    }

    #[test]
    fn a_shard_that_panics_takes_the_others_with_it() {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            each_shard(&Team::alone(2), vec![0, 1], |shard, meeting| {
                assert_eq!(shard, 0, "not the second");
                meeting.gather(Vec::new());
            });
        }));
        let panicked = panicked.expect_err("a panic");
        let message = panicked.downcast_ref::<String>().expect("of an assertion");
        assert!(message.contains("not the second"), "{message}");
    }

    #[test]
    #[should_panic = "every shard meets as often as the others"]
    fn a_shard_that_leaves_a_meeting_out_is_a_mistake() {
        each_shard(&Team::alone(2), vec![0, 1], |shard, meeting| {
            if shard == 0 {
                meeting.gather(Vec::new());
            }
        });
    }
}
