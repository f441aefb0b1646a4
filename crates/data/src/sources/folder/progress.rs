//! Count decoded pictures and tell the caller.

use std::sync::{Mutex, PoisonError};

/// How far the pictures of a folder have been decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Pictures decoded so far, those included that turned out to be bad.
    pub done: usize,
    /// Pictures of all splits.
    pub total: usize,
}

/// Counts the pictures that all threads decode.
pub(super) struct Progress<'a> {
    total: usize,
    done: Mutex<usize>,
    report: &'a (dyn Fn(Decoded) + Sync),
}

impl<'a> Progress<'a> {
    /// None of `total` pictures is decoded yet.
    pub(super) fn new(total: usize, report: &'a (dyn Fn(Decoded) + Sync)) -> Self {
        Self {
            total,
            done: Mutex::new(0),
            report,
        }
    }

    /// One more picture is decoded.
    pub(super) fn advance(&self) {
        // Held during the report, so that reports come in order and the last says that all is done.
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done += 1;
        (self.report)(Decoded {
            done: *done,
            total: self.total,
        });
    }
}
