//! Drive the `ebm` binary as its users do: every command, every kind of bad input, stopping,
//! killing and resuming. One program, so that it is linked once.

mod archives;
mod bad_checkpoint;
mod bad_config;
mod bad_data;
mod bad_run;
mod bayes;
mod bench;
mod classes;
mod classify;
mod collapse;
mod commands;
mod common;
mod compose;
mod denoise;
#[cfg(target_os = "linux")]
mod disks;
mod energies;
mod evaluate_every;
mod evaluation;
mod events;
mod experts;
mod flow;
mod folders;
mod gpu;
mod hub;
#[cfg(unix)]
mod kill;
mod latent;
#[cfg(feature = "live")]
mod live;
mod lost_config;
mod memory;
mod packed;
mod plot;
#[cfg(not(feature = "mpi"))]
mod ranks;
mod readme;
mod recipes;
mod recovery;
mod restore;
mod resume;
mod runs;
mod sampling;
mod score;
mod tensorboard;
#[cfg(unix)]
mod torture;
mod weights;
