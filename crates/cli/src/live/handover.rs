//! Hand weights over from a run that trains to those who play with them, when they ask and not more often.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ebm_apply::Playground;

/// The least time between two handovers.
const PAUSE: Duration = Duration::from_secs(2);
/// Weights older than this are old, and a moment is waited for others.
const OLD: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(500);
/// How long the first weights are waited for: a run may be at its samples, or compile its kernels.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where weights lie between the run and those who play.
#[derive(Debug, Default)]
pub(super) struct Handover {
    held: Mutex<Held>,
    arrived: Condvar,
    is_asked_for: AtomicBool,
}

#[derive(Debug, Default)]
struct Held {
    playground: Option<Arc<Playground>>,
    /// When it came.
    since: Option<Instant>,
    /// Whether no other will come.
    is_over: bool,
}

impl Handover {
    /// Say that somebody plays.
    pub(super) fn ask(&self) {
        self.is_asked_for.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has played since the last weights came, and those came long enough ago.
    pub(super) fn is_due(&self) -> bool {
        self.is_asked_for.load(Ordering::Relaxed) && {
            let since = self.held().since;
            since.is_none_or(|since| since.elapsed() >= PAUSE)
        }
    }

    /// Hand these weights over.
    pub(super) fn give(&self, playground: Playground) {
        self.is_asked_for.store(false, Ordering::Relaxed);
        let mut held = self.held();
        held.playground = Some(Arc::new(playground));
        held.since = Some(Instant::now());
        self.arrived.notify_all();
    }

    /// Say that no other weights will come.
    pub(super) fn end(&self) {
        self.held().is_over = true;
        self.arrived.notify_all();
    }

    /// The newest weights; `None` where none came.
    pub(super) fn take(&self) -> Option<Arc<Playground>> {
        let began = Instant::now();
        let mut held = self.held();
        loop {
            let patience = match held.since {
                None => PATIENCE,
                Some(since) if since.elapsed() > OLD => MOMENT,
                Some(_) => Duration::ZERO,
            };
            let left = patience.saturating_sub(began.elapsed());
            if held.is_over || left.is_zero() {
                return held.playground.clone();
            }
            let waited = self.arrived.wait_timeout(held, left);
            held = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_due_where_somebody_has_asked_and_not_before() {
        let handover = Handover::default();
        assert!(!handover.is_due());
        handover.ask();
        assert!(handover.is_due());
    }

    #[test]
    fn who_waits_for_weights_of_a_run_that_ends_gets_none() {
        let handover = Handover::default();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| handover.take());
            handover.end();
            assert!(waiting.join().expect("no panic").is_none());
        });
    }
}
