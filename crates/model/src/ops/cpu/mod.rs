//! Run the operations of an energy on a CPU with the kernels of `ebm-kernels`.
//!
//! `energy_ops` names the operations; `flex` runs them on tensors of flex, `host` on those of other
//! backends of the CPU, `autodiff` and `backward` put them on the tape. The kernels are called in
//! `convolve`, `channels`, `elements` and `space`, on tensors whose layout `order` knows.

mod autodiff;
mod backward;
mod channels;
mod convolve;
mod elements;
mod energy_ops;
mod flex;
mod host;
mod order;
mod space;

pub(super) use energy_ops::{ConvOperands, EnergyOps};
