//! Choose images of a batch.

use burn::tensor::{Bool, Tensor, TensorData};

/// A mask of the shape of `x`, true in the images of chosen chains.
pub(super) fn mask(chosen: &[bool], x: &Tensor<4>) -> Tensor<4, Bool> {
    let data = TensorData::new(chosen.to_vec(), [chosen.len(), 1, 1, 1]);
    Tensor::<4, Bool>::from_data(data, &x.device()).expand(x.dims())
}
