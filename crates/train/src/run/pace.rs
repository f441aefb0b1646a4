//! Measure how fast a run goes, from one log interval to the next.

use std::time::Instant;

use super::metrics::Speed;
use crate::config::Config;

/// Seconds over which the expected time to the end is averaged: sample pictures and checkpoints make
/// some intervals slow.
const AVERAGED_S: f64 = 60.0;

/// Remembers when it was last asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    started: Instant,
    last: Instant,
    /// Iterations done at `last`.
    done: u64,
    lately: Lately,
}

impl Pace {
    /// Start the clock after `done` iterations.
    pub(super) fn new(done: u64) -> Self {
        let now = Instant::now();
        Self {
            started: now,
            last: now,
            done,
            lately: Lately::default(),
        }
    }

    /// Go on counting after `done` iterations: the run has gone back.
    pub(super) fn go_back(&mut self, done: u64) {
        (self.last, self.done) = (Instant::now(), done);
    }

    /// The speed since the last time that this was asked, after `done` iterations.
    pub(super) fn speed(&mut self, done: u64, config: &Config) -> Speed {
        let iterations = (done - self.done).max(1) as f64;
        let seconds = self.last.elapsed().as_secs_f64();
        let s_per_iteration = seconds / iterations;
        self.lately.add(seconds, iterations);
        (self.last, self.done) = (Instant::now(), done);
        Speed {
            image_steps_per_s: config.image_steps() as f64 / s_per_iteration,
            s_per_iteration,
            elapsed_s: self.started.elapsed().as_secs_f64(),
            eta_s: self.lately.s_per_iteration() * (config.iterations as u64 - done) as f64,
        }
    }
}

/// Seconds and iterations of the last minute or so: sums in which the past counts less and less.
#[derive(Clone, Copy, Debug, Default)]
struct Lately {
    seconds: f64,
    iterations: f64,
}

impl Lately {
    fn add(&mut self, seconds: f64, iterations: f64) {
        let kept = (-seconds / AVERAGED_S).exp();
        self.seconds = kept * self.seconds + seconds;
        self.iterations = kept * self.iterations + iterations;
    }

    fn s_per_iteration(&self) -> f64 {
        self.seconds / self.iterations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_count_by_their_iterations_however_long_they_take() {
        let mut lately = Lately::default();
        for _ in 0..50 {
            (0..24).for_each(|_| lately.add(0.44, 20.0));
            lately.add(3.44, 20.0); // with a sample picture
        }
        let mean = (24.0 * 0.44 + 3.44) / 500.0;
        let found = lately.s_per_iteration();
        assert!((found / mean - 1.0).abs() < 0.15, "{found} is not {mean}");
    }

    #[test]
    fn what_was_minutes_ago_hardly_counts() {
        let mut lately = Lately::default();
        lately.add(60.0, 1.0);
        (0..300).for_each(|_| lately.add(1.0, 1.0));
        assert!((lately.s_per_iteration() - 1.0).abs() < 0.01);
    }
}
