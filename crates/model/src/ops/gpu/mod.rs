//! Run what Burn's own operations do slowly on a GPU: convolutions, and whole small networks.

/// The most cubes along an axis that every device takes.
const MAX_CUBES: usize = 65_535;

pub(crate) mod conv;
pub(crate) mod resident;
