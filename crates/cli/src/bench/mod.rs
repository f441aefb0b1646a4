//! Measure how fast a device does this program's work, on networks that its peers measure, too.

mod args;
mod compare;
mod figures;
mod peak;
mod picture;
#[cfg(feature = "wgpu")]
mod profile;
mod report;
mod workload;

use std::time::Instant;

use burn::tensor::Tensor;
use ebm_core::{DeviceKind, chain_pieces, each_piece, energy_and_gradient, index_tensor};
use ebm_langevin::Sampler;
use ebm_model::{EnergyModel, Frozen, Network, Precision};
use ebm_train::{Objective, Trainer, process_memory};

use crate::device::ChosenDevice;

pub(crate) use args::BenchArgs;
use compare::Comparison;
use figures::{Figures, Line};
use peak::peak;
#[cfg(feature = "wgpu")]
use profile::{KernelTime, kernel_table};
#[cfg(feature = "wgpu")]
use report::choice_name;
use report::{Measurement, table};
use workload::{Task, Workload};

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BenchOptions {
    /// Images, and chains, at a time.
    batch: usize,
    /// Langevin steps of a chain.
    steps: usize,
    /// Runs before the clock starts.
    warmup: usize,
    /// Runs on the clock.
    repeats: usize,
    /// Floating-point precision of the chains' copy of the weights.
    precision: Precision,
}

/// Images for which the device's energies are compared with those in double precision.
const COMPARED: usize = 4;

/// Measure one task on one device. `peak_gflops` is the result of [`peak()`] there.
fn measure(
    workload: Workload,
    task: Task,
    chosen: &ChosenDevice,
    options: &BenchOptions,
    peak_gflops: f64,
) -> Measurement {
    let bench = Bench::new(workload, chosen, options);
    process_memory::forget_peak();
    let mut run = bench.task(task);
    for _ in 0..options.warmup {
        run();
    }
    let seconds = (0..options.repeats.max(1)).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    let mut seconds: Vec<f64> = seconds.collect();
    drop(run);
    seconds.sort_by(f64::total_cmp);
    let is_cpu = DeviceKind::is_cpu(&chosen.device);
    Measurement {
        workload,
        task,
        device: chosen.description.clone(),
        name: chosen.name.clone(),
        options: *options,
        seconds,
        flops: bench.flops(task),
        peak_gflops,
        peak_memory: process_memory::peak().filter(|_| is_cpu),
        energy_error: bench.energy_error(),
    }
}

/// Measure the kernels of one run of a task on a GPU, the longest first.
#[cfg(feature = "wgpu")]
fn kernels(
    workload: Workload,
    task: Task,
    chosen: &ChosenDevice,
    options: &BenchOptions,
) -> Vec<KernelTime> {
    let bench = Bench::new(workload, chosen, options);
    let mut run = bench.task(task);
    for _ in 0..options.warmup.max(1) {
        run();
    }
    profile::kernels_of(run)
}

/// A workload on a device.
struct Bench<'a> {
    workload: Workload,
    chosen: &'a ChosenDevice,
    options: &'a BenchOptions,
    net: Frozen<Network>,
    x: Tensor<4>,
}

impl<'a> Bench<'a> {
    fn new(workload: Workload, chosen: &'a ChosenDevice, options: &'a BenchOptions) -> Self {
        let net = Frozen::new(&workload.network(&chosen.device));
        Self {
            workload,
            chosen,
            options,
            net: net.rounded(options.precision),
            x: workload.images(options.batch, &chosen.device),
        }
    }

    /// What one run of a task does, until its results can be read.
    fn task(&self, task: Task) -> Box<dyn FnMut() + '_> {
        let Self { net, .. } = self;
        match task {
            Task::Energy => Box::new(move || {
                self.each_piece(|x| net.energy(x));
            }),
            Task::Gradient => Box::new(move || {
                self.each_piece(|x| energy_and_gradient(x, &|x| net.energy(x)).1);
            }),
            Task::Chain => self.chain(),
            Task::Train => self.steps_of(self.workload.trainer(self.options, &self.chosen.device)),
            Task::Flow => self.steps_of(self.workload.flow_trainer(&self.chosen.device)),
        }
    }

    /// Chains, each run from where the one before ended.
    fn chain(&self) -> Box<dyn FnMut() + '_> {
        let langevin = self.workload.langevin(self.options.steps);
        let sampler = Sampler::new(langevin, workload::noise_key());
        let ids: Vec<u32> = (0..self.options.batch as u32).collect();
        // The networks have no classes and ignore them.
        let energy = self.net.given(index_tensor(&ids, &self.chosen.device));
        let mut x = self.x.clone();
        Box::new(move || {
            x = sampler.run(x.clone(), &ids, &energy).x;
            wait_for(&x);
        })
    }

    /// Iterations of training on one batch.
    fn steps_of<O: Objective<Network> + 'static>(
        &self,
        mut trainer: Trainer<Network, O>,
    ) -> Box<dyn FnMut() + '_> {
        let batch = self.workload.batch(self.x.clone());
        Box::new(move || {
            let info = trainer.step(&batch);
            wait_for(&info.loss);
            wait_for(&trainer.state.ema);
        })
    }

    /// Compute something of every image, as chains do: on a CPU in pieces, one on each thread.
    fn each_piece<const D: usize>(&self, work: impl Fn(Tensor<4>) -> Tensor<D> + Sync) {
        let device = &self.chosen.device;
        let pieces = chain_pieces(device, self.options.batch);
        each_piece(device, pieces, |rows| {
            wait_for(&work(self.x.clone().narrow(0, rows.start, rows.len())));
        });
    }

    /// Floating-point operations of one run of a task, multiplications and additions in the
    /// convolutions and dense layers alone.
    fn flops(&self, task: Task) -> f64 {
        let forward = 2.0 * self.net.work(self.workload.shape()).multiply_adds as f64;
        let (batch, steps) = (self.options.batch as f64, self.options.steps as f64);
        batch
            * forward
            * match task {
                Task::Energy => 1.0,
                Task::Gradient => 2.0,
                Task::Chain => 2.0 * steps,
                // Data and samples: forward, and the gradient of weights and of inner inputs.
                Task::Train => 2.0 * steps + 6.0,
                // Forward and inner inputs; then the same and the weights for two images each.
                Task::Flow => 2.0 + 6.0,
            }
    }

    /// Largest difference between the device's energies and those in double precision, relative to
    /// the largest energy.
    fn energy_error(&self) -> f64 {
        let few = COMPARED.min(self.options.batch);
        let ours = values(self.net.energy(self.x.clone().narrow(0, 0, few)));
        let exact = values(self.workload.energies_in_double_precision(few));
        let largest = exact.iter().fold(0.0f64, |max, e| max.max(e.abs()));
        let errors = ours
            .iter()
            .zip(&exact)
            .map(|(a, b)| (a - b).abs() / largest);
        errors.fold(0.0, |max, error| if error <= max { max } else { error })
    }
}

fn values(x: Tensor<1>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// Read one element, so that what it depends on has been computed.
fn wait_for<const D: usize>(x: &Tensor<D>) {
    let one = x.clone().flatten::<1>(0, D as i32 - 1).narrow(0, 0, 1);
    let _computed = one.into_data();
}
