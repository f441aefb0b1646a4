//! Keep the layouts in which kernels read constant weights.

#[cfg(feature = "wgpu")]
use std::sync::OnceLock;

#[cfg(feature = "wgpu")]
use burn::tensor::Tensor;
use ebm_kernels::conv::{self, Factors};

/// The layouts of a layer's constant weights, each made at its first use.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    /// Precision of factors on a GPU.
    #[cfg(feature = "wgpu")]
    pub(super) factors: Factors,
    /// On a CPU.
    pub(super) host: conv::Layouts,
    /// On a GPU, the channels of a tap beside each other.
    #[cfg(feature = "wgpu")]
    pub(super) channels_last: OnceLock<Tensor<4>>,
    /// On a GPU, for the input gradient.
    #[cfg(feature = "wgpu")]
    pub(super) turned: OnceLock<Tensor<4>>,
    /// On a GPU, a dense layer's weights as those of a convolution.
    #[cfg(feature = "wgpu")]
    pub(super) kernels: OnceLock<Tensor<4>>,
    /// On a GPU, zeros for a convolution without a bias.
    #[cfg(feature = "wgpu")]
    pub(super) no_bias: OnceLock<Tensor<1>>,
}

impl Layouts {
    /// The layouts of weights whose products have these factors.
    pub(crate) fn new(factors: Factors) -> Self {
        Self {
            #[cfg(feature = "wgpu")]
            factors,
            host: conv::Layouts::new(factors),
            ..Self::default()
        }
    }
}
