//! Show how far a run is: a bar on a terminal, plain lines elsewhere.

mod first_chains;
mod work;

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ebm_train::{Metrics, Observer, ObserverError, Rollback, StepReport};
use indicatif::{ProgressBar, ProgressState};

use crate::duration::duration;
use first_chains::FirstChains;
use work::style;

pub(crate) use work::{Waiting, bar, shows_bars, with_progress};

/// Progress of a run, on stderr.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    expected: Expected,
    distances: Distances,
    first_chains: FirstChains,
    quiet: bool,
}

/// Distances of the last samples from the data, which few lines of metrics have, by their names there.
type Distances = [(&'static str, Option<f64>); 2];
const SAMPLE_DISTANCE: &str = "sample_distance";
const NO_DISTANCES: Distances = [(SAMPLE_DISTANCE, None), ("frechet", None)];

/// Seconds that a run was expected to take, and when.
type Expected = Arc<Mutex<Option<(Instant, f64)>>>;

impl Progress {
    /// Progress over `total` iterations, of which `done` are done.
    pub(crate) fn new(done: u64, total: u64, quiet: bool) -> Self {
        let expected = Expected::default();
        let bar = shows_bars(quiet).then(|| {
            let of_run = Arc::clone(&expected);
            let eta = move |_: &ProgressState, to: &mut dyn Write| {
                let left = seconds_left(&of_run).map_or_else(|| "…".to_owned(), duration);
                let _ = write!(to, "{left}");
            };
            let style = style("{elapsed} [{bar:20}] {pos}/{len}, {eta} left{msg}");
            let style = style.with_key("eta", eta);
            ProgressBar::new(total)
                .with_style(style)
                .with_position(done)
        });
        Self {
            bar,
            expected,
            distances: NO_DISTANCES,
            first_chains: FirstChains::default(),
            quiet,
        }
    }

    /// Say something that stays on the screen.
    pub(crate) fn say(&self, message: &str) {
        if !self.quiet {
            self.say_always(message);
        }
    }

    /// Say something that was asked for, whatever is to be kept quiet.
    pub(crate) fn say_always(&self, message: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| tell!("{message}")),
            None => tell!("{message}"),
        }
    }

    /// How far the samples of the last grid were from the data, where any were drawn.
    pub(crate) fn last_distance(&self) -> Option<f64> {
        let found = self
            .distances
            .iter()
            .find(|(name, _)| *name == SAMPLE_DISTANCE);
        found.and_then(|(_, distance)| *distance)
    }

    /// Take the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn seconds_left(expected: &Expected) -> Option<f64> {
    let expected = *expected.lock().unwrap_or_else(PoisonError::into_inner);
    expected.map(|(when, seconds)| seconds - when.elapsed().as_secs_f64())
}

impl Observer for Progress {
    fn on_step(&mut self, step: &StepReport<'_>) -> Result<(), ObserverError> {
        if let Some(metrics) = step.metrics {
            for (name, distance) in &mut self.distances {
                *distance = metrics.term(name).or(*distance);
            }
            let expected = Some((Instant::now(), metrics.speed.eta_s));
            *self.expected.lock().unwrap_or_else(PoisonError::into_inner) = expected;
        }
        match (&self.bar, step.metrics) {
            (None, Some(metrics)) => self.say(&line(step, metrics)),
            (Some(bar), metrics) => {
                if let Some(metrics) = metrics {
                    bar.set_message(below_bar(metrics, &self.distances, console_width()));
                }
                bar.set_position(step.iteration);
            }
            (None, None) => {}
        }
        Ok(())
    }

    fn on_first_chains(&mut self, drawn: usize, all: usize) -> Result<(), ObserverError> {
        match &self.bar {
            Some(bar) => bar.set_message(first_chains::below_bar(drawn, all)),
            None => {
                if let Some(line) = self.first_chains.line(drawn, all, Instant::now()) {
                    self.say(&line);
                }
            }
        }
        Ok(())
    }

