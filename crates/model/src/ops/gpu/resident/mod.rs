//! Compute a small network and its input gradient in one launch on a GPU, where the launches of each
//! layer would take longer than their work.
//!
//! Reading order: `network` (what models use) → `resident_ops` and `autodiff` (the operations and their
//! tape) → `plan` and `plane` (how the units share the work) → `cube` (the kernel).

mod autodiff;
mod cube;
mod network;
mod plan;
mod plane;
mod resident_ops;

pub(crate) use network::{Packed, Resident};
pub(crate) use plan::{KernelPlan, LayerShape, Layers};
