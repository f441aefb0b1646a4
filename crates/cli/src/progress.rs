//! Show the progress of a run: a bar on a terminal, plain lines elsewhere.

use std::fmt::Write;
use std::io::IsTerminal;

use ebm_train::{Observer, ObserverError, StepReport};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::duration::duration;

/// Progress of a run, on stderr.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Progress {
    /// Progress over `total` iterations, of which `done` are done.
    pub(crate) fn new(done: u64, total: u64, quiet: bool) -> Self {
        let bar = shows_bars(quiet).then(|| {
            let bar = bar(total, "").with_position(done);
            bar.reset_eta();
            bar
        });
        Self { bar, quiet }
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

impl Observer for Progress {
    fn on_step(&mut self, step: &StepReport<'_>) -> Result<(), ObserverError> {
        if let Some(bar) = &self.bar {
            bar.set_position(step.iteration);
        }
        let Some(metrics) = step.metrics else {
            return Ok(());
        };
        match &self.bar {
            Some(bar) => bar.set_message(metrics.summary()),
            None => self.say(&format!(
                "{}/{} {} eta {}",
                step.iteration,
                step.total,
                metrics.summary(),
                duration(metrics.speed.eta_s)
            )),
        }
        Ok(())
    }

    fn on_end(&mut self, _: u64) -> Result<(), ObserverError> {
        self.finish();
        Ok(())
    }
}

/// Whether bars are drawn: on a terminal, unless all but errors is to be silent.
pub(crate) fn shows_bars(quiet: bool) -> bool {
    !quiet && std::io::stderr().is_terminal()
}

/// A bar over `total` steps of some work.
pub(crate) fn bar(total: u64, message: &'static str) -> ProgressBar {
    let template = "{elapsed} [{bar:30}] {pos}/{len} eta {eta} {wide_msg}";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let elapsed = |state: &ProgressState, to: &mut dyn Write| {
        let _ = write!(to, "{}", duration(state.elapsed().as_secs_f64()));
    };
    let eta = |state: &ProgressState, to: &mut dyn Write| {
        let _ = write!(to, "{}", duration(state.eta().as_secs_f64()));
    };
    let style = style.with_key("elapsed", elapsed).with_key("eta", eta);
    let bar = ProgressBar::new(total).with_style(style);
    bar.with_message(message)
}
