//! Visit the data in an order that is a function of the seed and the iteration alone.

use ebm_core::{NoiseKey, PhiloxRng, Shard, Stream};
use rand::seq::SliceRandom;

/// Indices of the images in every batch: a pure function of (number of images, batch size, seed,
/// iteration, shard), so that a resumed run sees the batches it would have seen.
///
/// Each epoch is a fresh permutation of all images. Global batches, those of all workers together,
/// follow one another without a gap: one that reaches the end of an epoch takes the rest of its images
/// from the next. Each worker has a consecutive part of every global batch.
#[derive(Clone, Debug)]
pub(crate) struct BatchOrder {
    len: usize,
    batch_size: usize,
    seed: u64,
    /// The permutation last used, with its epoch; a cache, never an input.
    epoch: Option<(u64, Vec<usize>)>,
}

impl BatchOrder {
    /// The order of `len` images in batches of `batch_size` per worker.
    ///
    /// # Panics
    /// If `len` or `batch_size` is 0.
    pub fn new(len: usize, batch_size: usize, seed: u64) -> Self {
        assert!(len > 0, "expected at least one image, got {len}");
        assert!(
            batch_size > 0,
            "expected a batch of at least one image, got {batch_size}"
        );
        Self {
            len,
            batch_size,
            seed,
            epoch: None,
        }
    }

    /// The `batch_size` indices of the part of `iteration`'s global batch that `shard` has.
    ///
    /// # Panics
    /// If the shard's rank is not below its world.
    pub fn batch(&mut self, iteration: u64, shard: Shard) -> Vec<usize> {
        let Shard { rank, world } = shard;
        assert!(rank < world, "expected a rank below {world}, got {rank}");
        let (len, batch_size) = (self.len as u64, self.batch_size as u64);
        let first = (iteration * u64::from(world) + u64::from(rank)) * batch_size;
        (first..first + batch_size)
            .map(|position| self.permutation(position / len)[(position % len) as usize])
            .collect()
    }

    /// All images in the order of `epoch`.
    fn permutation(&mut self, epoch: u64) -> &[usize] {
        let cached = self.epoch.take().filter(|(cached, _)| *cached == epoch);
        let (_, order) = self
            .epoch
            .insert(cached.unwrap_or_else(|| (epoch, shuffled(self.len, self.seed, epoch))));
        order
    }
}

/// Indices 0 to `len` − 1 in the order of `epoch`, a function of the seed and the epoch alone.
fn shuffled(len: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let key = NoiseKey::new(seed, Stream::DataOrder, epoch as u32);
    let mut order: Vec<usize> = (0..len).collect();
    order.shuffle(&mut PhiloxRng::new(key, 0));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_visits_each_image_once_though_batches_straddle_epochs() {
        let (len, batch_size) = (10, 4);
        let mut order = BatchOrder::new(len, batch_size, 3);
        let visited: Vec<usize> = (0..15).flat_map(|i| order.batch(i, Shard::WHOLE)).collect();
        let epochs: Vec<&[usize]> = visited.chunks(len).collect();
        assert_eq!(epochs.len(), 6);
        for epoch in &epochs {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..len).collect::<Vec<_>>());
        }
        assert_ne!(epochs[0], epochs[1]);
    }

    #[test]
    fn a_fresh_order_gives_the_same_batch_at_any_iteration() {
        let mut walked = BatchOrder::new(7, 3, 1);
        let forward: Vec<_> = (0..20).map(|i| walked.batch(i, Shard::WHOLE)).collect();
        for (i, batch) in forward.iter().enumerate().rev() {
            assert_eq!(
                &BatchOrder::new(7, 3, 1).batch(i as u64, Shard::WHOLE),
                batch
            );
            assert_eq!(&walked.batch(i as u64, Shard::WHOLE), batch);
        }
        assert_ne!(
            BatchOrder::new(7, 7, 2).batch(0, Shard::WHOLE),
            BatchOrder::new(7, 7, 1).batch(0, Shard::WHOLE)
        );
    }

    #[test]
    fn a_batch_larger_than_the_set_spans_several_epochs() {
        let batch = BatchOrder::new(3, 8, 5).batch(1, Shard::WHOLE);
        let mut full_epoch = batch[1..4].to_vec();
        full_epoch.sort_unstable();
        assert_eq!((batch.len(), full_epoch), (8, vec![0, 1, 2]));
    }

    #[test]
    fn the_parts_of_all_workers_are_the_global_batch_in_order() {
        for iteration in 0..9 {
            let whole = BatchOrder::new(10, 12, 4).batch(iteration, Shard::WHOLE);
            let mut order = BatchOrder::new(10, 4, 4);
            let parts = [0, 1, 2].map(|rank| order.batch(iteration, Shard { rank, world: 3 }));
            assert_eq!(parts.concat(), whole);
        }
    }

    #[test]
    #[should_panic = "expected a rank below 2, got 2"]
    fn refuses_a_rank_that_is_not_there() {
        BatchOrder::new(3, 1, 0).batch(0, Shard { rank: 2, world: 2 });
    }

    #[test]
    #[should_panic = "expected at least one image, got 0"]
    fn refuses_an_empty_set() {
        BatchOrder::new(0, 8, 0);
    }
}
