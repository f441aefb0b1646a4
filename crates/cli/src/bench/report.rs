//! Say what was measured, to people and to programs.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{BenchOptions, Figures, Line, Task, Workload};
use crate::output::Table;

/// A task, timed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measurement {
    /// The network.
    pub(super) workload: Workload,
    /// What was done.
    pub(super) task: Task,
    /// The device, and what computes there.
    pub(super) device: String,
    /// The device's name on the command line.
    pub(super) name: String,
    /// How much was done.
    pub(super) options: BenchOptions,
    /// Seconds of every run, ascending.
    pub(super) seconds: Vec<f64>,
    /// Floating-point operations of a run.
    pub(super) flops: f64,
    /// The most GFLOP/s that the hardware was seen to do.
    pub(super) peak_gflops: f64,
    /// Largest memory of the process, in bytes, where it says something about the task.
    pub(super) peak_memory: Option<u64>,
    /// Largest difference to energies in double precision, relative to the largest energy.
    pub(super) energy_error: f64,
}

impl Measurement {
    /// Median seconds of a run.
    fn median_seconds(&self) -> f64 {
        self.seconds[self.seconds.len() / 2]
    }

    /// Images times steps of a run.
    fn image_steps(&self) -> f64 {
        (self.options.batch * self.steps()) as f64
    }

    fn steps(&self) -> usize {
        match self.task {
            Task::Energy | Task::Gradient | Task::Flow => 1,
            Task::Chain | Task::Train => self.options.steps,
        }
    }

    fn gflops(&self) -> f64 {
        self.flops / self.median_seconds() / 1e9
    }

    fn variant(&self) -> String {
        format!("{} {}", self.name, self.options.precision)
    }

    /// One object, with the keys of the peers' measurements and more.
    pub(super) fn to_json(&self) -> Value {
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
            "peak_gflops": self.peak_gflops,
            "share_of_peak": self.gflops() / self.peak_gflops,
            "energy_error": self.energy_error,
        })
    }

    /// What is drawn and compared of it: what a program reads.
    pub(super) fn figures(&self) -> Option<Figures> {
        match Line::of(self.to_json().to_string().as_bytes()) {
            Line::Figures(figures) => Some(*figures),
            Line::Failed(_) | Line::Damaged => None,
        }
    }

    fn row(&self) -> [String; 9] {
        let per_s = |seconds: f64| self.image_steps() / seconds;
        let slowest = self.seconds[self.seconds.len() - 1];
        let memory = self.peak_memory;
        let memory = memory.map_or_else(|| "–".to_owned(), |bytes| (bytes >> 20).to_string());
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
                100.0 * self.gflops() / self.peak_gflops
            ),
            memory,
            format!("{:.0e}", self.energy_error),
        ]
    }
}

/// The name of a choice, as on the command line.
pub(super) fn choice_name(choice: impl ValueEnum) -> String {
    let value = choice.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// A table for people.
pub(super) fn table(measurements: &[Measurement]) -> String {
    let mut table = Table::with_header([
        "workload",
        "task",
        "variant",
        "image-steps/s",
        "(spread)",
        "ms/step",
        "GFLOP/s (of peak)",
        "MiB",
        "error",
    ]);
    for measurement in measurements {
        table.row(measurement.row());
    }
    table.render(3)
}

#[cfg(test)]
mod tests {
    use ebm_model::Precision;

    use super::*;

    fn measurement() -> Measurement {
        Measurement {
            workload: Workload::CifarLarge,
            task: Task::Chain,
            device: "cpu (Burn's flex backend, 2 threads)".into(),
            name: "cpu".into(),
            options: BenchOptions {
                batch: 4,
                steps: 5,
                warmup: 0,
                repeats: 3,
                precision: Precision::F32,
            },
            seconds: vec![1.0, 2.0, 4.0],
            flops: 1e10,
            peak_gflops: 20.0,
            peak_memory: Some(3 << 20),
            energy_error: 2e-7,
        }
    }

    #[test]
    fn programs_find_the_keys_of_the_peers() {
        let line = measurement().to_json();
        assert_eq!(line["workload"], "cifar_large");
        assert_eq!(line["device"], "cpu (Burn's flex backend, 2 threads)");
        assert_eq!(line["variant"], "cpu f32");
        assert_eq!(line["task"], "chain");
        assert_eq!(line["image_steps_per_s_median"], 10.0);
        assert_eq!(line["image_steps_per_s_best"], 20.0);
        assert_eq!(line["ms_per_step_median"], 400.0);
        assert_eq!(line["peak_mib"], 3.0);
        assert_eq!(line["peak_gflops"], 20.0);
        assert_eq!(line["share_of_peak"], 0.25);
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let figures = measurement().figures().expect("a measurement");
        assert_eq!(
            (figures.variant.as_str(), figures.median),
            ("cpu f32", 10.0)
        );
        assert_eq!(figures.spread(), Some((5.0, 20.0)));
        assert_eq!(figures.work.size(), "batch 4, 5 steps");
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
