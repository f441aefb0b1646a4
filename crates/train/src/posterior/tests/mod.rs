//! Hold sampled weights to posteriors that are known, and runs that keep weights to those of one that was not stopped.

mod laws;
mod resume;
