//! Bring indices to a device.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// Indices (buffer slots, identities of chains, classes) as the kernels take them.
///
/// # Shapes
/// - returns `[indices]`, i32
pub fn index_tensor(indices: &[u32], device: &Device) -> Tensor<1, Int> {
    let indices: Vec<i32> = indices.iter().map(|&index| index as i32).collect();
    let len = indices.len();
    Tensor::from_data(TensorData::new(indices, [len]), (device, DType::I32))
}
