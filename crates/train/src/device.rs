//! Choose where to compute.

use core::str::FromStr;

use burn::tensor::Device;
use thiserror::Error;

/// What `--device` may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A real GPU if there is one, else the CPU.
    Auto,
    /// Burn's flex backend.
    Cpu,
    /// Burn's ndarray backend, for comparison.
    NdArray,
    /// The n-th adapter, kernels in WGSL.
    Wgpu(usize),
    /// The n-th Vulkan adapter, kernels in SPIR-V.
    Vulkan(usize),
}

/// A device that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DeviceError {
    /// No device is called that.
    #[error("`{0}` is no device; use auto, cpu, ndarray, wgpu[:N] or vulkan[:N]")]
    Unknown(String),
    /// The backend is not part of this build.
    #[error("this build has no {0}; build with `cargo build --release --features {0}`")]
    NotCompiledIn(&'static str),
    /// There are not that many adapters.
    #[error(
        "{backend}:{index} is not present: {found} found; `ebm devices` lists them, `--device cpu` always works"
    )]
    NotPresent {
        /// Backend asked for.
        backend: &'static str,
        /// Adapter asked for.
        index: usize,
        /// What is there.
        found: String,
    },
    /// A software adapter asked to run SPIR-V kernels, which gives wrong gradients there.
    #[error(
        "vulkan:{index} is a software adapter ({name}), on which SPIR-V kernels give wrong gradients without an error; use `--device wgpu` or `--device cpu`"
    )]
    SoftwareVulkan {
        /// Adapter asked for.
        index: usize,
        /// Its name.
        name: String,
    },
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown(text.to_owned());
        let (name, index) = match text.split_once(':') {
            Some((name, index)) => (name, Some(index.parse().map_err(|_| unknown())?)),
            None => (text, None),
        };
        match (name, index) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("ndarray", None) => Ok(Self::NdArray),
            ("wgpu", index) => Ok(Self::Wgpu(index.unwrap_or(0))),
            ("vulkan", index) => Ok(Self::Vulkan(index.unwrap_or(0))),
            _ => Err(unknown()),
        }
    }
}

/// A device that computes, and why it was taken.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Where tensors live, without autodiff.
    pub device: Device,
    /// Its backend: flex, ndarray, wgpu or vulkan.
    pub backend: &'static str,
    /// Its name for people, with the reason where the choice was automatic.
    pub description: String,
    /// Whether results are there as soon as an operation returns, so that reading costs nothing.
    pub is_cpu: bool,
}

/// A GPU, real or made of software.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Where its tensors live.
    pub device: Device,
    /// As the driver names it.
    pub name: String,
    /// Whether a program on the CPU poses as it.
    pub is_software: bool,
}

/// The adapters that WGSL kernels can run on, in the order of `wgpu:N`.
#[cfg(feature = "wgpu")]
pub fn wgpu_adapters() -> Vec<Adapter> {
    adapters(burn::tensor::DeviceType::Wgpu)
}

/// The adapters that WGSL kernels can run on: none in this build.
#[cfg(not(feature = "wgpu"))]
pub fn wgpu_adapters() -> Vec<Adapter> {
    Vec::new()
}

/// The adapters that SPIR-V kernels can run on, in the order of `vulkan:N`.
#[cfg(feature = "vulkan")]
pub fn vulkan_adapters() -> Vec<Adapter> {
    adapters(burn::tensor::DeviceType::Vulkan)
}

/// The adapters that SPIR-V kernels can run on: none in this build.
#[cfg(not(feature = "vulkan"))]
pub fn vulkan_adapters() -> Vec<Adapter> {
    Vec::new()
}

#[cfg(feature = "wgpu")]
fn adapters(kind: burn::tensor::DeviceType) -> Vec<Adapter> {
    let devices = Device::enumerate(kind).into_vec();
    let described = devices.into_iter().map(|device| {
        let identity = device.identity();
        Adapter {
            device,
            is_software: identity.as_ref().is_none_or(|id| id.physical.is_none()),
            name: identity.map_or_else(|| "unnamed adapter".into(), |id| id.name),
        }
    });
    described.collect()
}

