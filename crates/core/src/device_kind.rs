//! Say whether a device is a CPU or a GPU: the one place that knows.

use burn::backend::DispatchDevice;
use burn::tensor::Device;

/// What computes behind a [`Device`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A CPU: its cores take a piece of a batch each, and results are there as soon as an operation
    /// returns.
    Cpu,
    /// A GPU: it takes whole batches, and reading a result waits for all work before it.
    Gpu,
}

impl DeviceKind {
    /// The kind of a device, with or without autodiff.
    ///
    /// # Panics
    /// For a backend that this program does not know.
    #[allow(deprecated)] // upstream prefers flex to ndarray; users compare them
    pub fn of(device: &Device) -> Self {
        let device = device.clone().inner();
        match device.as_dispatch() {
            DispatchDevice::Flex(_) => Self::Cpu,
            #[cfg(feature = "ndarray")]
            DispatchDevice::NdArray(_) => Self::Cpu,
            #[cfg(feature = "wgpu")]
            DispatchDevice::Cube(_) => Self::Gpu,
            #[allow(unreachable_patterns)] // where all backends are compiled in
            other => panic!("expected a device of flex, ndarray or wgpu, got {other:?}"),
        }
    }

    /// Whether the device is a CPU.
    pub fn is_cpu(device: &Device) -> bool {
        Self::of(device) == Self::Cpu
    }

    /// Whether the device is a GPU.
    pub fn is_gpu(device: &Device) -> bool {
        Self::of(device) == Self::Gpu
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flex_is_a_cpu_with_and_without_autodiff() {
        let device = Device::flex();
        assert_eq!(DeviceKind::of(&device), DeviceKind::Cpu);
        assert!(DeviceKind::is_cpu(&device.autodiff()));
    }
}
