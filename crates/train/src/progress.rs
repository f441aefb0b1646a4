//! Show how a run goes: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// Progress of a run, on stderr.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    silent: bool,
}

impl Progress {
    /// Progress over `total` iterations, of which `done` are done.
    pub fn new(done: u64, total: u64, silent: bool) -> Self {
        let bar = (!silent && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template(
                "{elapsed_precise} [{bar:30}] {pos}/{len} eta {eta} {wide_msg}",
            );
            let bar = ProgressBar::new(total).with_position(done);
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        if let Some(bar) = &bar {
            bar.reset_eta();
        }
        Self { bar, silent }
    }

    /// An iteration is done.
    pub fn advance(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    /// Show the state of a run after `done` of `total` iterations.
    pub fn report(&self, done: u64, total: u64, summary: &str, eta_s: f64) {
        match &self.bar {
            Some(bar) => bar.set_message(summary.to_owned()),
            None => {
                let eta = HumanDuration(std::time::Duration::from_secs_f64(eta_s.max(0.0)));
                self.say(&format!("{done}/{total} {summary} eta {eta}"));
            }
        }
    }

    /// Say something that stays.
    pub fn say(&self, message: &str) {
        match &self.bar {
            _ if self.silent => {}
            Some(bar) => bar.suspend(|| eprintln!("{message}")),
            None => eprintln!("{message}"),
        }
    }

    /// Take the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
