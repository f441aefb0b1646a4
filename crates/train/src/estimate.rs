//! Say what a run will cost, from a few measured iterations.

use std::time::Instant;

use burn::module::Module;

use crate::batches::Batches;
use crate::config::Config;
use crate::data::Dataset;
use crate::device::Selected;
use crate::error::TrainError;
use crate::state::TrainState;
use crate::trainer;

/// Iterations before the clock starts, and on the clock.
const WARM_UP: u64 = 2;
const MEASURED: u64 = 5;

/// The cost of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Median seconds per iteration.
    pub s_per_iteration: f64,
    /// Numbers in the network.
    pub parameters: usize,
    /// Largest memory of the process so far, in bytes, where the system tells.
    pub peak_memory: Option<u64>,
}

/// Run a few iterations and write nothing.
///
/// # Errors
/// Where the network does not fit the data.
pub fn measure(
    config: &Config,
    dataset: &Dataset,
    selected: &Selected,
) -> Result<Estimate, TrainError> {
    let images = &dataset.train;
    let frequencies = images.class_frequencies();
    let mut state = TrainState::new(config, images.shape, frequencies, &selected.device)?;
    let mut batches = Batches::new(images, config, &selected.device);
    let mut seconds = Vec::new();
    for iteration in 0..WARM_UP + MEASURED {
        let start = Instant::now();
        let info = trainer::step(config, &mut state, batches.at(iteration), false);
        let _wait_for_the_device = info.loss.into_data();
        if iteration >= WARM_UP {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    Ok(Estimate {
        s_per_iteration: seconds[seconds.len() / 2],
        parameters: state.model.num_params(),
        peak_memory: peak_memory(),
    })
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
        format!(
            "parameters      {}\ns/iteration     {:.4} ({:.0} image-steps/s)\ntotal time      {} for {} iterations\nmemory          {memory} (process, data included)",
            self.parameters,
            self.s_per_iteration,
            image_steps / self.s_per_iteration,
            duration(total),
            config.iterations,
        )
    }
}

/// Hours, minutes and seconds.
fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

/// The process's largest resident size so far (Linux).
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes << 10)
}
