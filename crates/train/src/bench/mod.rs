//! Measure how fast a device does this program's work, on networks that others measure too.

mod peak;
#[cfg(feature = "wgpu")]
mod profile;
mod report;
mod workload;

use std::time::Instant;

use burn::tensor::Tensor;
use ebm_langevin::{Sampler, chain_pieces, chain_tensor, each_piece, energy_and_gradient};
use ebm_model::{EnergyModel, Network};

use crate::device::Selected;
use crate::memory;
use crate::precision::Precision;
use crate::sampling::run_chains;
use crate::trainer;

pub use peak::matmul_peak;
#[cfg(feature = "wgpu")]
pub use profile::{KernelTime, kernel_table};
#[cfg(feature = "wgpu")]
pub(crate) use report::choice_name;
pub use report::{Measurement, table};
pub use workload::{Task, Workload};

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BenchOptions {
    /// Images, and chains, at a time.
    pub batch: usize,
    /// Langevin steps of a chain.
    pub steps: usize,
    /// Runs before the clock starts.
    pub warmup: usize,
    /// Runs on the clock.
    pub repeats: usize,
    /// Numbers in which chains see the energy.
    pub precision: Precision,
}

/// Images for which the device's energies are compared with those in double precision.
const COMPARED: usize = 4;

/// Measure one task on one device. `matmul_gflops` is what [`matmul_peak`] has found there.
pub fn measure(
    workload: Workload,
    task: Task,
    selected: &Selected,
    options: &BenchOptions,
    matmul_gflops: f64,
) -> Measurement {
    let bench = Bench::new(workload, selected, options);
    memory::forget_peak();
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
    Measurement {
        workload,
        task,
        device: selected.description.clone(),
        backend: selected.backend,
        options: *options,
        seconds,
        flops: bench.flops(task),
        matmul_gflops,
        peak_memory: memory::peak().filter(|_| selected.is_cpu),
        energy_error: bench.energy_error(),
    }
}

/// Measure the kernels of one run of a task on a GPU, the longest first.
#[cfg(feature = "wgpu")]
pub fn kernels(
    workload: Workload,
    task: Task,
    selected: &Selected,
    options: &BenchOptions,
) -> Vec<KernelTime> {
    let bench = Bench::new(workload, selected, options);
    let mut run = bench.task(task);
    for _ in 0..options.warmup.max(1) {
        run();
    }
    profile::kernels_of(run)
}

/// A workload on a device.
struct Bench<'a> {
    workload: Workload,
    selected: &'a Selected,
    options: &'a BenchOptions,
    net: Network,
    x: Tensor<4>,
}

impl<'a> Bench<'a> {
    fn new(workload: Workload, selected: &'a Selected, options: &'a BenchOptions) -> Self {
        Self {
            workload,
            selected,
            options,
            net: { options.precision }.rounded(
                &workload.network(&selected.device).folded(),
                &selected.device,
            ),
            x: workload.images(options.batch, &selected.device),
        }
    }

    /// What one run of a task does, until its results can be read.
    fn task(&self, task: Task) -> Box<dyn FnMut() + '_> {
        let Self { net, x, .. } = self;
        let ids: Vec<u32> = (0..self.options.batch as u32).collect();
        match task {
            Task::Energy => Box::new(move || {
                self.each_piece(|x| net.energy(x));
            }),
            Task::Gradient => Box::new(move || {
                self.each_piece(|x| energy_and_gradient(x, &|x| net.energy(x)).1);
            }),
            Task::Chain => {
                let sampler = Sampler::new(
                    self.workload.langevin(self.options.steps),
                    workload::noise_key(),
                );
                let classes = chain_tensor(&ids, &self.selected.device); // ignored
                let mut x = x.clone();
                Box::new(move || {
                    x = run_chains(net, &sampler, x.clone(), &ids, &classes).x;
                    wait_for(&x);
                })
            }
            Task::Train => {
                let config = self.workload.config(self.options);
                let mut state = self.workload.state(&config, &self.selected.device);
                let data = self.workload.data(x.clone());
                Box::new(move || {
                    let info = trainer::step(&config, &mut state, data.clone(), false);
                    wait_for(&info.loss);
                    wait_for(&state.ema);
                })
            }
        }
    }

    /// Compute something of every image, as chains do: on a CPU in pieces, one on each thread.
    fn each_piece<const D: usize>(&self, work: impl Fn(Tensor<4>) -> Tensor<D> + Sync) {
        let device = &self.selected.device;
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
            }
    }

    /// Largest difference between the device's energies and those in double precision, relative to
    /// the largest energy.
    fn energy_error(&self) -> f64 {
        let few = COMPARED.min(self.options.batch);
        let ours = numbers(self.net.energy(self.x.clone().narrow(0, 0, few)));
        let exact = numbers(self.workload.energies_in_double_precision(few));
        let largest = exact.iter().fold(0.0f64, |max, e| max.max(e.abs()));
        let errors = ours
            .iter()
            .zip(&exact)
            .map(|(a, b)| (a - b).abs() / largest);
        errors.fold(0.0, |max, error| if error <= max { max } else { error })
    }
}

fn numbers(x: Tensor<1>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// Read one number, so that what it depends on has been computed.
fn wait_for<const D: usize>(x: &Tensor<D>) {
    let one = x.clone().flatten::<1>(0, D as i32 - 1).narrow(0, 0, 1);
    let _computed = one.into_data();
}
