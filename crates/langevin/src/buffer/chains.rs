//! Name what is drawn from the buffer, and what may restart it.

use burn::tensor::Tensor;

/// Chains on their way through an iteration.
#[derive(Clone, Debug)]
pub struct Chains {
    /// Their images in [0, 1], `[batch, channels, height, width]`.
    pub x: Tensor<4>,
    /// Their places in the buffer, all different.
    pub slots: Vec<u32>,
    /// Their places in the global batch: the identity that keys their random numbers.
    pub ids: Vec<u32>,
    /// The class each one belongs to.
    pub labels: Vec<u32>,
    /// Rounds of sampling since the chain was fresh.
    pub ages: Vec<u32>,
}

/// Images and labels from which chains may restart, `[batch, channels, height, width]`.
#[derive(Clone, Copy, Debug)]
pub struct RestartData<'a> {
    /// Images in [0, 1], as many as chains are drawn.
    pub images: &'a Tensor<4>,
    /// Their labels.
    pub labels: &'a [u32],
}
