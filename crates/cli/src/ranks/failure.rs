//! Hold what went wrong until it is known who says it.

/// How a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    /// What to say; `None` where nobody reads it.
    pub(crate) message: Option<String>,
}

impl Failure {
    /// Say it.
    pub(super) fn say(&self) {
        if let Some(message) = &self.message {
            tell!("{message}");
        }
    }

    /// Say it, and which rank it is about.
    #[cfg(feature = "mpi")]
    pub(super) fn say_as(&self, rank: usize) {
        if let Some(message) = &self.message {
            tell!("rank {rank}: {message}");
        }
    }
}
