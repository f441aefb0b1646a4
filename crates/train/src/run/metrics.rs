//! Name what a user wants to watch, once per log interval.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Terms that a line for people has room for.
const SHOWN: usize = 5;

/// One line of `metrics.jsonl`: what the objective tells, a function of the configuration alone, then
/// the speed, one of the machine, too.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// Iterations done.
    pub iteration: u64,
    /// What was measured, by name, in the order of reading.
    pub terms: Vec<(&'static str, f64)>,
    /// Speed since the last line.
    pub speed: Speed,
}

/// How fast a run goes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speed {
    /// Langevin steps of one image per second, training included.
    pub image_steps_per_s: f64,
    /// Seconds per iteration.
    pub s_per_iteration: f64,
    /// Seconds of this process in training.
    pub elapsed_s: f64,
    /// Seconds to the last iteration.
    pub eta_s: f64,
}

impl Metrics {
    /// The line for people: the first terms, the norm of the gradient, the speed.
    pub fn summary(&self) -> String {
        let norm = |(name, _): &&(&str, f64)| *name == "grad_norm";
        let shown = self
            .terms
            .iter()
            .take(SHOWN)
            .chain(self.terms.iter().find(norm));
        let mut line: String = shown
            .map(|(name, value)| format!("{name} {value:+.3} "))
            .collect();
        line += &format!("{:.0} image-steps/s", self.speed.image_steps_per_s);
        line
    }

    /// Norms of the gradients of weights and of images.
    pub(super) fn gradient_norms(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let is_norm = |(name, _): &&(&str, f64)| {
            name.ends_with("grad_norm") || name.ends_with("grad_norm_mean")
        };
        self.terms.iter().filter(is_norm).copied()
    }
}

/// As one flat object.
impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Speed {
            image_steps_per_s,
            s_per_iteration,
            elapsed_s,
            eta_s,
        } = self.speed;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iteration", &self.iteration)?;
        let speed = [
            ("image_steps_per_s", image_steps_per_s),
            ("s_per_iteration", s_per_iteration),
            ("elapsed_s", elapsed_s),
            ("eta_s", eta_s),
        ];
        for (name, value) in self.terms.iter().chain(&speed) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(iteration: u64) -> Metrics {
        Metrics {
            iteration,
            terms: vec![
                ("loss", 0.5),
                ("gap", -1.0),
                ("grad_norm", f64::NAN),
                ("kl", 1.0),
            ],
            speed: Speed::default(),
        }
    }

    #[test]
    fn a_line_is_one_flat_object_in_the_order_of_reading() {
        let line = serde_json::to_string(&metrics(7)).expect("JSON");
        let expected = r#"{"iteration":7,"loss":0.5,"gap":-1.0,"grad_norm":null,"kl":1.0,"#;
        assert!(line.starts_with(expected), "{line}");
        assert!(line.ends_with(r#""eta_s":0.0}"#), "{line}");
    }

    #[test]
    fn people_read_the_first_terms_and_the_norm_of_the_gradient() {
        let line = metrics(7).summary();
        assert!(line.starts_with("loss +0.500 gap -1.000"), "{line}");
        assert!(
            line.contains("grad_norm NaN") && line.ends_with("image-steps/s"),
            "{line}"
        );
    }
}
