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
    /// Seconds since `last` that went into no iteration.
    apart_s: f64,
    /// Seconds of the last evaluation.
    evaluation_s: f64,
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
            apart_s: 0.0,
            evaluation_s: 0.0,
        }
    }

    /// Go on counting after `done` iterations: the run has gone back.
    pub(super) fn go_back(&mut self, done: u64) {
        (self.last, self.done) = (Instant::now(), done);
        self.apart_s = 0.0;
    }

    /// Count seconds apart that are none of an iteration's, come seldom and are many.
    pub(super) fn set_apart(&mut self, seconds: f64) {
        self.apart_s += seconds;
    }

    /// Count seconds of an evaluation apart, and expect as many of each that is still to come.
    pub(super) fn evaluated(&mut self, seconds: f64) {
        self.set_apart(seconds);
        self.evaluation_s = seconds;
    }

    /// Seconds from iteration `done` to the last one, evaluations taken to last as long as the one before.
    pub(super) fn eta_s(&self, done: u64, config: &Config) -> f64 {
        let total = config.iterations as u64;
        let evaluations = config.output.evaluations_left(done, total);
        self.lately.s_per_iteration() * (total - done) as f64
            + self.evaluation_s * evaluations as f64
    }

    /// The speed since the last time that this was asked, after `done` iterations.
    pub(super) fn speed(&mut self, done: u64, config: &Config) -> Speed {
        let iterations = (done - self.done).max(1) as f64;
        let seconds = self.last.elapsed().as_secs_f64() - self.apart_s;
        let s_per_iteration = seconds / iterations;
        self.lately.add(seconds, iterations);
        (self.last, self.done) = (Instant::now(), done);
        self.apart_s = 0.0;
        Speed {
            image_steps_per_s: config.image_steps() as f64 / s_per_iteration,
            s_per_iteration,
            elapsed_s: self.started.elapsed().as_secs_f64(),
            eta_s: self.eta_s(done, config),
            evaluation_s: None,
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
    fn an_evaluation_makes_no_iteration_slower_and_those_to_come_count() {
        let mut config = Config {
            iterations: 100,
            ..Config::default()
        };
        config.output.evaluate_every = 40;
        let mut pace = Pace::new(0);
        pace.last -= std::time::Duration::from_secs(12);
        pace.evaluated(10.0);
        let speed = pace.speed(20, &config);
        assert!((0.1..0.2).contains(&speed.s_per_iteration), "{speed:?}");
        // 80 iterations, and evaluations at 40, 80 and 100.
        let expected = 80.0 * speed.s_per_iteration + 3.0 * 10.0;
        assert!((speed.eta_s - expected).abs() < 1e-9, "{speed:?}");
        assert_eq!(pace.eta_s(100, &config), 0.0);
    }

    #[test]
    fn what_was_minutes_ago_hardly_counts() {
        let mut lately = Lately::default();
        lately.add(60.0, 1.0);
        (0..300).for_each(|_| lately.add(1.0, 1.0));
        assert!((lately.s_per_iteration() - 1.0).abs() < 0.01);
    }
}
