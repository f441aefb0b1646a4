//! Let an objective's state be part of a checkpoint.

/// A state that checkpoints hold; [`Objective::load`](crate::Objective::load) reads it back.
pub trait Persist {
    /// The files that hold it, by name.
    fn to_files(&self) -> Vec<(&'static str, Vec<u8>)>;
}

/// Nothing to remember.
impl Persist for () {
    fn to_files(&self) -> Vec<(&'static str, Vec<u8>)> {
        Vec::new()
    }
}
