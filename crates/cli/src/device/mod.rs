//! Choose where to compute.

mod adapters;
mod by_rank;
mod cpu;
mod memory;
mod processor;
mod self_test;
mod vulkan;

use core::str::FromStr;

use burn::tensor::Device;
use ebm_core::{Adapter, vulkan_adapters, wgpu_adapters};
use thiserror::Error;

pub(crate) use adapters::AdapterName;
pub(crate) use cpu::cpu_backend;
use cpu::{cpu, ndarray};
#[cfg(test)]
pub(crate) use memory::RunSize;
pub(crate) use memory::{DeviceMemory, MemoryNeed};
pub(crate) use self_test::{SelfTestError, check, check_device};

use crate::ranks;

/// What `--device` may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
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
pub(crate) enum DeviceError {
    /// No device is called that.
    #[error("`{0}` is no device; use auto, cpu, ndarray, wgpu[:N] or vulkan[:N]")]
    Unknown(String),
    /// The backend is not part of this build.
    #[error("this build has no {0}")]
    NotCompiledIn(&'static str),
    /// There are not that many adapters.
    #[error("{backend}:{index} is not present: {found} found")]
    NotPresent {
        /// Backend asked for.
        backend: &'static str,
        /// Adapter asked for.
        index: usize,
        /// Which adapters there are.
        found: String,
    },
    /// A software adapter asked to run SPIR-V kernels, which gives wrong gradients there.
    #[error(
        "{backend}:{index} is a software adapter ({name}), on which SPIR-V kernels give wrong gradients without an error"
    )]
    SoftwareVulkan {
        /// Backend asked for, whose kernels are SPIR-V.
        backend: &'static str,
        /// Adapter asked for.
        index: usize,
        /// Its name.
        name: String,
    },
    /// Ranks would have to share a GPU.
    #[error("{ranks} ranks of a machine see {gpus} of its GPUs, and each takes one")]
    TooManyRanks {
        /// Ranks that see the same GPUs.
        ranks: usize,
        /// Those GPUs.
        gpus: usize,
    },
    /// A rank is told to take a GPU that no driver shows.
    #[error("rank {rank} is to use the GPU whose UUID begins with {uuid}, and it is not present")]
    NotVisible {
        /// The rank.
        rank: usize,
        /// What it is told, in hexadecimal digits.
        uuid: String,
    },
}

