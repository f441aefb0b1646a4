//! Measure what was asked for, on every device that was asked for; or compare what was measured before.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, ValueHint};
use ebm_core::{DeviceKind, ImageShape};
use ebm_model::Precision;
use ebm_train::Held;

use super::{BenchOptions, Comparison, Measurement, Task, Workload, measure, peak, table};
use crate::args::{positive, precision_parser, warn_if_slow};
use crate::charts::{CHART_EXTENSIONS, save_chart};
use crate::choices::device_parser;
use crate::device::{ChosenDevice, DeviceChoice};
use crate::memory::{MemoryArgs, NotEnoughMemory};
use crate::output::{check_output, say};

/// Bytes of an element of an image.
const F32: u64 = 4;

/// Measure how fast devices do this program's work
///
/// An image-step is one forward pass and one input gradient of one image; of energy, gradient and flow, one
/// image. The networks and the work are those of the PyTorch and JAX peers that the project compares with. GFLOP/s are
/// also given as a share of the peak: the most that the hardware was seen to do just before, on large matrix products
/// of several sizes, and on a CPU, for all of its backends alike, also in convolutions by our kernels. They count what
/// a convolution multiplies and adds directly; algorithms that do less may go beyond 100 %. Errors are relative to
/// double precision.
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// Networks
    #[arg(long, value_enum, num_args = 1.., default_values = ["uva", "mnist", "cifar"])]
    workloads: Vec<Workload>,

    /// What to measure on each
    #[arg(long, value_enum, num_args = 1.., default_values = ["chain", "train"])]
    tasks: Vec<Task>,

    /// Devices; `ebm devices` lists those of this machine
    #[arg(
        long,
        num_args = 1..,
        default_values = ["cpu"],
        value_parser = device_parser(),
        hide_possible_values = true
    )]
    devices: Vec<DeviceChoice>,

    /// Images at a time
    #[arg(long, default_value_t = 64, value_parser = positive)]
    batch: usize,

    /// Langevin steps of a chain
    #[arg(long, default_value_t = 5, value_parser = positive)]
    steps: usize,

    /// Runs before the clock starts
    #[arg(long, default_value_t = 2)]
    warmup: usize,

    /// Runs on the clock
    #[arg(long, default_value_t = 5, value_parser = positive)]
    repeats: usize,

    /// Floating-point precision of the chains' copy of the weights
    #[arg(long, value_name = "PRECISION", value_parser = precision_parser(), default_value_t = Precision::F32)]
    precision: Precision,

    #[command(flatten)]
    memory: MemoryArgs,

    /// Print the kernels of one run of each task on a GPU, and how long each takes, instead
    #[arg(long, conflicts_with = "json")]
    profile: bool,

    /// Print a JSON object after each measurement, instead of a table at the end
    #[arg(long)]
    json: bool,

    /// Compare files of --json, ours and the peers', instead of measuring: speeds, and their ratios to the same variant of
    /// the first file, or to its first one
    #[arg(
        long,
        value_name = "FILE",
        num_args = 1..,
        value_hint = ValueHint::FilePath,
        conflicts_with_all = MEASURING
    )]
    compare: Vec<PathBuf>,

    /// Draw the speeds as bars, from the slowest run to the fastest as whiskers
    #[arg(
        long,
        value_name = "FILE.svg|FILE.png",
        value_hint = ValueHint::FilePath,
        conflicts_with = "profile"
    )]
    plot: Option<PathBuf>,
}

/// Arguments that say what is measured, and how.
const MEASURING: [&str; 10] = [
    "workloads",
    "tasks",
    "devices",
    "batch",
    "steps",
    "warmup",
    "repeats",
    "precision",
    "profile",
    "json",
];

impl BenchArgs {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        if let Some(path) = &self.plot {
            check_output("--plot", path, &CHART_EXTENSIONS)?;
        }
        if self.compare.is_empty() {
            self.measure()?;
        } else {
            let comparison = Comparison::read(&self.compare)?;
            say(comparison.table())?;
            self.draw(&comparison)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn measure(&self) -> anyhow::Result<()> {
        let options = BenchOptions {
            batch: self.batch,
            steps: self.steps,
            warmup: self.warmup,
            repeats: self.repeats,
            precision: self.precision,
        };
        self.check_memory()?;
        let mut measurements = Vec::new();
        let mut of_cpu = None;
        for device in &self.devices {
            let chosen = device.select()?;
            self.precision.check(&chosen.device)?;
            warn_if_slow(self.precision, &chosen.device);
            if self.profile {
                self.print_kernels(&chosen, &options)?;
                continue;
            }
            let measure_peak = || peak(&chosen.device, self.precision);
            let peak_gflops = match DeviceKind::of(&chosen.device) {
                DeviceKind::Cpu => *of_cpu.get_or_insert_with(measure_peak),
                DeviceKind::Gpu => measure_peak(),
            };
            let name = &chosen.description;
            tracing::info!("{name}: at most {peak_gflops:.0} GFLOP/s");
            for (workload, task) in self.tasks() {
                let measured = measure(workload, task, &chosen, &options, peak_gflops);
                if self.json {
                    say(measured.to_json())?;
                }
                measurements.push(measured);
            }
        }
        if !self.json && !self.profile {
            say(table(&measurements))?;
        }
        let figures = measurements.iter().filter_map(Measurement::figures);
        self.draw(&Comparison::of(figures.collect()))
    }

    /// Draw speeds where that was asked for.
    fn draw(&self, comparison: &Comparison) -> anyhow::Result<()> {
        let Some(path) = &self.plot else {
            return Ok(());
        };
        save_chart(path, &comparison.chart())?;
        // With --json stdout has a line a measurement and nothing else.
        if self.json {
            tell!("{}", path.display());
        } else {
            say(path.display())?;
        }
        Ok(())
    }

    /// Refuse more images at a time than the memory holds of the largest ones.
    fn check_memory(&self) -> Result<(), NotEnoughMemory> {
        let shapes = self.workloads.iter().map(|workload| workload.shape());
        let Some(shape) = shapes.max_by_key(ImageShape::pixels) else {
            return Ok(());
        };
        let images = Held::of_images("--batch", self.batch as u64, shape, F32);
        self.memory.check("the benchmark", shape, &[images])
    }

    /// Every network with every task.
    fn tasks(&self) -> impl Iterator<Item = (Workload, Task)> + '_ {
        let of = |&workload: &Workload| self.tasks.iter().map(move |&task| (workload, task));
        self.workloads.iter().flat_map(of)
    }

    #[cfg(feature = "wgpu")]
    fn print_kernels(&self, chosen: &ChosenDevice, options: &BenchOptions) -> anyhow::Result<()> {
        if DeviceKind::is_cpu(&chosen.device) {
            bail!(
                "--profile: {} has no kernels of its own to time; profile a GPU, or the process with a tool like perf",
                chosen.name
            );
        }
        for (workload, task) in self.tasks() {
            let kernels = super::kernels(workload, task, chosen, options);
            let [workload, task] = [super::choice_name(workload), super::choice_name(task)];
            say(format_args!("{workload} {task} on {}", chosen.description))?;
            say(super::kernel_table(&kernels))?;
        }
        Ok(())
    }

    #[cfg(not(feature = "wgpu"))]
    fn print_kernels(&self, _: &ChosenDevice, _: &BenchOptions) -> anyhow::Result<()> {
        bail!("--profile: this build has no GPU backend")
    }
}
