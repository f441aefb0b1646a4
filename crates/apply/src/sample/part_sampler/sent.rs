//! Say to other ranks what a part is, or why there is none, to the bit.

use serde::{Deserialize, Serialize};

use super::SamplePart;
use crate::sample::SampleError;

/// A part but for its pixels. Floating-point numbers are bits, since JSON has no NaN.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    energies: Vec<u32>,
    acceptance: Option<u64>,
    seconds: f64,
}

impl Figures {
    pub(super) fn of(part: &SamplePart) -> Self {
        Self {
            energies: part
                .energies
                .iter()
                .map(|energy| energy.to_bits())
                .collect(),
            acceptance: part.acceptance.map(f64::to_bits),
            seconds: part.seconds,
        }
    }

    /// The part with these pixels.
    pub(super) fn with(self, pixels: Vec<u8>) -> SamplePart {
        SamplePart {
            pixels,
            energies: self.energies.into_iter().map(f32::from_bits).collect(),
            acceptance: self.acceptance.map(f64::from_bits),
            seconds: self.seconds,
        }
    }
}

/// Why a part cannot be drawn.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Failure {
    /// An energy is not finite.
    Diverged {
        /// Bits of the energy.
        energy: u32,
    },
    /// Anything else, in words.
    Other(String),
}

impl Failure {
    pub(super) fn of(error: &SampleError) -> Self {
        match error {
            SampleError::Diverged { energy } => Self::Diverged {
                energy: energy.to_bits(),
            },
            other => Self::Other(other.to_string()),
        }
    }

    /// The error that other ranks have where it happens on `rank`: that of one process, where samples diverge.
    pub(super) fn on_rank(self, rank: u32) -> SampleError {
        match self {
            Self::Diverged { energy } => SampleError::Diverged {
                energy: f32::from_bits(energy),
            },
            Self::Other(why) => SampleError::OnRank { rank, why },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_arrives_to_the_bit() {
        let part = SamplePart {
            pixels: vec![0, 255],
            energies: vec![-0.0, f32::MIN_POSITIVE, 0.1],
            acceptance: Some(f64::NAN),
            seconds: 0.1,
        };
        let sent = serde_json::to_string(&Figures::of(&part)).expect("JSON");
        let figures: Figures = serde_json::from_str(&sent).expect("figures");
        let arrived = figures.with(part.pixels.clone());
        assert_eq!(format!("{arrived:?}"), format!("{part:?}")); // NaN is not NaN
    }

    #[test]
    fn samples_that_diverge_on_another_rank_diverge_as_in_one_process() {
        let on_rank = |error: &SampleError| {
            let sent = serde_json::to_string(&Failure::of(error)).expect("JSON");
            let failure: Failure = serde_json::from_str(&sent).expect("a failure");
            failure.on_rank(3)
        };
        for energy in [f32::INFINITY, f32::NAN] {
            let arrived = on_rank(&SampleError::Diverged { energy });
            let SampleError::Diverged { energy: arrived } = arrived else {
                panic!("expected divergence, got {arrived}");
            };
            assert_eq!(arrived.to_bits(), energy.to_bits());
        }
        assert_eq!(
            on_rank(&SampleError::OneClass).to_string(),
            format!("rank 3: {}", SampleError::OneClass)
        );
    }
}
