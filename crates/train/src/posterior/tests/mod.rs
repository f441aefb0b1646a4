//! Hold sampled weights to posteriors that are known, a training step to the sum that it stands for, and runs that keep
//! weights to those of one that was not stopped.

mod laws;
mod resume;
mod step;
