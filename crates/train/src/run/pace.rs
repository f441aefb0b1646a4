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
    usual: Option<f64>,
}

impl Pace {
    /// Start the clock after `done` iterations.
    pub(super) fn new(done: u64) -> Self {
        let now = Instant::now();
        Self {
            started: now,
            last: now,
            done,
            usual: None,
        }
    }

    /// The speed since the last time that this was asked, after `done` iterations.
    pub(super) fn speed(&mut self, done: u64, config: &Config) -> Speed {
        let iterations = (done - self.done).max(1) as f64;
        let seconds = self.last.elapsed().as_secs_f64();
        let s_per_iteration = seconds / iterations;
        let usual = averaged(self.usual, s_per_iteration, seconds);
        (self.last, self.done, self.usual) = (Instant::now(), done, Some(usual));
        Speed {
            image_steps_per_s: config.image_steps() as f64 / s_per_iteration,
            s_per_iteration,
            elapsed_s: self.started.elapsed().as_secs_f64(),
            eta_s: usual * (config.iterations as u64 - done) as f64,
        }
    }
}

/// A moving average after an interval of `seconds`, whose weight does not depend on how the time is cut
/// into intervals.
fn averaged(before: Option<f64>, now: f64, seconds: f64) -> f64 {
    let kept = (-seconds / AVERAGED_S).exp();
    before.map_or(now, |before| kept * before + (1.0 - kept) * now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_interval_hardly_changes_the_average_and_its_length_counts() {
        let usual = averaged(Some(1.0), 10.0, 1.0);
        assert!((1.0..1.2).contains(&usual), "{usual}");
        let halves = averaged(Some(averaged(Some(1.0), 10.0, 3.0)), 10.0, 3.0);
        assert!((halves - averaged(Some(1.0), 10.0, 6.0)).abs() < 1e-12);
        assert_eq!(averaged(None, 4.0, 1.0), 4.0);
    }
}
