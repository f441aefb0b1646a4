//! Put pictures in order and print them, the most unusual first.

use serde::Serialize;

use super::found::Found;
use super::threshold::Threshold;
use crate::output::say;

/// Pictures in the order of their scores, the highest first.
pub(super) struct Ranking<'a> {
    found: &'a Found,
    /// Index and score of each.
    ordered: Vec<(usize, f64)>,
}

/// What is said of a picture.
#[derive(Serialize)]
struct Line<'a> {
    /// From 1.
    rank: usize,
    score: f64,
    picture: &'a str,
    /// Only where there is a threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    unusual: Option<bool>,
}

impl<'a> Ranking<'a> {
    /// Pictures in the order of these scores, one of each; equal ones stay in their order.
    pub(super) fn new(found: &'a Found, scores: Vec<f64>) -> Self {
        let mut ordered: Vec<_> = scores.into_iter().enumerate().collect();
        ordered.sort_by(|one, other| other.1.total_cmp(&one.1));
        Self { found, ordered }
    }

    /// All scores, the highest first.
    pub(super) fn scores(&self) -> Vec<f64> {
        self.ordered.iter().map(|(_, score)| *score).collect()
    }

    /// The images of the first `top`, `[n, c, h, w]`.
    pub(super) fn images(&self, top: usize) -> Vec<u8> {
        let first = self.ordered.iter().take(top);
        let images = first.flat_map(|(index, _)| self.found.image(*index));
        images.copied().collect()
    }

    /// Print the first `top` as lines, or all as JSON; how many of all are above the threshold.
    pub(super) fn say(
        &self,
        top: usize,
        threshold: Option<Threshold>,
        as_json: bool,
    ) -> anyhow::Result<usize> {
        let is_above = |score: f64| threshold.map(|threshold| threshold.is_below(score));
        let shown = if as_json { self.ordered.len() } else { top };
        for (place, (index, score)) in self.ordered.iter().take(shown).enumerate() {
            let line = Line {
                rank: place + 1,
                score: *score,
                picture: &self.found.names[*index],
                unusual: is_above(*score),
            };
            if as_json {
                say(serde_json::to_string(&line)?)?;
            } else {
                say(format_args!("{:.6}\t{}", line.score, line.picture))?;
            }
        }
        let scores = self.ordered.iter().map(|(_, score)| *score);
        Ok(scores
            .filter(|score| is_above(*score) == Some(true))
            .count())
    }
}
