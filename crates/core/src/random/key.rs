//! Name every random number by what it is for: seed, attempt, iteration, stream, step, chain, pixel.

use super::philox::philox4x32_10;

/// What a random number is for. Two streams never share a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stream {
    /// ξ of a Langevin step.
    Langevin = 0,
    /// The fraction added to an 8-bit pixel that comes out of the replay buffer.
    BufferDequantization = 1,
    /// Fresh chains of the replay buffer.
    Restart = 2,
    /// Which chains are drawn, which of them restart, and their labels.
    BufferDraw = 3,
    /// The fraction added to an 8-bit pixel of the data.
    DataDequantization = 4,
    /// Noise added to the data.
    DataNoise = 5,
    /// The order in which the data are visited.
    DataOrder = 6,
    /// Images drawn by code.
    DataSynthesis = 7,
    /// Initial weights.
    Weights = 8,
    /// Starting points of chains outside training.
    Sample = 9,
    /// Augmentation of chains that come out of the replay buffer.
    Augment = 10,
    /// Elements dropped while training.
    Dropout = 11,
    /// Which images of the data are mirrored.
    DataFlip = 12,
    /// The fraction added to an 8-bit pixel of chains that are looked at and not drawn.
    BufferPeek = 13,
    /// Which images of the data are shown or measured beside samples.
    DataExamples = 14,
    /// How far images of the data are moved.
    DataShift = 15,
    /// Noise that an objective mixes with the data, or adds to them.
    ObjectiveNoise = 16,
    /// How much of it.
    ObjectiveLevel = 17,
    /// Which images of the data are turned, and how far.
    DataTurn = 18,
    /// Where squares are cut from pictures.
    DataCrop = 19,
    /// ξ of a Langevin step of the weights.
    WeightNoise = 20,
    /// ξ of a Langevin step of a latent vector, given an image.
    Posterior = 30,
    /// Where chains of latent vectors start while training, those of images first, then those of samples.
    LatentStart = 31,
    /// ξ of a Langevin step of a latent vector whose image moves with it.
    JointLatent = 32,
}

/// Seeds of the attempts after the first are drawn from a counter that no stream uses.
const ATTEMPT_COUNTER: u32 = u32::MAX;

/// Names the random numbers of one training iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepKey {
    /// Seed of the run.
    pub seed: u64,
    /// 0, and one more after each rollback, so that a repeated iteration draws different random numbers.
    pub attempt: u32,
    /// The iteration, from 0.
    pub iteration: u32,
}

impl StepKey {
    /// The first attempt at an iteration.
    pub fn new(seed: u64, iteration: u32) -> Self {
        Self {
            seed,
            attempt: 0,
            iteration,
        }
    }

    /// The random numbers of `stream` at this iteration.
    pub fn stream(self, stream: Stream) -> NoiseKey {
        let seed_words = [self.seed as u32, (self.seed >> 32) as u32];
        let key = if self.attempt == 0 {
            seed_words
        } else {
            let counter = [
                self.attempt,
                ATTEMPT_COUNTER,
                ATTEMPT_COUNTER,
                ATTEMPT_COUNTER,
            ];
            let [low, high, ..] = philox4x32_10(counter, seed_words);
            [low, high]
        };
        NoiseKey {
            key,
            stream,
            iteration: self.iteration,
            step: 0,
        }
    }
}

/// A worker's part of every batch: the part of worker `rank` of `world`.
///
/// Random numbers that are keyed by a place in the batch are keyed by the place in the *global*
/// batch, so that results do not depend on who computes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// This worker, from 0, below `world`.
    pub rank: u32,
    /// The number of workers.
    pub world: u32,
}

impl Default for Shard {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl Shard {
    /// The only worker.
    pub const WHOLE: Self = Self { rank: 0, world: 1 };

    /// Places in the global batch of this worker's `len` rows.
    pub fn places(self, len: usize) -> Vec<u32> {
        let first = self.rank * len as u32;
        (first..first + len as u32).collect()
    }
}

/// Names the random numbers of one Langevin step, or of any other draw: the words are
/// a function of this key, a chain and a pixel.
///
/// Counter layout, 128 bits: pixel / 4 · step (24 bits) and stream (8 bits) · iteration · chain.
/// The Philox key is the 64-bit seed, or what [`StepKey::attempt`] makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoiseKey {
    key: [u32; 2],
    stream: Stream,
    iteration: u32,
    step: u32,
}

impl NoiseKey {
    /// The key of `stream` at `iteration` (0 outside training), first attempt, step 0.
    pub fn new(seed: u64, stream: Stream, iteration: u32) -> Self {
        StepKey::new(seed, iteration).stream(stream)
    }

    /// The same key at Langevin step `step`.
    ///
    /// # Panics
    /// If `step` does not fit in 24 bits.
    pub fn at_step(self, step: u32) -> Self {
        assert!(step < 1 << 24, "step {step} does not fit in 24 bits");
        Self { step, ..self }
    }

    /// The Philox key.
    pub fn philox_key(&self) -> [u32; 2] {
        self.key
    }

    /// The middle words of the counter: step and stream, and iteration.
    pub fn middle_words(&self) -> [u32; 2] {
        [(self.step << 8) | self.stream as u32, self.iteration]
    }

    /// Four words: those of pixels `4·block .. 4·block + 4` of `chain`.
    #[inline(always)]
    pub fn words(&self, chain: u32, block: u32) -> [u32; 4] {
        let [step_and_stream, iteration] = self.middle_words();
        philox4x32_10([block, step_and_stream, iteration, chain], self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_key_changes_the_words() {
        let key = StepKey::new(1, 2);
        let words = key.stream(Stream::Langevin).at_step(3).words(4, 5);
        let of = |key: StepKey, stream, step, chain, block| {
            key.stream(stream).at_step(step).words(chain, block)
        };
        let langevin = Stream::Langevin;
        let others = [
            of(
                StepKey {
                    seed: 1 << 32,
                    ..key
                },
                langevin,
                3,
                4,
                5,
            ),
            of(StepKey { attempt: 1, ..key }, langevin, 3, 4, 5),
            of(StepKey { attempt: 2, ..key }, langevin, 3, 4, 5),
            of(
                StepKey {
                    iteration: 3,
                    ..key
                },
                langevin,
                3,
                4,
                5,
            ),
            of(key, Stream::Restart, 3, 4, 5),
            of(key, langevin, 4, 4, 5),
            of(key, langevin, 3, 5, 5),
            of(key, langevin, 3, 4, 6),
        ];
        assert_eq!(of(key, langevin, 3, 4, 5), words);
        for (i, other) in others.iter().enumerate() {
            assert!(
                !others[..i].contains(other) && *other != words,
                "number {i}"
            );
        }
    }

    #[test]
    fn workers_have_places_of_their_own_in_the_global_batch() {
        let places = |rank| Shard { rank, world: 2 }.places(3);
        assert_eq!([places(0), places(1)].concat(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(Shard::WHOLE.places(2), [0, 1]);
    }
}
