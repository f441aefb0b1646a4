//! Say why processes cannot share the work.

use thiserror::Error;

/// Why this process cannot be one of several.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum RanksError {
    /// There are others, and no way to reach them.
    #[error("{found} says that this is one of several processes, and this build has no MPI")]
    OneOfSeveral {
        /// A variable of the environment, and its value.
        found: String,
    },
    /// There are others, and MPI finds none.
    #[error("{found} says that this is one of several processes, but MPI sees one")]
    MpiSeesOne {
        /// A variable of the environment, and its value.
        found: String,
    },
    /// MPI was asked for.
    #[error("this build has no MPI")]
    NotCompiledIn,
}