impl DeviceChoice {
    /// The device that this choice means on this machine.
    ///
    /// # Errors
    /// Where the backend is not compiled in, the adapter is not there, or it cannot be trusted.
    pub fn select(self) -> Result<Selected, DeviceError> {
        match self {
            Self::Auto => Ok(auto()),
            Self::Cpu => Ok(cpu("CPU (flex)".into())),
            Self::NdArray => ndarray(),
            Self::Wgpu(_) if !cfg!(feature = "wgpu") => Err(DeviceError::NotCompiledIn("wgpu")),
            Self::Wgpu(index) => Ok(pick("wgpu", index, wgpu_adapters())?.selected("wgpu", index)),
            Self::Vulkan(_) if !cfg!(feature = "vulkan") => {
                Err(DeviceError::NotCompiledIn("vulkan"))
            }
            Self::Vulkan(index) => {
                let adapter = pick("vulkan", index, vulkan_adapters())?;
                match adapter.is_software {
                    true => Err(DeviceError::SoftwareVulkan {
                        index,
                        name: adapter.name,
                    }),
                    false => Ok(adapter.selected("vulkan", index)),
                }
            }
        }
    }
}

impl Adapter {
    fn selected(self, backend: &'static str, index: usize) -> Selected {
        Selected {
            description: format!("{backend}:{index} ({})", self.name),
            backend,
            device: self.device,
            is_cpu: false,
        }
    }
}

fn pick(
    backend: &'static str,
    index: usize,
    mut adapters: Vec<Adapter>,
) -> Result<Adapter, DeviceError> {
    if index < adapters.len() {
        return Ok(adapters.swap_remove(index));
    }
    let found = match adapters.len() {
        0 => "no adapter was".to_owned(),
        n => format!("{backend}:0 to {backend}:{} were", n - 1),
    };
    Err(DeviceError::NotPresent {
        backend,
        index,
        found,
    })
}

/// The first real GPU, else the CPU.
fn auto() -> Selected {
    first_real_gpu("vulkan", vulkan_adapters())
        .or_else(|| first_real_gpu("wgpu", wgpu_adapters()))
        .unwrap_or_else(|| cpu("CPU (flex), as no real GPU was found".into()))
}

fn first_real_gpu(backend: &'static str, adapters: Vec<Adapter>) -> Option<Selected> {
    let mut adapters = adapters.into_iter().enumerate();
    let (index, gpu) = adapters.find(|(_, adapter)| !adapter.is_software)?;
    let selected = gpu.selected(backend, index);
    Some(Selected {
        description: format!("{}, the first real GPU found", selected.description),
        ..selected
    })
}

fn cpu(description: String) -> Selected {
    Selected {
        device: Device::flex(),
        backend: "flex",
        description,
        is_cpu: true,
    }
}

#[cfg(feature = "ndarray")]
#[allow(deprecated)] // upstream prefers flex; users compare with ndarray
fn ndarray() -> Result<Selected, DeviceError> {
    Ok(Selected {
        device: Device::ndarray(),
        backend: "ndarray",
        ..cpu("CPU (ndarray)".into())
    })
}

#[cfg(not(feature = "ndarray"))]
fn ndarray() -> Result<Selected, DeviceError> {
    Err(DeviceError::NotCompiledIn("ndarray"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_device_name() {
        let parse = |text: &str| text.parse::<DeviceChoice>();
        assert_eq!(parse("auto"), Ok(DeviceChoice::Auto));
        assert_eq!(parse("cpu"), Ok(DeviceChoice::Cpu));
        assert_eq!(parse("wgpu"), Ok(DeviceChoice::Wgpu(0)));
        assert_eq!(parse("vulkan:3"), Ok(DeviceChoice::Vulkan(3)));
        for unknown in ["gpu", "cpu:1", "wgpu:x", "wgpu:", ""] {
            assert!(parse(unknown).is_err(), "{unknown}");
        }
    }

    #[test]
    fn an_adapter_that_is_not_there_is_named() {
        let error = pick("wgpu", 2, Vec::new())
            .err()
            .map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some(
                "wgpu:2 is not present: no adapter was found; `ebm devices` lists them, \
                 `--device cpu` always works"
            )
        );
    }
}
