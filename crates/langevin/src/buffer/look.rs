//! Look at images of the buffer, as pixels.

use burn::tensor::{Int, Tensor};
use ebm_core::{NoiseKey, PhiloxRng, Shard, StepKey, Stream, index_tensor};
use rand::seq::index;

use super::bytes::{dequantise, unpack};
use super::replay_buffer::ReplayBuffer;

/// Step of [`Stream::BufferDraw`] and [`Stream::BufferDequantization`] for neighbours.
const NEIGHBOURS: u32 = 1;

impl ReplayBuffer {
    /// The images of up to `count` chains that are not in `slots`, dequantised,
    /// `[count, channels, height, width]`; fewer where the buffer has no more.
    ///
    /// # Panics
    /// If every chain is in `slots`.
    pub fn neighbours(&self, slots: &[u32], count: usize, key: StepKey, shard: Shard) -> Tensor<4> {
        let capacity = self.config.capacity;
        let draw_key = key.stream(Stream::BufferDraw).at_step(NEIGHBOURS);
        let mut rng = PhiloxRng::new(draw_key, shard.rank);
        let drawn = index::sample(&mut rng, capacity, capacity.min(count + slots.len()));
        let neighbours: Vec<u32> = drawn
            .into_iter()
            .map(|slot| slot as u32)
            .filter(|slot| !slots.contains(slot))
            .take(count)
            .collect();
        assert!(
            !neighbours.is_empty(),
            "every one of {capacity} chains is drawn"
        );
        let fractions = key.stream(Stream::BufferDequantization).at_step(NEIGHBOURS);
        let ids = index_tensor(&shard.places(neighbours.len()), &self.words.device());
        self.dequantised(&neighbours, &ids, fractions)
    }

    /// The images of the chains in `slots`, dequantised, outside training,
    /// `[slots, channels, height, width]`.
    pub fn peek(&self, slots: &[u32], seed: u64) -> Tensor<4> {
        let ids = index_tensor(slots, &self.words.device());
        self.dequantised(slots, &ids, NoiseKey::new(seed, Stream::BufferPeek, 0))
    }

    /// The stored images in `slots`, (q + u)/256 of the buffer's range with the fractions u of `ids`,
    /// `[slots, channels, height, width]`.
    pub(super) fn dequantised(
        &self,
        slots: &[u32],
        ids: &Tensor<1, Int>,
        key: NoiseKey,
    ) -> Tensor<4> {
        let [channels, height, width] = self.shape;
        let index = index_tensor(slots, &self.words.device());
        let words = self.words.clone().select(0, index);
        let bytes = unpack(words, channels * height * width);
        let bytes = bytes.reshape([slots.len(), channels, height, width]);
        self.byte_range().of_unit(dequantise(bytes, ids, key))
    }
}
