//! Say which flag mends an error of a device.

use crate::device::{DeviceError, SelfTestError};

/// The remedy where a device cannot be used.
pub(super) fn of_device(error: &DeviceError) -> Option<String> {
    match error {
        DeviceError::Unknown(_) => None,
        DeviceError::NotCompiledIn(backend) => Some(format!(
            "build with `cargo build --release --features {backend}`"
        )),
        DeviceError::NotPresent { .. } => {
            Some("`ebm devices` lists them, `--device cpu` always works".into())
        }
        DeviceError::SoftwareVulkan { .. } => Some(
            "use `--device cpu`, or `--device wgpu` of a build without the feature vulkan".into(),
        ),
        DeviceError::TooManyRanks { .. } => Some(
            "start as many ranks on a machine as it has GPUs, or name one for all with --device".into(),
        ),
        DeviceError::NotVisible { .. } => Some(
            "`ebm devices` lists those that are; name one with --device, or correct CUDA_VISIBLE_DEVICES".into(),
        ),
    }
}

/// The remedy where a device does not compute what the CPU computes.
pub(super) fn of_self_test(error: &SelfTestError) -> String {
    let usual = "update its driver, or use another device (`ebm devices --check` tries them all)";
    match error {
        SelfTestError::WrongResults { .. } => {
            format!("{usual}, or skip this test with --no-self-test")
        }
        SelfTestError::CannotCompute { .. } => usual.into(),
    }
}

/// The remedy where a device does not compute in a precision.
pub(super) fn of_precision() -> String {
    "use --precision f32".into()
}
