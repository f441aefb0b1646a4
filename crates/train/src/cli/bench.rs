//! Measure the speed of devices.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use super::say;
use crate::bench::{self, BenchOptions, Task, Workload, matmul_peak};
use crate::device::{DeviceChoice, Selected};
use crate::precision::Precision;

/// Measure how fast devices do this program's work
///
/// An image-step is one forward pass and one input gradient of one image. The networks and the work
/// are those of the PyTorch peer that the project compares with; GFLOP/s are also given as a share of
/// what the device reaches on large matrix products, errors are relative to double precision.
#[derive(Args, Debug)]
pub(super) struct BenchArgs {
    /// Networks
    #[arg(long, value_enum, num_args = 1.., default_values = ["uva", "mnist", "cifar"])]
    workloads: Vec<Workload>,

    /// What is done with them
    #[arg(long, value_enum, num_args = 1.., default_values = ["chain", "train"])]
    tasks: Vec<Task>,

    /// Where; `ebm devices` lists what is there
    #[arg(long, num_args = 1.., default_values = ["cpu"])]
    devices: Vec<DeviceChoice>,

    /// Images at a time
    #[arg(long, default_value_t = 64)]
    batch: usize,

    /// Langevin steps of a chain
    #[arg(long, default_value_t = 5)]
    steps: usize,

    /// Runs before the clock starts
    #[arg(long, default_value_t = 2)]
    warmup: usize,

    /// Runs on the clock
    #[arg(long, default_value_t = 5)]
    repeats: usize,

    /// Numbers in which chains see the energy
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    precision: Precision,

    /// Print the kernels of one run of each task on a GPU, and how long each takes, instead
    #[arg(long, conflicts_with = "json")]
    profile: bool,

    /// Print a JSON object per measurement as soon as it is there, instead of a table
    #[arg(long)]
    json: bool,
}

impl BenchArgs {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        for (flag, value) in [
            ("--batch", self.batch),
            ("--steps", self.steps),
            ("--repeats", self.repeats),
        ] {
            if value == 0 {
                bail!("{flag} must be at least 1");
            }
        }
        let options = BenchOptions {
            batch: self.batch,
            steps: self.steps,
            warmup: self.warmup,
            repeats: self.repeats,
            precision: self.precision,
        };
        let mut measurements = Vec::new();
        for device in &self.devices {
            let selected = device.select()?;
            self.precision.check(&selected)?;
            if self.profile {
                self.print_kernels(&selected, &options)?;
                continue;
            }
            let peak = matmul_peak(&selected.device);
            tracing::info!(
                "{}: matrix products at {peak:.0} GFLOP/s",
                selected.description
            );
            for &workload in &self.workloads {
                for &task in &self.tasks {
                    let measured = bench::measure(workload, task, &selected, &options, peak);
                    if self.json {
                        say(measured.to_json())?;
                    }
                    measurements.push(measured);
                }
            }
        }
        if !self.json && !self.profile {
            say(bench::table(&measurements))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    #[cfg(feature = "wgpu")]
    fn print_kernels(&self, selected: &Selected, options: &BenchOptions) -> anyhow::Result<()> {
        if selected.is_cpu {
            bail!(
                "--profile: {} has no kernels of its own to time; profile a GPU, or the process with a tool like perf",
                selected.description
            );
        }
        for &workload in &self.workloads {
            for &task in &self.tasks {
                let kernels = bench::kernels(workload, task, selected, options);
                let [workload, task] = [bench::choice_name(workload), bench::choice_name(task)];
                say(format!("{workload} {task} on {}", selected.description))?;
                say(bench::kernel_table(&kernels))?;
            }
        }
        Ok(())
    }

    #[cfg(not(feature = "wgpu"))]
    fn print_kernels(&self, _: &Selected, _: &BenchOptions) -> anyhow::Result<()> {
        bail!("--profile: this build has no GPU backend")
    }
}
