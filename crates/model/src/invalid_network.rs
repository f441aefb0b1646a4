//! Say why a network cannot be built.

use thiserror::Error;

/// A network that cannot be built.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidNetwork {
    /// A convolution whose kernel exceeds its padded input.
    #[error(
        "layer {layer}: a kernel of {kernel}×{kernel} does not fit into an input of {height}×{width}; use larger images"
    )]
    InputTooSmall {
        /// Position of the layer, from 1.
        layer: usize,
        /// Side of its kernel.
        kernel: usize,
        /// Height of its padded input.
        height: usize,
        /// Width of its padded input.
        width: usize,
    },
    /// A number of filters, a width, a kernel or a stride of zero.
    #[error("layer {layer}: {what} must be at least 1")]
    Zero {
        /// Position of the layer, from 1; one more than the convolutions for the dense layer.
        layer: usize,
        /// The setting that is zero.
        what: &'static str,
    },
}
