//! Let processes that MPI has started be the ranks.
