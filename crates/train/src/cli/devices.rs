//! Show what is compiled in, what was found, and what `auto` takes.

use std::process::ExitCode;

use clap::Args;

use crate::device::{Adapter, DeviceChoice, vulkan_adapters, wgpu_adapters};

/// Show the devices of this build and machine
#[derive(Args, Debug)]
pub(super) struct DevicesArgs {}

impl DevicesArgs {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        println!(
            "cpu       Burn's flex backend, {} threads",
            rayon::current_num_threads()
        );
        match cfg!(feature = "ndarray") {
            true => println!("ndarray   Burn's ndarray backend, for comparison"),
            false => println!("ndarray   not compiled in"),
        }
        list("wgpu", cfg!(feature = "wgpu"), &wgpu_adapters());
        list("vulkan", cfg!(feature = "vulkan"), &vulkan_adapters());
        println!("auto      {}", DeviceChoice::Auto.select()?.description);
        Ok(ExitCode::SUCCESS)
    }
}

fn list(backend: &str, compiled_in: bool, adapters: &[Adapter]) {
    if !compiled_in {
        println!("{backend:<9} not compiled in; build with --features {backend}");
    } else if adapters.is_empty() {
        println!("{backend:<9} no adapter found");
    }
    for (index, adapter) in adapters.iter().enumerate() {
        let kind = if adapter.is_software {
            ", software"
        } else {
            ""
        };
        println!("{:<9} {}{kind}", format!("{backend}:{index}"), adapter.name);
    }
}
