//! Test the convolution and its gradients as a whole.

mod agreement;
mod operands;
mod reference;
mod rounding;
mod run;
mod shapes;
