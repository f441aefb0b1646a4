//! Print pictures, the most unusual first.

use ebm_apply::score::{Ranked, Ranking, Threshold};
use serde::Serialize;

use super::found::Found;
use crate::output::say;

/// Pictures in the order of their scores.
pub(super) struct Listing<'a> {
    found: &'a Found,
    ranking: Ranking,
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

impl<'a> Listing<'a> {
    /// Pictures of these scores, one of each.
    pub(super) fn new(found: &'a Found, scores: Vec<f64>) -> Self {
        let ranking = Ranking::new(scores);
        Self { found, ranking }
    }

    /// All scores, the highest first.
    pub(super) fn scores(&self) -> Vec<f64> {
        self.ranking.all().iter().map(|one| one.score).collect()
    }

    /// The images of the first `top`, `[n, c, h, w]`.
    pub(super) fn images(&self, top: usize) -> Vec<u8> {
        let first = self.ranking.first(top).iter();
        let images = first.flat_map(|one| self.found.image(one.index));
        images.copied().collect()
    }

    /// Print the first `top` as lines, or all as JSON; how many of all are above the threshold.
    pub(super) fn say(
        &self,
        top: usize,
        threshold: Option<Threshold>,
        as_json: bool,
    ) -> anyhow::Result<usize> {
        let shown = match as_json {
            true => self.ranking.all(),
            false => self.ranking.first(top),
        };
        for (rank, Ranked { index, score }) in (1..).zip(shown) {
            let line = Line {
                rank,
                score: *score,
                picture: &self.found.names[*index],
                unusual: threshold.map(|threshold| threshold.is_unusual(*score)),
            };
            if as_json {
                say(serde_json::to_string(&line)?)?;
            } else {
                say(format_args!("{:.6}\t{}", line.score, line.picture))?;
            }
        }
        Ok(threshold.map_or(0, |threshold| self.ranking.above(threshold).len()))
    }
}
