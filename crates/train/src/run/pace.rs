//! Measure how fast a run goes, from one log interval to the next.

use std::time::Instant;

use super::metrics::Speed;
use crate::config::Config;

/// Remembers when it was last asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    started: Instant,
    last: Instant,
    /// Iterations done at `last`.
    done: u64,
}

impl Pace {
    /// Start the clock after `done` iterations.
    pub(super) fn new(done: u64) -> Self {
        let now = Instant::now();
        Self {
            started: now,
            last: now,
            done,
        }
    }

    /// The speed since the last time that this was asked, after `done` iterations.
    pub(super) fn speed(&mut self, done: u64, config: &Config) -> Speed {
        let iterations = (done - self.done).max(1) as f64;
        let s_per_iteration = self.last.elapsed().as_secs_f64() / iterations;
        (self.last, self.done) = (Instant::now(), done);
        Speed {
            image_steps_per_s: config.image_steps() as f64 / s_per_iteration,
            s_per_iteration,
            elapsed_s: self.started.elapsed().as_secs_f64(),
            eta_s: s_per_iteration * (config.iterations as u64 - done) as f64,
        }
    }
}
