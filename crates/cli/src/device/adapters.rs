//! Tell equal adapters apart.

use ebm_core::Adapter;

/// An adapter by its name, and which of those with that name it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "wgpu"), allow(dead_code))] // without GPUs nothing is looked up
pub(crate) struct AdapterName {
    /// As the driver names it.
    pub(crate) name: String,
    /// Adapters of the same name before it.
    pub(crate) twin: usize,
}

impl AdapterName {
    /// The name of an adapter.
    pub(super) fn of(adapter: &Adapter) -> Self {
        Self {
            name: adapter.name.clone(),
            twin: adapter.twin,
        }
    }
}