    fn on_rollback(&mut self, rollback: &Rollback) -> Result<(), ObserverError> {
        self.say(&went_back(rollback));
        if let Some(bar) = &self.bar {
            bar.set_position(rollback.to);
        }
        Ok(())
    }

    fn on_end(&mut self, _: u64) -> Result<(), ObserverError> {
        self.finish();
        Ok(())
    }
}

/// What to say when the run goes back.
pub(crate) fn went_back(rollback: &Rollback) -> String {
    let Rollback {
        attempt,
        from,
        to,
        why,
    } = rollback;
    format!(
        "iteration {from}: {why}; going on from iteration {to} with other random numbers, attempt {attempt}"
    )
}

/// A line of progress where there is no terminal.
fn line(step: &StepReport<'_>, metrics: &Metrics) -> String {
    format!(
        "{}/{}  {}  {}  {} left",
        step.iteration,
        step.total,
        metrics.summary(),
        speed(metrics),
        duration(metrics.speed.eta_s)
    )
}

/// How fast images pass: steps of chains, where there are samples.
fn speed(metrics: &Metrics) -> String {
    let unit = match metrics.term("e_neg") {
        Some(_) => "image-steps/s",
        None => "images/s",
    };
    format!("{:.0} {unit}", metrics.speed.image_steps_per_s)
}

/// The metrics, and the `distances` of the last samples, in lines that a terminal of `width` columns does
/// not break.
fn below_bar(metrics: &Metrics, distances: &Distances, width: usize) -> String {
    let (mut text, mut used) = (String::new(), usize::MAX);
    let mut metrics = metrics.clone();
    for (name, distance) in distances {
        if let (None, Some(distance)) = (metrics.term(name), distance) {
            metrics.terms.push((*name, *distance));
        }
    }
    let speed = speed(&metrics);
    let summary = metrics.summary();
    for item in summary.split("  ").chain([speed.as_str()]) {
        let len = item.chars().count();
        if used.saturating_add(2 + len) < width {
            text.push_str("  ");
            used += 2 + len;
        } else {
            text.push('\n');
            used = len;
        }
        text.push_str(item);
    }
    text
}

fn console_width() -> usize {
    usize::from(console::Term::stderr().size().1)
}

#[cfg(test)]
mod tests {
    use ebm_train::Speed;

    use super::*;

    fn metrics() -> Metrics {
        Metrics {
            iteration: 20,
            terms: vec![
                ("e_pos", -0.25),
                ("e_neg", 0.5),
                ("loss", -0.75),
                ("weight_grad_norm", 0.5),
                ("pixel_grad_norm_mean", 0.125),
                ("clamped_share", 0.0),
            ],
            frechet_by: None,
            speed: Speed {
                image_steps_per_s: 29_760.0,
                eta_s: 61.0,
                ..Speed::default()
            },
        }
    }

    #[test]
    fn a_piped_line_names_its_values() {
        let step = StepReport {
            iteration: 20,
            total: 4000,
            metrics: None,
        };
        assert_eq!(
            line(&step, &metrics()),
            "20/4000  E data -0.250  E samples 0.500  loss -0.750  weight-grad 0.500  pixel-grad 0.125  \
             clamped 0.000  29760 image-steps/s  1 min 01 s left"
        );
    }

    #[test]
    fn a_terminal_of_eighty_columns_shows_every_value() {
        let text = |frechet| {
            let distances = [(SAMPLE_DISTANCE, Some(0.25)), ("frechet", frechet)];
            below_bar(&metrics(), &distances, 80)
        };
        let with_frechet = text(Some(12.5));
        assert!(with_frechet.contains("sample-distance 0.250  frechet 12.500\n"));
        let text = text(None);
        assert!(text.starts_with("\nE data -0.250  E samples"), "{text}");
        let end = "sample-distance 0.250  29760 image-steps/s";
        assert!(text.ends_with(end), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}"); // the first ends the line of the bar
        assert!(text.lines().all(|line| line.chars().count() < 80), "{text}");
    }
}
