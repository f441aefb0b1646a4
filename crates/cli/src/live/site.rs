//! Hold what all requests share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::http::StatusCode;

use super::about::{Now, Subject};
use super::events::Events;
use super::frames::Frames;
use super::play::Player;
use super::problem::Problem;

/// What is shown, and what can be done with it.
pub(super) struct Site {
    pub(super) subject: Subject,
    pub(super) events: Events,
    pub(super) frames: Frames,
    pub(super) player: Player,
    /// The folder of pictures of samples.
    pub(super) samples: PathBuf,
    /// Iterations done.
    pub(super) iteration: AtomicU64,
    pub(super) has_chains: AtomicBool,
    /// Of a run that trains, until it ends.
    pub(super) is_training: AtomicBool,
    pub(super) controls: Option<Controls>,
}

/// What a page can ask of a run that trains.
#[derive(Clone, Copy, Debug)]
pub(super) struct Controls {
    /// Set where it is to end after its iteration.
    pub(super) stop: &'static AtomicBool,
    /// Set where it is to write a checkpoint.
    pub(super) checkpoint: &'static AtomicBool,
    pub(super) quiet: bool,
}

impl Site {
    /// What a page is told first.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub(super) fn about(&self) -> serde_json::Result<String> {
        self.subject.to_json(Now {
            is_training: self.is_training.load(Ordering::Relaxed),
            iteration: self.iteration.load(Ordering::Relaxed),
            has_chains: self.has_chains.load(Ordering::Relaxed),
        })
    }

    /// The controls of a run that trains.
    ///
    /// # Errors
    /// Where none does.
    pub(super) fn controls(&self) -> Result<Controls, Problem> {
        let is_training = self.is_training.load(Ordering::Relaxed);
        let nothing = || Problem::new(StatusCode::CONFLICT, "nothing is training");
        self.controls.filter(|_| is_training).ok_or_else(nothing)
    }

    /// Say that training has ended; nobody waits for anything of it any more.
    pub(super) fn end(&self) {
        if self.is_training.swap(false, Ordering::Relaxed) {
            let iteration = self.iteration.load(Ordering::Relaxed);
            self.events.add_other("ended", iteration);
        }
        self.events.end();
        self.frames.end();
        self.player.weights().end();
    }
}

impl Controls {
    /// End the run as Ctrl-C does.
    pub(super) fn stop(&self) {
        if !self.stop.swap(true, Ordering::Relaxed) && !self.quiet {
            tell!("\nstopped on the live page: finishing the iteration and writing a checkpoint");
        }
    }

    /// Have a checkpoint written.
    pub(super) fn checkpoint(&self) {
        self.checkpoint.store(true, Ordering::Relaxed);
    }
}
