//! Name the devices on a CPU.

use burn::tensor::Device;

use super::{ChosenDevice, DeviceError};
use crate::counted::counted;

/// Burn's flex backend.
pub(super) fn cpu() -> ChosenDevice {
    on_cpu("cpu", "flex", Device::flex())
}

/// Burn's ndarray backend.
#[cfg(feature = "ndarray")]
#[allow(deprecated)] // upstream prefers flex; users compare with ndarray
pub(super) fn ndarray() -> Result<ChosenDevice, DeviceError> {
    Ok(on_cpu("ndarray", "ndarray", Device::ndarray()))
}

/// Burn's ndarray backend, which this build does not have.
#[cfg(not(feature = "ndarray"))]
pub(super) fn ndarray() -> Result<ChosenDevice, DeviceError> {
    Err(DeviceError::NotCompiledIn("ndarray"))
}

/// A device by its name here and by Burn's name of its backend.
fn on_cpu(name: &str, backend: &str, device: Device) -> ChosenDevice {
    ChosenDevice {
        device,
        name: name.to_owned(),
        description: format!("{name} ({})", cpu_backend(backend)),
        adapter: None,
    }
}

/// What computes on a CPU: one of Burn's backends, on some threads.
pub(crate) fn cpu_backend(name: &str) -> String {
    let threads = counted(rayon::current_num_threads(), "thread", "threads");
    format!("Burn's {name} backend, {threads}")
}
