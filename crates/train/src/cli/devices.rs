//! Show what is compiled in, what was found, and what `auto` takes.

use std::process::ExitCode;

use clap::Args;

use super::say;
use crate::device::{Adapter, DeviceChoice, vulkan_adapters, wgpu_adapters};

/// Show the devices of this build and machine
#[derive(Args, Debug)]
pub(super) struct DevicesArgs {}

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
        Ok(ExitCode::SUCCESS)
    }
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
