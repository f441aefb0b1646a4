//! Run what Burn's own operations do slowly on a GPU: convolutions, and
//! whole small networks.

pub(crate) mod conv;
pub(crate) mod resident;
