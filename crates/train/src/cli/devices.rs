//! Show what is compiled in, what was found, and what `auto` takes.

use std::process::ExitCode;

use clap::Args;

use super::say;
use crate::device::{Adapter, DeviceChoice, vulkan_adapters, wgpu_adapters};
use crate::self_test;

/// Show the devices of this build and machine
#[derive(Args, Debug)]
pub(super) struct DevicesArgs {
    /// Compare energies and gradients of every device with the CPU's
    #[arg(long)]
    check: bool,
}

impl DevicesArgs {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let threads = rayon::current_num_threads();
        say(format_args!(
            "cpu       Burn's flex backend, {threads} threads"
        ))?;
        match cfg!(feature = "ndarray") {
            true => say("ndarray   Burn's ndarray backend, for comparison")?,
            false => say("ndarray   not compiled in; build with --features ndarray")?,
        }
        list("wgpu", cfg!(feature = "wgpu"), &wgpu_adapters())?;
        list("vulkan", cfg!(feature = "vulkan"), &vulkan_adapters())?;
        let auto = DeviceChoice::Auto.select()?.description;
        say(format_args!("auto      {auto}"))?;
        match self.check {
            true => check_all(),
            false => Ok(ExitCode::SUCCESS),
        }
    }
}

/// Compare all devices but the CPU that they are compared with.
fn check_all() -> anyhow::Result<ExitCode> {
    let ndarray = cfg!(feature = "ndarray").then_some(DeviceChoice::NdArray);
    let wgpu = (0..wgpu_adapters().len()).map(DeviceChoice::Wgpu);
    let vulkan = vulkan_adapters().into_iter().enumerate();
    let vulkan = vulkan.filter(|(_, adapter)| !adapter.is_software);
    let vulkan = vulkan.map(|(index, _)| DeviceChoice::Vulkan(index));
    let mut all_agree = true;
    for choice in ndarray.into_iter().chain(wgpu).chain(vulkan) {
        let selected = choice.select()?;
        match self_test::check_device(&selected) {
            Ok(difference) => say(format_args!(
                "{}: agrees with the CPU, {difference}",
                selected.description
            ))?,
            Err(error) => {
                all_agree = false;
                say(error)?;
            }
        }
    }
    Ok(match all_agree {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn list(backend: &str, compiled_in: bool, adapters: &[Adapter]) -> std::io::Result<()> {
    if !compiled_in {
        say(format_args!(
            "{backend:<9} not compiled in; build with --features {backend}"
        ))?;
    } else if adapters.is_empty() {
        say(format_args!("{backend:<9} no adapter found"))?;
    }
    for (index, adapter) in adapters.iter().enumerate() {
        let kind = if adapter.is_software {
            ", software"
        } else {
            ""
        };
        let device = format!("{backend}:{index}");
        say(format_args!("{device:<9} {}{kind}", adapter.name))?;
    }
    Ok(())
}
