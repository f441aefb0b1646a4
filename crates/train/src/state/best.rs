//! Remember where a run's samples were nearest to its data.

use serde::{Deserialize, Serialize};

/// The checkpoint whose samples were nearest to the data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its iteration.
    pub iteration: u64,
    /// How far its samples were from the data: 0 as far as other data, 1 as far as noise.
    pub sample_distance: f64,
}

impl Best {
    /// `new` where it is nearer than what was best before. A distance that is no number is never.
    pub(crate) fn improved_by(before: Option<Self>, new: Self) -> Option<Self> {
        let limit = before.map_or(f64::INFINITY, |best| best.sample_distance);
        (new.sample_distance < limit).then_some(new)
    }
}
