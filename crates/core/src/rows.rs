//! See a batch as rows, one per image, whatever the number of its dimensions.

use burn::tensor::{Bool, Tensor, TensorData};

/// `[batch, ..]` as `[batch, pixels]`.
pub fn flatten_rows<const D: usize>(x: Tensor<D>) -> Tensor<2> {
    let batch = x.dims()[0];
    let pixels = x.shape().num_elements() / batch.max(1);
    x.reshape([batch, pixels])
}

/// The sum over each image, `[batch]`.
pub fn row_sums<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    flatten_rows(x).sum_dim(1).squeeze_dim(1)
}

/// The L2 norm of each image, `[batch, 1, ..]`.
pub fn row_norms<const D: usize>(x: &Tensor<D>) -> Tensor<D> {
    let norms = row_sums(x.clone().square()).sqrt();
    norms.reshape(one_per_row(x))
}

/// The shape `[batch, 1, ..]` of one element for each image of `x`.
pub fn one_per_row<const D: usize>(x: &Tensor<D>) -> [usize; D] {
    let mut shape = [1; D];
    shape[0] = x.dims()[0];
    shape
}

/// A mask of the shape of `x`, true in the images that are chosen, `[batch, ..]`.
///
/// # Panics
/// If `chosen` is not as long as the batch.
pub fn row_mask<const D: usize>(chosen: &[bool], x: &Tensor<D>) -> Tensor<D, Bool> {
    let data = TensorData::new(chosen.to_vec(), one_per_row(x));
    Tensor::<D, Bool>::from_data(data, &x.device()).expand(x.dims())
}
