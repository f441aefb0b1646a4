//! Say what a run will cost, from a few measured iterations.

use std::time::Instant;

use burn::module::Module;

use crate::batches::{Batches, bytes_kept};
use crate::config::Config;
use crate::data::Dataset;
use crate::device::Selected;
use crate::device_memory::{self, MemoryNeed};
use crate::error::TrainError;
use crate::memory;
use crate::state::TrainState;
use crate::trainer;

/// Iterations before the clock starts, and on the clock.
const WARM_UP: u64 = 2;
const MEASURED: u64 = 5;
/// Iterations longer than this are not run whole.
const LONGEST_SECONDS: f64 = 10.0;
/// Images of an iteration in small, for each core.
const FEW_IMAGES: usize = 8;

/// The cost of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Median seconds per iteration.
    pub s_per_iteration: f64,
    /// Numbers in the network.
    pub parameters: usize,
    /// Largest memory of the process in training, in bytes, where the system tells.
    pub peak_memory: Option<u64>,
    /// What the run needs of a GPU's memory, and what the GPU has and held in the end, in bytes.
    pub device_memory: Option<DeviceMemory>,
    /// Images of the iterations that the numbers are computed from, where those were smaller than
    /// the run's.
    pub scaled_from: Option<usize>,
}

/// Memory of a GPU, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceMemory {
    /// What the run needs, from the sizes of its tensors.
    pub need: MemoryNeed,
    /// What there is, where the driver tells.
    pub available: Option<u64>,
    /// What was reserved after the measured iterations, where the backend tells.
    pub reserved: Option<u64>,
}

/// Run a few iterations and write nothing. Where those would take long, run a few in small, with few
/// images and one or two Langevin steps, and take the cost for an update's plus one proportional to
/// both.
///
/// # Errors
/// Where the network does not fit the data.
pub fn measure(
    config: &Config,
    dataset: &Dataset,
    selected: &Selected,
) -> Result<Estimate, TrainError> {
    config.precision.check(selected)?;
    let images = &dataset.train;
    let need = match selected.is_cpu {
        true => None,
        false => {
            let kept = bytes_kept(images, &selected.device);
            Some(MemoryNeed::of(config, &images.into(), kept)?)
        }
    };
    if let Some(need) = need {
        need.check(selected)?;
    }
    let mut state = TrainState::new(config, images.into(), &selected.device)?;
    let parameters = state.model.num_params();
    let device_memory = || {
        let usage = selected.device.memory_pool_usage();
        Some(DeviceMemory {
            need: need?,
            available: device_memory::available(selected),
            reserved: usage.map(|usage| usage.bytes_reserved),
        })
    };
    let mut seconds = |config: &Config, iterations: u64| {
        let mut batches = Batches::new(images, config, &selected.device);
        let mut all = (0..iterations).map(|iteration| {
            let start = Instant::now();
            let info = trainer::step(config, &mut state, batches.at(iteration), false);
            let _wait_for_the_device = info.loss.into_data();
            start.elapsed().as_secs_f64()
        });
        // Beginnings are slow, and tell nothing.
        all.by_ref().take(WARM_UP as usize).for_each(drop);
        let mut measured: Vec<f64> = all.collect();
        measured.sort_by(f64::total_cmp);
        measured[measured.len() / 2]
    };
    let few = (FEW_IMAGES * rayon::current_num_threads()).min(config.batch_size);
    let before = memory::resident();
    let one_step = seconds(&in_small(config, few, 1), WARM_UP + 1);
    let two_steps = seconds(&in_small(config, few, 2), WARM_UP + 1);
    let twice = (2 * few).min(config.batch_size);
    let more_images = seconds(&in_small(config, twice, 1), WARM_UP + 1);
    let per_step = (two_steps - one_step).max(0.0);
    let batches = config.batch_size as f64 / few as f64;
    // What an iteration costs whatever its images: the update of the weights.
    let update = (2.0 * one_step - more_images).clamp(0.0, one_step);
    let of_images = one_step - update + per_step * (config.langevin.num_steps - 1) as f64;
    let projected = update + batches * of_images;
    if projected > LONGEST_SECONDS && twice < config.batch_size {
        let grown = |(before, peak): (u64, u64)| {
            let measured = config.batch_size as f64 / twice as f64;
            before + (peak.saturating_sub(before) as f64 * measured) as u64
        };
        return Ok(Estimate {
            s_per_iteration: projected,
            parameters,
            peak_memory: before.zip(memory::peak()).map(grown),
            device_memory: device_memory(),
            scaled_from: Some(twice),
        });
    }
    Ok(Estimate {
        s_per_iteration: seconds(config, WARM_UP + MEASURED),
        parameters,
        peak_memory: memory::peak(),
        device_memory: device_memory(),
        scaled_from: None,
    })
}

/// The configuration with fewer images and steps.
fn in_small(config: &Config, images: usize, steps: usize) -> Config {
    let mut small = config.clone();
    small.batch_size = images;
    small.langevin.num_steps = steps;
    small
}

impl Estimate {
    /// Lines for people.
    pub fn for_people(&self, config: &Config) -> String {
        let total = self.s_per_iteration * config.iterations as f64;
        let image_steps = (config.batch_size * config.langevin.num_steps) as f64;
        let memory = self.peak_memory.map_or_else(
            || "unknown on this system".to_owned(),
            |bytes| format!("{} MiB", bytes >> 20),
        );
        let origin = self.scaled_from.map_or_else(String::new, |images| {
            format!(
                "\n                computed from iterations of up to {images} images and one or two steps"
            )
        });
        let on_device = { self.device_memory }.map_or_else(String::new, |memory| {
            format!("\ndevice memory   {}", memory.for_people(config))
        });
        format!(
            "parameters      {}\ns/iteration     {:.4} ({:.0} image-steps/s)\ntotal time      {} for {} iterations\nmemory          {memory} (process, data included){on_device}{origin}",
            self.parameters,
            self.s_per_iteration,
            image_steps / self.s_per_iteration,
            duration(total),
            config.iterations,
        )
    }
}

impl DeviceMemory {
    fn for_people(&self, config: &Config) -> String {
        let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
        let mut text = format!("about {} needed", mib(self.need.bytes()));
        if let Some(available) = self.available {
            let most = self.need.batch_that_fits(available);
            text += &format!(
                " of {}; batches of up to {most} fit, yours are {}",
                mib(available),
                config.batch_size
            );
        }
        if let Some(reserved) = self.reserved {
            text += &format!("; {} reserved after the measured iterations", mib(reserved));
        }
        text
    }
}

/// Days and hours, hours and minutes, or minutes and seconds.
fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (h, ..) if h >= 72 => format!("{} d {} h", h / 24, h % 24),
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}