impl DeviceChoice {
    /// Names of devices, without the number of an adapter.
    pub(crate) const NAMES: [&'static str; 5] = ["auto", "cpu", "ndarray", "wgpu", "vulkan"];
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

/// The device on which a command computes.
#[derive(Clone, Debug)]
pub(crate) struct ChosenDevice {
    /// Where tensors live, without autodiff.
    pub(crate) device: Device,
    /// Its name on the command line: cpu, ndarray, wgpu:N or vulkan:N.
    pub(crate) name: String,
    /// Its name and what computes there, with the reason where the choice was automatic.
    pub(crate) description: String,
    /// Which adapter of this machine it is; `None` for a CPU.
    #[cfg_attr(not(feature = "wgpu"), allow(dead_code))] // without GPUs nothing is looked up
    pub(crate) adapter: Option<AdapterName>,
}

impl DeviceChoice {
    /// The device that this choice means on this machine.
    ///
    /// # Errors
    /// Where the backend is not compiled in, the adapter is not there, or it cannot be trusted.
    pub(crate) fn select(self) -> Result<ChosenDevice, DeviceError> {
        match self {
            Self::Auto => auto(),
            Self::Cpu => Ok(cpu()),
            Self::NdArray => ndarray(),
            Self::Wgpu(_) if !cfg!(feature = "wgpu") => Err(DeviceError::NotCompiledIn("wgpu")),
            Self::Wgpu(index) => {
                let adapter = pick("wgpu", index, wgpu_adapters())?;
                // With SPIR-V built in, every Vulkan adapter gets it.
                if cfg!(feature = "vulkan") {
                    refuse_software("wgpu", index, &adapter)?;
                }
                Ok(chosen(adapter, "wgpu", index))
            }
            Self::Vulkan(_) if !cfg!(feature = "vulkan") => {
                Err(DeviceError::NotCompiledIn("vulkan"))
            }
            Self::Vulkan(index) => {
                let adapter = pick("vulkan", index, vulkan_adapters())?;
                refuse_software("vulkan", index, &adapter)?;
                Ok(chosen(adapter, "vulkan", index))
            }
        }
    }
}

/// Refuse an adapter made of software, which computes SPIR-V wrongly.
fn refuse_software(
    backend: &'static str,
    index: usize,
    adapter: &Adapter,
) -> Result<(), DeviceError> {
    if adapter.is_software {
        let name = adapter.name.clone();
        return Err(DeviceError::SoftwareVulkan {
            backend,
            index,
            name,
        });
    }
    Ok(())
}

fn chosen(adapter: Adapter, backend: &'static str, index: usize) -> ChosenDevice {
    let name = format!("{backend}:{index}");
    ChosenDevice {
        description: format!("{name} ({})", adapter.name),
        name,
        adapter: Some(AdapterName::of(&adapter)),
        device: adapter.device,
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
        1 => format!("only {backend}:0 was"),
        n => format!("{backend}:0 to {backend}:{} were", n - 1),
    };
    Err(DeviceError::NotPresent {
        backend,
        index,
        found,
    })
}

/// The first real GPU, else the CPU. Of several ranks, each has a GPU of its own, and all ask at the same time.
fn auto() -> Result<ChosenDevice, DeviceError> {
    let (backend, mut gpus) = real_gpus();
    let adapters: Vec<Adapter> = gpus.iter().map(|(_, gpu)| gpu.clone()).collect();
    let Some(place) = by_rank::place(&adapters)? else {
        return Ok(because("as no real GPU was found", cpu()));
    };
    let (index, gpu) = gpus.swap_remove(place);
    let reason = match ranks::world() {
        1 => "the first real GPU found".to_owned(),
        _ => format!("the GPU of local rank {}", ranks::local_rank()),
    };
    Ok(because(&reason, chosen(gpu, backend, index)))
}

/// All real GPUs of the first backend that has any, with their numbers there.
fn real_gpus() -> (&'static str, Vec<(usize, Adapter)>) {
    let real = |adapters: Vec<Adapter>| {
        let numbered = adapters.into_iter().enumerate();
        let real = numbered.filter(|(_, adapter)| !adapter.is_software);
        real.collect::<Vec<_>>()
    };
    match real(vulkan_adapters()) {
        gpus if gpus.is_empty() => ("wgpu", real(wgpu_adapters())),
        gpus => ("vulkan", gpus),
    }
}

/// A device, described with the reason for taking it.
fn because(reason: &str, chosen: ChosenDevice) -> ChosenDevice {
    ChosenDevice {
        description: format!("{}, {reason}", chosen.description),
        ..chosen
    }
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
        let error = pick("wgpu", 2, Vec::new()).err();
        let message = error.map(|error| error.to_string());
        let expected = "wgpu:2 is not present: no adapter was found";
        assert_eq!(message.as_deref(), Some(expected));
    }

    #[test]
    fn the_adapters_that_are_there_are_named() {
        let found = |adapters: usize| {
            let adapter = Adapter {
                device: Device::flex(),
                name: "card".into(),
                twin: 0,
                is_software: false,
            };
            let error = pick("wgpu", 9, vec![adapter; adapters]).err();
            error.map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(found(1).ends_with(": only wgpu:0 was found"));
        assert!(found(3).ends_with(": wgpu:0 to wgpu:2 were found"));
    }

    #[test]
    fn a_device_is_described_by_its_name_and_by_what_computes_there() {
        let cpu = DeviceChoice::Cpu.select().expect("a CPU");
        assert_eq!(cpu.name, "cpu");
        let described = format!("cpu ({})", cpu_backend("flex"));
        assert_eq!(cpu.description, described);
        let automatic = because("as no real GPU was found", cpu);
        assert_eq!(
            (automatic.name.as_str(), automatic.description),
            ("cpu", format!("{described}, as no real GPU was found"))
        );
    }
}
