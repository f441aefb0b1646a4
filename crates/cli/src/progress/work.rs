//! Show how far work other than a run is, or that it goes on.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::duration::duration;

/// Work that is done sooner shows no progress.
const SHOWN_AFTER: Duration = Duration::from_secs(1);
/// Time between plain lines about work without metrics.
pub(super) const BETWEEN_LINES: Duration = Duration::from_secs(30);
/// Time between two looks at a counter.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

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

pub(super) fn style(template: &str) -> ProgressStyle {
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
            tell!("{message}");
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
pub(crate) fn with_progress<T>(
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
        // `total` may be an estimate.
        let share = (done() as f64 / total.max(1) as f64).min(0.99);
        let left = start.elapsed().as_secs_f64() * (1.0 - share) / share;
        let left = if share > 0.0 {
            format!(", about {} left", duration(left))
        } else {
            String::new()
        };
        tell!("{message}: {:.0} %{left}", 100.0 * share);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_gives_its_result_while_it_is_counted() {
        assert_eq!(with_progress("working", 2, || 1, false, || 7), 7);
        assert_eq!(with_progress("working", 2, || 1, true, || 7), 7);
    }
}
