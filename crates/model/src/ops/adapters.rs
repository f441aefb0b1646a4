//! Hold what GPUs compute to what the CPU does, in tests.

use burn::tensor::{Device, DeviceType, Tensor, TensorData};

/// The adapters that tests compare with the CPU.
pub(crate) fn adapters() -> Vec<Device> {
    let adapters = Device::enumerate(DeviceType::Wgpu).into_vec();
    let required = std::env::var_os("EBM_REQUIRE_ADAPTER").is_some();
    let missing = "EBM_REQUIRE_ADAPTER is set, and wgpu finds no adapter";
    assert!(!adapters.is_empty() || !required, "{missing}");
    adapters
}

/// Numbers between −1 and 1 of which none is like its neighbours.
pub(crate) fn wave<const D: usize>(shape: [usize; D], phase: usize, device: &Device) -> Tensor<D> {
    let len = shape.iter().product::<usize>();
    let numbers = (0..len).map(|i| ((i + phase) as f32 * 0.731).sin());
    Tensor::from_data(TensorData::new(numbers.collect::<Vec<_>>(), shape), device)
}

pub(crate) fn floats(data: TensorData) -> Vec<f32> {
    data.iter().collect()
}

/// Within 10⁻⁵ of the largest.
pub(crate) fn assert_close(got: &[f32], expected: &[f32], what: &impl core::fmt::Debug) {
    assert_eq!(got.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |max, v| max.max(v.abs()));
    for (got, expected) in got.iter().zip(expected) {
        let error = (got - expected).abs();
        assert!(error < 1e-5 * largest, "{what:?}: {got} is not {expected}");
    }
}
