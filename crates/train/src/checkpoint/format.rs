//! Number the format of checkpoints.

/// The format that this program writes, and the only one that it reads.
pub(super) const FORMAT_VERSION: u32 = 2;
