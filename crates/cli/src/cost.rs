//! Say what a run would cost, and on a GPU how much memory it takes.

use ebm_core::DeviceKind;
use ebm_data::Dataset;
use ebm_train::Config;
use ebm_train::estimate::{self, Estimate, FirstChainsCost};

use crate::device::{ChosenDevice, DeviceMemory, MemoryNeed};
use crate::duration::duration;
use crate::output::Table;
use crate::progress::Waiting;

/// Measure a few iterations of a run, which write nothing, and lay out what the whole run would cost, as
/// lines of comments in TOML.
///
/// # Errors
/// Where the network does not fit the data, or the run does not fit the device.
pub(crate) fn measure(
    config: &Config,
    data: &Dataset,
    chosen: &ChosenDevice,
    quiet: bool,
) -> anyhow::Result<String> {
    let need = DeviceKind::is_gpu(&chosen.device)
        .then(|| MemoryNeed::checked(config, &data.train, chosen, 1)) // which measures all shards alone
        .transpose()?;
    let waiting = Waiting::start("measuring a few iterations", quiet);
    let estimate = estimate::measure(config, data, &chosen.device);
    waiting.end();
    let estimate = estimate?;
    let memory = need.map(|need| DeviceMemory::now(need, chosen));
    let cost = lines(config, &estimate, memory.as_ref());
    // So that what follows a configuration leaves it one.
    let comments = cost.lines().map(|line| format!("# {line}"));
    Ok(comments.collect::<Vec<_>>().join("\n"))
}

/// A line for each part of the cost.
fn lines(config: &Config, estimate: &Estimate, on_device: Option<&DeviceMemory>) -> String {
    let per_iteration = estimate.s_per_iteration;
    let total = duration(per_iteration * config.iterations as f64);
    let memory = estimate
        .peak_memory
        .map_or_else(|| "unknown on this system".to_owned(), mib);
    let mut table = Table::new();
    table.row(["parameters".into(), estimate.parameters.to_string()]);
    let speed = config.image_steps() as f64 / per_iteration;
    table.row([
        "s/iteration".into(),
        format!("{per_iteration:.4} ({speed:.0} image-steps/s)"),
    ]);
    let spread = estimate.fastest_and_slowest.map_or(String::new(), |ends| {
        let [fastest, slowest] = ends.map(|end| duration(end * config.iterations as f64));
        format!(" ({fastest} to {slowest} at the fastest and the slowest iteration measured)")
    });
    table.row([
        "total time".into(),
        format!("{total} for {} iterations{spread}", config.iterations),
    ]);
    let evaluations = config.output.evaluations_left(0, config.iterations as u64);
    if evaluations > 0 {
        table.row([
            "evaluations".into(),
            of_evaluations(config, evaluations, speed),
        ]);
    }
    if let Some(FirstChainsCost { samples, seconds }) = estimate.first_chains {
        let (time, steps) = (duration(seconds), config.output.sample_steps);
        table.row([
            "first chains".into(),
            format!("about {time} more for {samples} samples of {steps} steps"),
        ]);
    }
    table.row([
        "memory".into(),
        format!("{memory} (process, data included)"),
    ]);
    if let Some(memory) = on_device {
        table.row(["device memory".into(), of_device(config, memory)]);
    }
    if let Some(images) = estimate.scaled_from {
        let origin =
            format!("computed from iterations of up to {images} images and one or two steps");
        table.row([String::new(), origin]);
    }
    table.render(2)
}

/// What evaluations take besides, at so many image-steps a second.
fn of_evaluations(config: &Config, evaluations: u64, speed: f64) -> String {
    let output = &config.output;
    let (samples, steps) = (output.evaluate_samples, output.sample_steps);
    let gradients = config.gradients_of_sample() as f64;
    let per_step = config.langevin.gradients_per_step() as f64;
    let seconds = evaluations as f64 * samples as f64 * gradients / per_step / speed;
    format!(
        "about {} more for {evaluations} evaluations of {samples} samples of {steps} steps",
        duration(seconds)
    )
}

fn of_device(config: &Config, memory: &DeviceMemory) -> String {
    let mut text = format!("about {} needed", mib(memory.need.bytes()));
    if let Some(available) = memory.available {
        let most = memory.need.batch_that_fits(available);
        text += &format!(
            " of {}; batches of up to {most} fit, yours are {}",
            mib(available),
            config.batch_size
        );
    }
    if let Some(reserved) = memory.reserved {
        text += &format!("; {} reserved after the measured iterations", mib(reserved));
    }
    text
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use ebm_core::ImageShape;

    use super::*;
    use crate::device::RunSize;

    #[test]
    fn the_cost_is_a_line_for_each_part_with_what_a_gpu_holds() {
        let mut config = Config {
            iterations: 7_200,
            ..Config::default()
        };
        config.output.evaluate_every = 2_000;
        let estimate = Estimate {
            s_per_iteration: 0.5,
            fastest_and_slowest: Some([0.45, 1.0]),
            parameters: 1_234,
            peak_memory: Some(300 << 20),
            scaled_from: Some(16),
            first_chains: Some(FirstChainsCost {
                samples: 10_000,
                seconds: 90.0,
            }),
        };
        let need = MemoryNeed::of(&RunSize {
            shape: ImageShape::new(1, 16, 16),
            parameters: 1_234,
            outputs: 10,
            ranks: 1,
            shards: 1,
            batch_size: config.batch_size,
            micro_batch: None,
            buffer_capacity: 64,
            data_bytes: 0,
        });
        let memory = DeviceMemory {
            need,
            available: Some(1 << 30),
            reserved: Some(2 << 20),
        };
        let text = lines(&config, &estimate, Some(&memory));
        for fragment in [
            "parameters     1234",
            "s/iteration    0.5000",
            "total time     1 h 00 min for 7200 iterations (54 min 00 s to 2 h 00 min at",
            "evaluations    about ",
            " more for 4 evaluations of 1000 samples of 256 steps",
            "first chains   about 1 min 30 s more for 10000 samples of 256 steps",
            "memory         300 MiB",
            "device memory  about 2",
            " of 1024 MiB; batches of up to ",
            "2 MiB reserved",
            "of up to 16 images",
        ] {
            assert!(text.contains(fragment), "no {fragment:?} in:\n{text}");
        }
        assert_eq!(text.lines().count(), 8);
    }
}
