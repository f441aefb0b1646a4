//! Read the figures of a measurement: a line of `ebm bench --json`, or of a script that measures a peer.

use serde::Deserialize;
use serde_json::Value;

/// What a line says of a measurement. Peers leave out some of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Figures {
    /// Program and version.
    #[serde(default)]
    pub(super) peer: String,
    /// Where it ran.
    #[serde(default)]
    pub(super) device: String,
    /// How it computed.
    #[serde(default)]
    pub(super) variant: String,
    #[serde(flatten)]
    pub(super) work: Work,
    #[serde(rename = "image_steps_per_s_median")]
    pub(super) median: f64,
    #[serde(rename = "image_steps_per_s_best")]
    pub(super) best: Option<f64>,
    #[serde(rename = "image_steps_per_s_worst")]
    pub(super) worst: Option<f64>,
}

/// What was measured: figures compare with others of the same work alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Work {
    pub(super) workload: String,
    #[serde(default = "chain")]
    pub(super) task: String,
    pub(super) batch: Option<u64>,
    pub(super) steps: Option<u64>,
}

fn chain() -> String {
    "chain".to_owned()
}

/// A line of a file of measurements.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    Figures(Box<Figures>),
    /// Something could not be measured; why, with what it was.
    Failed(String),
    /// Not a measurement.
    Damaged,
}

impl Line {
    pub(super) fn of(text: &[u8]) -> Self {
        let Ok(line) = serde_json::from_slice::<Value>(text) else {
            return Self::Damaged;
        };
        if let Some(error) = line.get("error") {
            let of = ["workload", "task", "variant"].map(|key| line[key].as_str());
            let of: Vec<_> = of.into_iter().flatten().collect();
            let error = error.as_str().unwrap_or("an error");
            return Self::Failed(format!("{}: {error}", of.join(" ")));
        }
        match serde_json::from_value::<Figures>(line) {
            Ok(figures) if figures.median > 0.0 => Self::Figures(Box::new(figures)),
            _ => Self::Damaged,
        }
    }
}

impl Figures {
    /// Program, version and variant.
    pub(super) fn name(&self) -> String {
        let parts = [&self.peer, &self.variant].into_iter();
        let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        match parts[..] {
            [] => self.device.clone(),
            [one] => one.clone(),
            _ => format!("{} {}", self.peer, self.variant),
        }
    }

    /// The lowest and the highest speed, where either is known.
    pub(super) fn spread(&self) -> Option<(f64, f64)> {
        let is_known = self.best.is_some() || self.worst.is_some();
        let lowest = self.worst.unwrap_or(self.median);
        let highest = self.best.unwrap_or(self.median);
        is_known.then_some((lowest, highest))
    }
}

impl Work {
    /// How much at a time, where that is known.
    pub(super) fn size(&self) -> String {
        let batch = self.batch.map(|batch| format!("batch {batch}"));
        let steps = self.steps.filter(|steps| *steps > 1);
        let steps = steps.map(|steps| format!("{steps} steps"));
        let parts: Vec<_> = batch.into_iter().chain(steps).collect();
        parts.join(", ")
    }

    /// What the figures count.
    pub(super) fn unit(&self) -> &'static str {
        match self.task.as_str() {
            "chain" | "train" => "image-steps/s",
            _ => "images/s",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_peer_lacks_some_of_what_ours_has() {
        let line =
            br#"{"peer": "torch 2.11", "device": "cpu x2", "workload": "uva", "variant": "eager",
            "task": "train", "batch": 64, "steps": 5, "image_steps_per_s_median": 100.5,
            "image_steps_per_s_best": 120, "ms_per_step_median": 1.5, "peak_mib": null}"#;
        let Line::Figures(figures) = Line::of(line) else {
            panic!("{:?}", Line::of(line));
        };
        assert_eq!(figures.name(), "torch 2.11 eager");
        assert_eq!(figures.spread(), Some((100.5, 120.0)));
        let Work {
            workload,
            task,
            batch,
            steps,
        } = &figures.work;
        assert_eq!((workload.as_str(), task.as_str()), ("uva", "train"));
        assert_eq!((*batch, *steps), (Some(64), Some(5)));
        assert_eq!(figures.work.size(), "batch 64, 5 steps");
    }

    #[test]
    fn what_was_not_measured_and_what_is_no_measurement_are_told_apart() {
        let failed =
            br#"{"workload": "uva", "variant": "compile", "task": "flow", "error": "Out()"}"#;
        let expected = "uva flow compile: Out()".to_owned();
        assert_eq!(Line::of(failed), Line::Failed(expected));
        for text in [
            &b"no JSON"[..],
            b"7",
            b"{}",
            br#"{"workload": "uva", "image_steps_per_s_median": 0}"#,
            br#"{"workload": "uva", "image_steps_per_s_median": null}"#,
            br#"{"image_steps_per_s_median": 5}"#,
        ] {
            assert_eq!(Line::of(text), Line::Damaged);
        }
    }

    #[test]
    fn a_line_with_a_speed_and_a_workload_is_enough() {
        let line = br#"{"workload": "uva", "image_steps_per_s_median": 5}"#;
        let Line::Figures(figures) = Line::of(line) else {
            panic!("{:?}", Line::of(line));
        };
        assert_eq!((figures.name(), figures.spread()), (String::new(), None));
        assert_eq!(
            (figures.work.task.as_str(), figures.work.size()),
            ("chain", String::new())
        );
    }
}
