//! Show the devices of this build and machine, and which one `auto` takes.

use std::process::ExitCode;

use clap::Args;
use ebm_core::{Adapter, opengl_adapters, vulkan_adapters, wgpu_adapters};

use crate::device::{DeviceChoice, check_device, cpu_backend};
use crate::output::{Table, say};

/// Show the devices of this build and machine
#[derive(Args, Debug)]
pub(crate) struct DevicesArgs {
    /// Compare energies and gradients of every device with the CPU's
    #[arg(long)]
    check: bool,
}

/// Why an adapter behind OpenGL is no device.
const OPENGL: &str = "not used: the kernels need Vulkan, Metal or DirectX 12";

impl DevicesArgs {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut table = Table::new();
        table.row(["cpu".into(), cpu_backend("flex")]);
        let ndarray = if cfg!(feature = "ndarray") {
            format!("{}, for comparison", cpu_backend("ndarray"))
        } else {
            "not compiled in; build with --features ndarray".to_owned()
        };
        table.row(["ndarray".into(), ndarray]);
        add_backend(&mut table, "wgpu", cfg!(feature = "wgpu"), &wgpu_adapters());
        for adapter in opengl_adapters() {
            table.row(["opengl".into(), format!("{}, {OPENGL}", adapter.name)]);
        }
        let adapters = vulkan_adapters();
        add_backend(&mut table, "vulkan", cfg!(feature = "vulkan"), &adapters);
        let auto = DeviceChoice::Auto.select()?.description;
        table.row(["auto".into(), auto]);
        say(table.render(2))?;
        if self.check {
            return check_all();
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A row for each adapter of a backend, or one that says why there is none.
fn add_backend(table: &mut Table, backend: &str, compiled_in: bool, adapters: &[Adapter]) {
    if !compiled_in {
        let missing = format!("not compiled in; build with --features {backend}");
        table.row([backend.into(), missing]);
    } else if adapters.is_empty() {
        table.row([backend.into(), "no adapter found".into()]);
    }
    for (index, adapter) in adapters.iter().enumerate() {
        let kind = if adapter.is_software {
            ", software"
        } else {
            ""
        };
        let description = format!("{}{kind}", adapter.name);
        table.row([format!("{backend}:{index}"), description]);
    }
}

/// Compare all devices but the CPU that they are compared with.
fn check_all() -> anyhow::Result<ExitCode> {
    let ndarray = cfg!(feature = "ndarray").then_some(DeviceChoice::NdArray);
    let wgpu = wgpu_adapters().into_iter().enumerate();
    // With SPIR-V built in, every Vulkan adapter gets it, which those made of software cannot run.
    let wgpu = wgpu.filter(|(_, adapter)| !(cfg!(feature = "vulkan") && adapter.is_software));
    let wgpu = wgpu.map(|(index, _)| DeviceChoice::Wgpu(index));
    let vulkan = vulkan_adapters().into_iter().enumerate();
    let vulkan = vulkan.filter(|(_, adapter)| !adapter.is_software);
    let vulkan = vulkan.map(|(index, _)| DeviceChoice::Vulkan(index));
    let mut exit_code = ExitCode::SUCCESS;
    for choice in ndarray.into_iter().chain(wgpu).chain(vulkan) {
        let chosen = choice.select()?;
        match check_device(&chosen) {
            Ok(difference) => say(format_args!(
                "{}: agrees with the CPU, {difference}",
                chosen.description
            ))?,
            Err(error) => {
                exit_code = ExitCode::FAILURE;
                say(error)?;
            }
        }
    }
    Ok(exit_code)
}
