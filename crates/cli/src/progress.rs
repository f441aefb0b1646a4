//! Show how far work is: a bar on a terminal, plain lines elsewhere.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ebm_train::{Metrics, Observer, ObserverError, StepReport};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::duration::duration;

/// Work that is done sooner shows no progress.
const SHOWN_AFTER: Duration = Duration::from_secs(1);
/// Time between plain lines about work without metrics.
const BETWEEN_LINES: Duration = Duration::from_secs(30);
/// Time between two looks at a counter.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// Progress of a run, on stderr.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    expected: Expected,
    /// The distance of the last samples, which few lines of metrics have.
    distance: Option<f64>,
    quiet: bool,
}

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
            distance: None,
            quiet,
        }
    }

    /// Say something that stays on the screen.
    pub(crate) fn say(&self, message: &str) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.suspend(|| eprintln!("{message}")),
            None => eprintln!("{message}"),
        }
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
            self.distance = metrics.term("sample_distance").or(self.distance);
            let expected = Some((Instant::now(), metrics.speed.eta_s));
            *self.expected.lock().unwrap_or_else(PoisonError::into_inner) = expected;
        }
        match (&self.bar, step.metrics) {
            (None, Some(metrics)) => self.say(&line(step, metrics)),
            (Some(bar), metrics) => {
                if let Some(metrics) = metrics {
                    bar.set_message(below_bar(metrics, self.distance, console_width()));
                }
                bar.set_position(step.iteration);
            }
            (None, None) => {}
        }
        Ok(())
    }

    fn on_end(&mut self, _: u64) -> Result<(), ObserverError> {
        self.finish();
        Ok(())
    }
}

/// A line of progress where there is no terminal.
fn line(step: &StepReport<'_>, metrics: &Metrics) -> String {
    format!(
        "{}/{}  {}  {:.0} image-steps/s  {} left",
        step.iteration,
        step.total,
        metrics.summary(),
        metrics.speed.image_steps_per_s,
        duration(metrics.speed.eta_s)
    )
}

/// The metrics, and the `distance` of the last samples, in lines that a terminal of `width` columns does
/// not break.
fn below_bar(metrics: &Metrics, distance: Option<f64>, width: usize) -> String {
    let (mut text, mut used) = (String::new(), usize::MAX);
    let mut metrics = metrics.clone();
    if let (None, Some(distance)) = (metrics.term("sample_distance"), distance) {
        metrics.terms.push(("sample_distance", distance));
    }
    let speed = format!("{:.0} image-steps/s", metrics.speed.image_steps_per_s);
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

/// Whether bars are drawn: on a terminal, unless all but errors is to be silent.
pub(crate) fn shows_bars(quiet: bool) -> bool {
    !quiet && std::io::stderr().is_terminal()
}

/// A bar over `total` steps of some work.
pub(crate) fn bar(total: u64, message: &'static str) -> ProgressBar {
    let eta = |state: &ProgressState, to: &mut dyn Write| {
        let _ = write!(to, "{}", duration(state.eta().as_secs_f64()));
    };
    let style = style("{elapsed} [{bar:30}] {percent} %, {eta} left  {wide_msg}");
    let bar = ProgressBar::new(total).with_style(style.with_key("eta", eta));
    bar.with_message(message)
}

fn style(template: &str) -> ProgressStyle {
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let elapsed = |state: &ProgressState, to: &mut dyn Write| {
        let _ = write!(to, "{}", duration(state.elapsed().as_secs_f64()));
    };
    style.with_key("elapsed", elapsed)
}

/// Says that work without steps goes on: a spinner on a terminal, one line elsewhere.
pub(crate) struct Waiting(Option<ProgressBar>);

impl Waiting {
    /// Show `message` until [`end`](Self::end).
    pub(crate) fn start(message: &'static str, quiet: bool) -> Self {
        if shows_bars(quiet) {
            let spinner = ProgressBar::new_spinner().with_message(message);
            spinner.set_style(style("{spinner} {elapsed} {msg}"));
            spinner.enable_steady_tick(BETWEEN_LOOKS);
            return Self(Some(spinner));
        }
        if !quiet {
            eprintln!("{message}");
        }
        Self(None)
    }

    /// The work is done.
    pub(crate) fn end(self) {
        if let Some(spinner) = self.0 {
            spinner.finish_and_clear();
        }
    }
}

/// Do `work` and show meanwhile how far it is: `done` of `total`, a function that another thread may
/// ask. Where work takes moments nothing is shown.
pub(crate) fn counted<T>(
    message: &'static str,
    total: u64,
    done: impl Fn() -> u64 + Send,
    quiet: bool,
    work: impl FnOnce() -> T,
) -> T {
    if quiet {
        return work();
    }
    let (working, ended) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || show(message, total, &done, &ended));
        let result = work();
        drop(working);
        result
    })
}

/// Show progress until the other end of `ended` is dropped.
fn show(message: &'static str, total: u64, done: &dyn Fn() -> u64, ended: &Receiver<()>) {
    let goes_on = |time| ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
    let start = Instant::now();
    if !goes_on(SHOWN_AFTER) {
        return;
    }
    if shows_bars(false) {
        let bar = bar(total, message);
        while goes_on(BETWEEN_LOOKS) {
            bar.set_position(done());
        }
        bar.finish_and_clear();
        return;
    }
    while goes_on(BETWEEN_LINES) {
        let share = done() as f64 / total.max(1) as f64;
        let left = start.elapsed().as_secs_f64() * (1.0 - share) / share;
        let left = if share > 0.0 {
            format!(", about {} left", duration(left))
        } else {
            String::new()
        };
        eprintln!("{message}: {:.0} %{left}", 100.0 * share);
    }
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
        let text = below_bar(&metrics(), Some(0.25), 80);
        assert!(text.starts_with("\nE data -0.250  E samples"), "{text}");
        let end = "sample-distance 0.250  29760 image-steps/s";
        assert!(text.ends_with(end), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}"); // the first ends the line of the bar
        assert!(text.lines().all(|line| line.chars().count() < 80), "{text}");
    }

    #[test]
    fn work_gives_its_result_while_it_is_counted() {
        assert_eq!(counted("working", 2, || 1, false, || 7), 7);
        assert_eq!(counted("working", 2, || 1, true, || 7), 7);
    }
}
