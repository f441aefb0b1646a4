//! Know whether anybody looks: nothing is made of a run that nobody asks for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests that are open, and when the last one ended.
#[derive(Debug, Default)]
pub(super) struct Demand {
    open: AtomicUsize,
    last: Mutex<Option<Instant>>,
}

/// A request, until it is answered or given up.
pub(super) struct Asking<'a>(&'a Demand);

impl Demand {
    /// Count a request as open.
    pub(super) fn ask(&self) -> Asking<'_> {
        self.open.fetch_add(1, Ordering::Relaxed);
        Asking(self)
    }

    /// Whether a request is open, or was within this time.
    pub(super) fn is_there(&self, within: Duration) -> bool {
        let last = || *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        self.open.load(Ordering::Relaxed) > 0 || last().is_some_and(|last| last.elapsed() < within)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let now = Some(Instant::now());
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = now;
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_there_while_a_request_is_open_and_for_a_while_after() {
        let (demand, long) = (Demand::default(), Duration::from_secs(1 << 20));
        assert!(!demand.is_there(long));
        let (one, other) = (demand.ask(), demand.ask());
        drop(one);
        assert!(demand.is_there(Duration::ZERO), "the other is open");
        drop(other);
        assert!(!demand.is_there(Duration::ZERO) && demand.is_there(long));
    }
}
