//! Run what Burn's own operations do slowly on a GPU: input gradients of strided convolutions, and
//! whole small networks.

pub(crate) mod resident;
pub(super) mod strided;
