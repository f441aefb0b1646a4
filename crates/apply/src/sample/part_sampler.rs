//! Draw samples part by part, alone or with other ranks, whose parts the first rank takes.

mod sent;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use ebm_langevin::{StepCounter, to_bytes};
use ebm_train::{Collective, Solo, Team};

use super::{SampleError, SampleOptions, sample_counted};
use crate::checksum::sha256;
use crate::trained::Trained;
use sent::{Failure, Figures};

/// Samples of one part, as bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplePart {
    /// Bytes of `[chains, channels, height, width]`.
    pub pixels: Vec<u8>,
    /// The energy of every sample, before its pixels became bytes.
    pub energies: Vec<f32>,
    /// As [`Samples::acceptance`](super::Samples::acceptance), of this part.
    pub acceptance: Option<f64>,
    /// Seconds that drawing it took.
    pub seconds: f64,
}

/// Draws samples part by part ([`SampleOptions::parts`]), in the memory of two parts.
///
/// Several ranks draw parts in turn: of each round of as many parts as there are ranks, every rank draws one, and the
/// first rank takes all of them. Random numbers are keyed by the numbers of the chains, and a part is the same batch
/// whoever draws it, so that samples do not depend on the number of ranks. Samples that are one part (from the buffer,
/// or with steps whose size adapts) are drawn by the first rank alone.
#[derive(Clone, Debug)]
pub struct PartSampler<'a> {
    trained: &'a Trained,
    options: &'a SampleOptions,
    counter: StepCounter,
    team: Team,
}

impl<'a> PartSampler<'a> {
    /// Draws these samples alone. Trajectories are not kept.
    pub fn new(trained: &'a Trained, options: &'a SampleOptions) -> Self {
        Self {
            trained,
            options,
            counter: StepCounter::default(),
            team: Team::of_any(Arc::new(Solo)),
        }
    }

    /// Count gradients here: a rank that draws with others counts its own for theirs.
    pub fn with_counter(self, counter: StepCounter) -> Self {
        Self { counter, ..self }
    }

    /// Draw with these ranks, any number of them, which do the same with the same model and options.
    pub fn with_ranks(self, ranks: Arc<dyn Collective>) -> Self {
        Self {
            team: Team::of_any(ranks),
            ..self
        }
    }

    /// Draw all parts. `take` gets them in order, on the first rank alone.
    ///
    /// # Errors
    /// Where a rank cannot draw its part or has another model or other options, or the first rank cannot `take` one.
    /// All ranks then have an error, those without a reason of their own [`SampleError::OnRank`].
    pub fn draw<E: From<SampleError> + Display>(
        &self,
        mut take: impl FnMut(SamplePart) -> Result<(), E>,
    ) -> Result<(), E> {
        self.check_ranks()?;
        let parts: Vec<_> = self.options.parts().collect();
        self.draw_parts(&parts, |_, part| take(part))
    }

    pub(crate) fn trained(&self) -> &'a Trained {
        self.trained
    }

    pub(crate) fn options(&self) -> &'a SampleOptions {
        self.options
    }

    pub(crate) fn counter(&self) -> &StepCounter {
        &self.counter
    }

    pub(crate) fn team(&self) -> &Team {
        &self.team
    }

    /// Refuse ranks that would draw other samples than the first: a run that is training may have written a checkpoint
    /// in between.
    ///
    /// # Errors
    /// Where there are such ranks, on all of them.
    pub(crate) fn check_ranks(&self) -> Result<(), SampleError> {
        if self.team.world() == 1 {
            return Ok(());
        }
        // A checkpoint may be gone by now.
        let model = self.trained.fingerprint().unwrap_or_default();
        let own = sha256(format!("{model} {:?}", self.options).as_bytes());
        let of_ranks = self.team.gather(&own);
        let others = (0..).zip(&of_ranks);
        let mut different = others.filter(|(_, other)| **other != of_ranks[0]);
        match different.next() {
            Some((rank, _)) => Err(SampleError::RanksDiffer { rank }),
            None => Ok(()),
        }
    }

    /// Draw some parts. `take` gets each with its index, in order, on the first rank alone.
    ///
    /// # Errors
    /// As [`draw`](Self::draw), but for what [`check_ranks`](Self::check_ranks) refuses.
    pub(crate) fn draw_parts<E: From<SampleError> + Display>(
        &self,
        parts: &[SampleOptions],
        mut take: impl FnMut(usize, SamplePart) -> Result<(), E>,
    ) -> Result<(), E> {
        let world = self.team.world() as usize;
        for (round, parts) in parts.chunks(world).enumerate() {
            let first = round * world;
            self.draw_round(parts, |rank, part| take(first + rank, part))?;
        }
        Ok(())
    }

    /// Draw a part on each of the first ranks.
    fn draw_round<E: From<SampleError> + Display>(
        &self,
        parts: &[SampleOptions],
        mut take: impl FnMut(usize, SamplePart) -> Result<(), E>,
    ) -> Result<(), E> {
        let (own_rank, counter) = (self.team.rank(), self.counter.weighted(parts.len() as u64));
        let own = parts.get(own_rank as usize);
        let own = own.map(|part| self.draw_one(part, counter));
        let sent = own.as_ref().map(|drawn| match drawn {
            Ok(part) => Ok(Figures::of(part)),
            Err(error) => Err(Failure::of(error)),
        });
        let of_ranks = self.team.gather(&sent);
        let (own_pixels, own_error) = match own {
            Some(Ok(part)) => (part.pixels, None),
            Some(Err(error)) => (Vec::new(), Some(error)),
            None => (Vec::new(), None),
        };
        let mut taken = Ok(());
        for (rank, sent) in (0_u32..).zip(of_ranks.into_iter().flatten()) {
            let is_own = rank == own_rank;
            let figures = match sent {
                Ok(figures) => figures,
                Err(failure) => {
                    let own = own_error.filter(|_| is_own);
                    return Err(own.unwrap_or_else(|| failure.on_rank(rank)).into());
                }
            };
            // One part after the other, so that nobody holds those of all ranks.
            let pixels: &[u8] = if is_own { &own_pixels } else { &[] };
            let pixels = self.team.gather_bytes(pixels).swap_remove(rank as usize);
            if self.team.is_first() {
                taken = taken.and_then(|()| take(rank as usize, figures.with(pixels)));
            }
        }
        self.agree(taken)
    }

    /// Refuse what any rank refuses.
    ///
    /// # Errors
    /// Where a rank does: its own error there, and [`SampleError::OnRank`] elsewhere.
    pub(crate) fn agree<T, E: From<SampleError> + Display>(
        &self,
        own: Result<T, E>,
    ) -> Result<T, E> {
        self.team
            .agree(own, |rank, why| SampleError::OnRank { rank, why }.into())
    }

    fn draw_one(
        &self,
        part: &SampleOptions,
        counter: StepCounter,
    ) -> Result<SamplePart, SampleError> {
        let start = Instant::now();
        let samples = sample_counted(self.trained, part, counter)?;
        let pixels = to_bytes(samples.images);
        Ok(SamplePart {
            pixels,
            energies: samples.energies,
            acceptance: samples.acceptance,
            seconds: start.elapsed().as_secs_f64(),
        })
    }
}
