//! Name what a user wants to watch, once per log interval.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// What a line for people shows, by the names that people read.
const SHOWN: [(&str, &str); 12] = [
    ("e_pos", "E data"),
    ("e_neg", "E samples"),
    ("loss", "loss"),
    ("unexplained", "unexplained"),
    ("accuracy", "accuracy"),
    ("weight_grad_norm", "weight-grad"),
    ("pixel_grad_norm_mean", "pixel-grad"),
    ("clamped_share", "clamped"),
    ("acceptance", "acceptance"),
    ("buffer_age_mean", "buffer-age"),
    ("sample_distance", "sample-distance"),
    ("frechet", "frechet"),
];

/// The key of what `frechet` is measured by.
pub(super) const FRECHET_BY: &str = "frechet_by";

/// One line of `metrics.jsonl`: what the objective tells, a function of the configuration alone, then
/// the speed, one of the machine, too.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// Iterations done.
    pub iteration: u64,
    /// What was measured, by name, in the order of reading.
    pub terms: Vec<(&'static str, f64)>,
    /// What the term `frechet` is measured by, where it is there: distances by other means cannot be compared.
    pub frechet_by: Option<String>,
    /// Speed since the last line.
    pub speed: Speed,
}

/// How fast a run goes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speed {
    /// Langevin steps of one image per second, training included; images, where training takes none.
    pub image_steps_per_s: f64,
    /// Seconds per iteration.
    pub s_per_iteration: f64,
    /// Seconds of training: of this process, in [`MetricsFile`](super::MetricsFile) of the whole run.
    pub elapsed_s: f64,
    /// Seconds to the last iteration, at the speed of the last minute or so.
    pub eta_s: f64,
    /// Seconds that the evaluation of this iteration took, where there was one. They make no iteration slower:
    /// `s_per_iteration` leaves them out.
    pub evaluation_s: Option<f64>,
}

impl Metrics {
    /// The line for people, energies first. Two spaces stand between its items.
    pub fn summary(&self) -> String {
        let items = SHOWN
            .iter()
            .filter_map(|(name, _)| Some(shown(name, self.term(name)?)));
        items.collect::<Vec<_>>().join("  ")
    }

    /// The same, where earlier processes have trained for `seconds`: with the time of the whole run.
    pub fn after(&self, seconds: f64) -> Self {
        let mut whole = self.clone();
        whole.speed.elapsed_s += seconds;
        whole
    }

    /// What was measured under this name.
    pub fn term(&self, name: &str) -> Option<f64> {
        term(&self.terms, name)
    }

    /// All that was measured, by name: the terms, then the speed.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let Speed {
            image_steps_per_s,
            s_per_iteration,
            elapsed_s,
            eta_s,
            evaluation_s,
        } = self.speed;
        let speed = [
            ("image_steps_per_s", image_steps_per_s),
            ("s_per_iteration", s_per_iteration),
            ("elapsed_s", elapsed_s),
            ("eta_s", eta_s),
        ];
        let evaluation = evaluation_s.map(|seconds| ("evaluation_s", seconds));
        let terms = self.terms.iter().copied();
        terms.chain(speed).chain(evaluation)
    }

    /// Norms of the gradients of weights and of images.
    pub(super) fn gradient_norms(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let is_norm = |(name, _): &&(&str, f64)| {
            *name == "weight_grad_norm" || *name == "pixel_grad_norm_mean"
        };
        self.terms.iter().filter(is_norm).copied()
    }
}

/// The term of this name.
pub(super) fn term(terms: &[(&'static str, f64)], name: &str) -> Option<f64> {
    let found = terms.iter().find(|term| term.0 == name);
    found.map(|term| term.1)
}

/// A value with the name that people read.
pub(super) fn shown(name: &str, value: f64) -> String {
    let known = SHOWN.iter().find(|known| known.0 == name);
    let shown = known.map_or(name, |known| known.1);
    format!("{shown} {}", short(value))
}

/// A value in a few characters.
fn short(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.01 {
        format!("{value:.1e}")
    } else {
        format!("{value:.3}")
    }
}

/// As one flat object.
impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iteration", &self.iteration)?;
        for (name, value) in self.values() {
            map.serialize_entry(name, &value)?;
        }
        if let Some(by) = &self.frechet_by {
            map.serialize_entry(FRECHET_BY, by)?;
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
                ("weight_grad_norm", f64::NAN),
                ("kl", 1.0),
            ],
            frechet_by: None,
            speed: Speed::default(),
        }
    }

    #[test]
    fn a_line_is_one_flat_object_in_the_order_of_reading() {
        let line = serde_json::to_string(&metrics(7)).expect("JSON");
        let expected = r#"{"iteration":7,"loss":0.5,"gap":-1.0,"weight_grad_norm":null,"kl":1.0,"#;
        assert!(line.starts_with(expected), "{line}");
        assert!(line.ends_with(r#""eta_s":0.0}"#), "{line}");
        let judged = Metrics {
            frechet_by: Some("digits".to_owned()),
            ..metrics(7)
        };
        let line = serde_json::to_string(&judged).expect("JSON");
        assert!(
            line.ends_with(r#""eta_s":0.0,"frechet_by":"digits"}"#),
            "{line}"
        );
    }

    #[test]
    fn people_read_a_few_terms_by_names_of_their_own() {
        let mut metrics = metrics(7);
        metrics
            .terms
            .extend([("clamped_share", 0.002), ("e_pos_std", 3.0)]);
        let expected = "loss 0.500  weight-grad NaN  clamped 2.0e-3";
        assert_eq!(metrics.summary(), expected);
    }
}
