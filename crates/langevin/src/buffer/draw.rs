//! Draw chains from the buffer, some of them fresh.

use burn::tensor::{Int, Tensor};
use ebm_core::rows::row_mask;
use ebm_core::{Distribution, NoiseKey, PhiloxRng, Shard, StepKey, Stream, index_tensor};
use rand::RngExt;
use rand::seq::index;

use super::augment::augment;
use super::bytes::ByteRange;
use super::chains::{Chains, RestartData};
use super::config::Restart;
use super::replay_buffer::{ReplayBuffer, draw_label};
use crate::kernel::perturb;
use crate::step::Noise;

/// Step of [`Stream::BufferDraw`], whose chain is the worker's rank.
const DRAWN: u32 = 0;

/// What becomes of the slots that were drawn, one of each a slot.
struct Chosen {
    slots: Vec<u32>,
    restarted: Vec<bool>,
    fresh_labels: Vec<u32>,
}

impl ReplayBuffer {
    /// Draw `batch` different chains; each is a fresh one with probability `reinit_prob`, the
    /// others are augmented as configured. The buffer itself changes in [`put`](Self::put).
    ///
    /// A stored byte q becomes (q + u)/256 of the buffer's range with u ~ U(0, 1), so that storing and drawing leaves a
    /// pixel's mean as it is.
    ///
    /// # Panics
    /// If `batch` exceeds the capacity, or chains restart from data and `data` is absent or of
    /// another size.
    pub fn draw(
        &self,
        batch: usize,
        key: StepKey,
        shard: Shard,
        data: Option<RestartData<'_>>,
    ) -> Chains {
        let chosen = self.choose(batch, key, shard, data.map(|data| data.labels));
        let ids = shard.places(batch);
        let kept: Vec<bool> = chosen.restarted.iter().map(|again| !again).collect();
        let index = index_tensor(&ids, &self.words.device());
        let fractions = key.stream(Stream::BufferDequantization);
        let x = self.dequantised(&chosen.slots, &index, fractions);
        let mut x = augment(
            &self.config,
            x,
            &ids,
            &kept,
            key.stream(Stream::Augment),
            self.byte_range(),
        );
        if chosen.restarted.contains(&true) {
            let fresh = self.fresh(&index, key.stream(Stream::Restart), data);
            let restarted = row_mask(&chosen.restarted, &x);
            x = x.mask_where(restarted, fresh);
        }
        let pick = |kept: &[u32], fresh: &dyn Fn(usize) -> u32| -> Vec<u32> {
            let drawn = chosen.slots.iter().zip(&chosen.restarted).enumerate();
            drawn
                .map(|(i, (&slot, &again))| if again { fresh(i) } else { kept[slot as usize] })
                .collect()
        };
        Chains {
            x,
            labels: pick(&self.labels, &|i| chosen.fresh_labels[i]),
            ages: pick(&self.ages, &|_| 0),
            slots: chosen.slots,
            ids,
        }
    }

    /// Choose slots, which of them restart, and the labels of those that do.
    fn choose(
        &self,
        batch: usize,
        key: StepKey,
        shard: Shard,
        data_labels: Option<&[u32]>,
    ) -> Chosen {
        let capacity = self.config.capacity;
        assert!(
            batch <= capacity,
            "cannot draw {batch} of {capacity} chains"
        );
        let key = key.stream(Stream::BufferDraw).at_step(DRAWN);
        let mut rng = PhiloxRng::new(key, shard.rank);
        let slots = index::sample(&mut rng, capacity, batch);
        let slots: Vec<u32> = slots.into_iter().map(|slot| slot as u32).collect();
        let restarts = slots.iter().map(|_| rng.random::<f64>());
        let restarted = restarts.map(|u| u < self.config.reinit_prob).collect();
        let fresh_labels = match (self.config.restart, data_labels) {
            (Restart::Data, Some(labels)) => labels.to_vec(),
            _ => (0..batch)
                .map(|_| draw_label(&self.class_frequencies, rng.random()))
                .collect(),
        };
        Chosen {
            slots,
            restarted,
            fresh_labels,
        }
    }

    /// A fresh chain for every one of `ids`, `[ids, channels, height, width]`.
    fn fresh(
        &self,
        ids: &Tensor<1, Int>,
        key: NoiseKey,
        data: Option<RestartData<'_>>,
    ) -> Tensor<4> {
        let [channels, height, width] = self.shape;
        let (start, distribution, scale) = match self.config.restart {
            Restart::Noise => {
                let shape = [ids.dims()[0], channels, height, width];
                let zeros = Tensor::zeros(shape, &self.words.device());
                (zeros, Distribution::Uniform, 1.0)
            }
            Restart::Data => {
                let data = data.expect("chains that restart from data are given data");
                let scale = self.config.restart_noise_std as f32;
                (data.images.clone(), Distribution::Normal, scale)
            }
        };
        let noise = Noise {
            key,
            distribution,
            scale,
        };
        let ByteRange { low, high } = self.byte_range();
        perturb(start, ids, noise).clamp(low, high)
    }
}
