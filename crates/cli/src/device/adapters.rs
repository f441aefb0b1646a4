//! Tell equal adapters apart.

/// An adapter by its name, and which of those with that name it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "wgpu"), allow(dead_code))] // without GPUs nothing is looked up
pub(crate) struct AdapterName {
    /// As the driver names it.
    pub(crate) name: String,
    /// Adapters of the same name before it.
    pub(crate) twin: usize,
}
