//! Say what lets several processes share the work.

use crate::ranks::RanksError;

/// The remedy where processes cannot reach each other.
pub(super) fn of_ranks(error: &RanksError) -> String {
    let build = "build with `cargo build --release --features mpi`";
    match error {
        RanksError::OneOfSeveral { .. } => {
            format!("{build}, or pass --distributed off where each process works alone")
        }
        RanksError::MpiSeesOne { .. } => {
            "start them with `srun --mpi=pmix` (`srun --mpi=list` shows what there is) or with the mpirun of the MPI that \
             ebm was built with, or pass --distributed off where each process works alone"
                .to_owned()
        }
        RanksError::NotCompiledIn => build.to_owned(),
    }
}
