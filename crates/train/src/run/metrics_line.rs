//! Read a line of `metrics.jsonl`: the one place that knows what such a line may be.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::metrics::FRECHET_BY;
use crate::state::Rollback;

/// The key of the iteration.
const ITERATION: &str = "iteration";

/// What a line says of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricsLine {
    /// What was measured after an iteration.
    Metrics(LoggedMetrics),
    /// The run went back.
    Rollback(Rollback),
    /// Neither: half a line, or text of something else.
    Damaged,
}

/// What was measured after an iteration, by name, in the order of the line.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedMetrics {
    /// Iterations done.
    pub iteration: u64,
    /// Values; `None` where one was not finite, which JSON cannot say.
    pub terms: Vec<(String, Option<f64>)>,
    /// What `frechet` is measured by, where the line tells it.
    pub frechet_by: Option<String>,
}

impl MetricsLine {
    /// What a line says, without the end of the line.
    pub fn of(line: &[u8]) -> Self {
        if let Ok(metrics) = serde_json::from_slice(line) {
            return Self::Metrics(metrics);
        }
        match serde_json::from_slice(line) {
            Ok(RollbackLine { rollback }) => Self::Rollback(rollback),
            Err(_) => Self::Damaged,
        }
    }
}

impl LoggedMetrics {
    /// The value of this name, where the line has a finite one.
    pub fn term(&self, name: &str) -> Option<f64> {
        let found = self.terms.iter().find(|term| term.0 == name);
        found.and_then(|term| term.1)
    }
}

/// Numbers and `null` are values; whatever else a line holds is no metric, but for what `frechet` is measured by.
impl<'de> Deserialize<'de> for LoggedMetrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Terms;
        impl<'de> Visitor<'de> for Terms {
            type Value = LoggedMetrics;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of an iteration's metrics")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LoggedMetrics, A::Error> {
                let (mut iteration, mut terms, mut frechet_by) = (None, Vec::new(), None);
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if name == ITERATION {
                        iteration = value.as_u64();
                    } else if name == FRECHET_BY {
                        frechet_by = value.as_str().map(str::to_owned);
                    } else if value.is_number() || value.is_null() {
                        terms.push((name, value.as_f64()));
                    }
                }
                let iteration = iteration.ok_or_else(|| A::Error::missing_field(ITERATION))?;
                Ok(LoggedMetrics {
                    iteration,
                    terms,
                    frechet_by,
                })
            }
        }
        deserializer.deserialize_map(Terms)
    }
}

/// A line about a time that the run went back.
#[derive(Serialize, Deserialize)]
pub(super) struct RollbackLine {
    pub(super) rollback: Rollback,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_order_and_one_that_was_not_finite_is_none() {
        let line = br#"{"iteration":7,"loss":0.5,"gap":null,"note":"x","more":[1],"e_pos":-2,"frechet_by":"it"}"#;
        let MetricsLine::Metrics(metrics) = MetricsLine::of(line) else {
            panic!("{line:?}");
        };
        assert_eq!(metrics.iteration, 7);
        let term = |name: &str, value| (name.to_owned(), value);
        let expected = [
            term("loss", Some(0.5)),
            term("gap", None),
            term("e_pos", Some(-2.0)),
        ];
        assert_eq!(metrics.terms, expected);
        assert_eq!(metrics.frechet_by.as_deref(), Some("it"));
        assert_eq!(metrics.term("e_pos"), Some(-2.0));
        assert_eq!((metrics.term("gap"), metrics.term("kl")), (None, None));
    }

    #[test]
    fn a_line_about_a_rollback_is_no_metrics_and_half_a_line_is_damaged() {
        let line = br#"{"rollback":{"attempt":1,"from":9,"to":4,"why":"x"}}"#;
        let MetricsLine::Rollback(rollback) = MetricsLine::of(line) else {
            panic!("{line:?}");
        };
        assert_eq!((rollback.from, rollback.to), (9, 4));
        for line in [
            &b""[..],
            b"{\"iteration\":7,\"lo",
            b"{\"loss\":1}",
            b"{\"iteration\":-1,\"loss\":1}",
            b"{\"rollback\":{\"attempt\":1}}",
            b"\xff\xfe",
            b"7",
        ] {
            assert_eq!(MetricsLine::of(line), MetricsLine::Damaged, "{line:?}");
        }
    }
}
