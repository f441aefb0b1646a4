//! Say what was measured, to people and to programs.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{BenchOptions, Task, Workload};

/// A task, timed.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// The network.
    pub workload: Workload,
    /// What was done.
    pub task: Task,
    /// The device, for people.
    pub device: String,
    /// Its backend.
    pub backend: &'static str,
    /// How much was done.
    pub options: BenchOptions,
    /// Seconds of every run, ascending.
    pub seconds: Vec<f64>,
    /// Floating-point operations of a run.
    pub flops: f64,
    /// GFLOP/s of large matrix products on the device.
    pub matmul_gflops: f64,
    /// Largest memory of the process, in bytes, where it says something about the task.
    pub peak_memory: Option<u64>,
    /// Largest difference to energies in double precision, relative to the largest energy.
    pub energy_error: f64,
}

impl Measurement {
    /// Median seconds of a run.
    pub fn median_seconds(&self) -> f64 {
        self.seconds[self.seconds.len() / 2]
    }

    /// Images times steps of a run.
    fn image_steps(&self) -> f64 {
        (self.options.batch * self.steps()) as f64
    }

    fn steps(&self) -> usize {
        match self.task {
            Task::Energy | Task::Gradient => 1,
            Task::Chain | Task::Train => self.options.steps,
        }
    }

    fn gflops(&self) -> f64 {
        self.flops / self.median_seconds() / 1e9
    }

    fn variant(&self) -> String {
        format!("{} {}", self.backend, self.options.precision)
    }

    /// One object, with the keys of the peers' measurements and more.
    pub fn to_json(&self) -> Value {
        let (median, best) = (self.median_seconds(), self.seconds[0]);
        json!({
            "peer": concat!("ebm ", env!("CARGO_PKG_VERSION")),
            "device": self.device,
            "workload": choice_name(self.workload),
            "variant": self.variant(),
            "task": choice_name(self.task),
            "batch": self.options.batch,
            "steps": self.steps(),
            "image_steps_per_s_median": self.image_steps() / median,
            "image_steps_per_s_best": self.image_steps() / best,
            "image_steps_per_s_worst": self.image_steps() / self.seconds[self.seconds.len() - 1],
            "ms_per_step_median": 1e3 * median / self.steps() as f64,
            "peak_mib": self.peak_memory.map(|bytes| bytes as f64 / f64::from(1 << 20)),
            "gflops": self.gflops(),
            "share_of_matmul_peak": self.gflops() / self.matmul_gflops,
            "energy_error": self.energy_error,
        })
    }

    fn row(&self) -> [String; 9] {
        let per_s = |seconds: f64| self.image_steps() / seconds;
        let slowest = self.seconds[self.seconds.len() - 1];
        let memory = { self.peak_memory }.map_or("–".into(), |bytes| (bytes >> 20).to_string());
        [
            choice_name(self.workload),
            choice_name(self.task),
            self.variant(),
            format!("{:.0}", per_s(self.median_seconds())),
            format!("{:.0}–{:.0}", per_s(slowest), per_s(self.seconds[0])),
            format!("{:.3}", 1e3 * self.median_seconds() / self.steps() as f64),
            format!(
                "{:.1} ({:.0}%)",
                self.gflops(),
                100.0 * self.gflops() / self.matmul_gflops
            ),
            memory,
            format!("{:.0e}", self.energy_error),
        ]
    }
}

/// The name of a choice, as on the command line.
pub(crate) fn choice_name(choice: impl ValueEnum) -> String {
    let value = choice.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// A table for people.
pub fn table(measurements: &[Measurement]) -> String {
    let head = [
        "workload",
        "task",
        "variant",
        "image-steps/s",
        "(spread)",
        "ms/step",
        "GFLOP/s (of peak)",
        "MiB",
        "error",
    ];
    let mut rows = vec![head.map(String::from)];
    rows.extend(measurements.iter().map(Measurement::row));
    let widths = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(|column| {
        let lengths = rows.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or(0)
    });
    let line = |row: &[String; 9]| {
        let cells = row.iter().zip(widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match column {
            0..3 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::precision::Precision;

    fn measurement() -> Measurement {
        Measurement {
            workload: Workload::CifarLarge,
            task: Task::Chain,
            device: "CPU".into(),
            backend: "flex",
            options: BenchOptions {
                batch: 4,
                steps: 5,
                warmup: 0,
                repeats: 3,
                precision: Precision::F32,
            },
            seconds: vec![1.0, 2.0, 4.0],
            flops: 1e10,
            matmul_gflops: 20.0,
            peak_memory: Some(3 << 20),
            energy_error: 2e-7,
        }
    }

    #[test]
    fn programs_find_the_keys_of_the_peers() {
        let line = measurement().to_json();
        assert_eq!(line["workload"], "cifar_large");
        assert_eq!(line["variant"], "flex f32");
        assert_eq!(line["task"], "chain");
        assert_eq!(line["image_steps_per_s_median"], 10.0);
        assert_eq!(line["image_steps_per_s_best"], 20.0);
        assert_eq!(line["ms_per_step_median"], 400.0);
        assert_eq!(line["peak_mib"], 3.0);
        assert_eq!(line["share_of_matmul_peak"], 0.25);
    }

    #[test]
    fn people_find_a_line_for_each() {
        let table = table(&[measurement(), measurement()]);
        assert_eq!(table.lines().count(), 3);
        let line = table.lines().nth(1).unwrap_or_default();
        assert!(line.starts_with("cifar_large  chain"), "{line}");
        assert!(
            line.contains("5–20") && line.contains("5.0 (25%)"),
            "{line}"
        );
    }
}
