//! Keep persistent chains between iterations: 8-bit images on the device, labels and ages beside them.
//!
//! The replay buffer of Du & Mordatch (2019), alg. 1, with two differences: a drawn chain goes back
//! to its own slot, and every chain keeps its label. On its way out a chain may be augmented
//! (Du et al. 2021).

mod augment;
mod byte_images;
mod bytes;
mod config;

use burn::tensor::{Bool, Device, IndexingUpdateOp, Int, Tensor, TensorData};
use ebm_core::pixels::BYTE_WIDTH;
use ebm_core::{Distribution, NoiseKey, PhiloxRng, Shard, StepKey, Stream, index_tensor};
use rand::RngExt;
use rand::seq::index;

use crate::kernel::perturb;
use crate::step::Noise;
use augment::augment;
pub use byte_images::ByteImages;
use bytes::{pack, unpack, words_of_images};
pub use config::{Augmentation, BufferConfig, Restart};

/// Chains on their way through an iteration.
#[derive(Clone, Debug)]
pub struct Chains {
    /// Their images in [0, 1], `[batch, channels, height, width]`.
    pub x: Tensor<4>,
    /// Their places in the buffer, all different.
    pub slots: Vec<u32>,
    /// Their places in the global batch: the identity that keys their random numbers.
    pub ids: Vec<u32>,
    /// The class each one belongs to.
    pub labels: Vec<u32>,
    /// Rounds of sampling since the chain was fresh.
    pub ages: Vec<u32>,
}

/// Images and labels from which chains may restart, `[batch, channels, height, width]`.
#[derive(Clone, Copy, Debug)]
pub struct RestartData<'a> {
    /// Images in [0, 1], as many as chains are drawn.
    pub images: &'a Tensor<4>,
    /// Their labels.
    pub labels: &'a [u32],
}

/// Steps of [`Stream::BufferDraw`], whose chain is the worker's rank: which chains are drawn, which
/// neighbours are looked at.
const DRAWN: u32 = 0;
const NEIGHBOURS: u32 = 1;
/// Labels of a new buffer, in the same stream.
const FIRST_LABELS: u32 = 2;
/// Step of [`Stream::Restart`] for the images of a new buffer.
const FIRST_IMAGES: u32 = 1;

/// The replay buffer. Images are kept as bytes, four to a 32-bit word, on the device.
#[derive(Clone, Debug)]
pub struct ReplayBuffer {
    config: BufferConfig,
    shape: [usize; 3],
    class_frequencies: Vec<f64>,
    /// `[capacity, pixels / 4 rounded up]`, i32, the first pixel in the lowest byte.
    words: Tensor<2, Int>,
    labels: Vec<u32>,
    ages: Vec<u32>,
}

/// All that a buffer remembers, on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferState {
    /// 8-bit images, `[capacity, channels, height, width]` row-major.
    pub images: Vec<u8>,
    /// One label per chain.
    pub labels: Vec<u32>,
    /// One age per chain.
    pub ages: Vec<u32>,
}

impl ReplayBuffer {
    /// A buffer of uniform noise, with labels drawn from `class_frequencies`
    /// (all 0 where that is empty).
    ///
    /// # Shapes
    /// - `shape`: channels, height, width
    pub fn new(
        config: BufferConfig,
        shape: [usize; 3],
        class_frequencies: Vec<f64>,
        seed: u64,
        device: &Device,
    ) -> Self {
        let key = NoiseKey::new(seed, Stream::Restart, 0).at_step(FIRST_IMAGES);
        let pixels = shape.iter().product::<usize>();
        let mut images = Vec::with_capacity(config.capacity * pixels);
        for chain in 0..config.capacity as u32 {
            let bytes = (0..pixels.div_ceil(16) as u32)
                .flat_map(|block| key.words(chain, block))
                .flat_map(u32::to_le_bytes);
            images.extend(bytes.take(pixels));
        }
        let key = NoiseKey::new(seed, Stream::BufferDraw, 0).at_step(FIRST_LABELS);
        let mut rng = PhiloxRng::new(key, 0);
        let labels = (0..config.capacity)
            .map(|_| draw_label(&class_frequencies, rng.random()))
            .collect();
        let ages = vec![0; config.capacity];
        let state = BufferState {
            images,
            labels,
            ages,
        };
        Self::from_state(config, shape, class_frequencies, state, device)
    }

    /// The buffer that remembers `state`.
    ///
    /// # Panics
    /// If `state` does not hold `config.capacity` images of `shape`.
    pub fn from_state(
        config: BufferConfig,
        shape: [usize; 3],
        class_frequencies: Vec<f64>,
        state: BufferState,
        device: &Device,
    ) -> Self {
        let (capacity, pixels) = (config.capacity, shape.iter().product::<usize>());
        assert_eq!(state.images.len(), capacity * pixels, "bytes of the images");
        assert_eq!(state.labels.len(), capacity, "one label per chain");
        assert_eq!(state.ages.len(), capacity, "one age per chain");
        Self {
            words: words_of_images(&state.images, pixels, device),
            config,
            shape,
            class_frequencies,
            labels: state.labels,
            ages: state.ages,
        }
    }

    /// Remember `state` instead.
    ///
    /// # Panics
    /// As [`from_state`](Self::from_state).
    pub fn restore(&mut self, state: BufferState) {
        let device = self.words.device();
        let (config, frequencies) = (self.config.clone(), self.class_frequencies.clone());
        *self = Self::from_state(config, self.shape, frequencies, state, &device);
    }

    /// All that the buffer remembers, read to the host.
    pub fn to_state(&self) -> BufferState {
        let pixels = self.shape.iter().product::<usize>();
        let words: Vec<i32> = self.words.to_data().iter::<i32>().collect();
        let images = words
            .chunks(pixels.div_ceil(4))
            .flat_map(|row| row.iter().flat_map(|word| word.to_le_bytes()).take(pixels))
            .collect();
        BufferState {
            images,
            labels: self.labels.clone(),
            ages: self.ages.clone(),
        }
    }

    /// Chains kept.
    pub fn capacity(&self) -> usize {
        self.config.capacity
    }

    /// Channels, height and width of an image.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Share of each class among fresh chains; empty without classes.
    pub fn class_frequencies(&self) -> &[f64] {
        &self.class_frequencies
    }

    /// Rounds of sampling since each chain was fresh.
    pub fn ages(&self) -> &[u32] {
        &self.ages
    }

    /// Draw `batch` different chains; each is a fresh one with probability `reinit_prob`, the
    /// others are augmented as configured. The buffer itself changes in [`put`](Self::put).
    ///
    /// A stored byte q becomes (q + u)/256 with u ~ U(0, 1), so that storing and drawing leaves a
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
        let capacity = self.config.capacity;
        assert!(
            batch <= capacity,
            "cannot draw {batch} of {capacity} chains"
        );
        let draw_key = key.stream(Stream::BufferDraw).at_step(DRAWN);
        let mut rng = PhiloxRng::new(draw_key, shard.rank);
        let slots: Vec<u32> = index::sample(&mut rng, capacity, batch)
            .into_iter()
            .map(|slot| slot as u32)
            .collect();
        let restarted: Vec<bool> = slots
            .iter()
            .map(|_| rng.random::<f64>() < self.config.reinit_prob)
            .collect();
        let fresh_labels = match (self.config.restart, data) {
            (Restart::Data, Some(data)) => data.labels.to_vec(),
            _ => (0..batch)
                .map(|_| draw_label(&self.class_frequencies, rng.random()))
                .collect(),
        };
        let pick = |kept: &[u32], fresh: &dyn Fn(usize) -> u32| -> Vec<u32> {
            let drawn = slots.iter().zip(&restarted).enumerate();
            drawn
                .map(|(i, (&slot, &again))| if again { fresh(i) } else { kept[slot as usize] })
                .collect()
        };
        let labels = pick(&self.labels, &|i| fresh_labels[i]);
        let ages = pick(&self.ages, &|_| 0);
        let kept: Vec<bool> = restarted.iter().map(|again| !again).collect();
        let ids = shard.places(batch);
        let x = self.dequantised(&slots, &ids, key.stream(Stream::BufferDequantization));
        let mut x = augment(&self.config, x, &ids, &kept, key.stream(Stream::Augment));
        if restarted.contains(&true) {
            let fresh = self.fresh(&ids, key.stream(Stream::Restart), data);
            let restarted = mask(&restarted, &x);
            x = x.mask_where(restarted, fresh);
        }
        Chains {
            x,
            slots,
            ids,
            labels,
            ages,
        }
    }

    /// Store chains after a round of sampling: `x` in their slots, one round older. A pixel is
    /// kept as ⌊256·x⌋, at most 255.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, the order of `chains`
    pub fn put(&mut self, chains: &Chains, x: Tensor<4>) {
        let slots = index_tensor(&chains.slots, &x.device());
        let rows = pack(x.flatten(1, 3));
        // Held by nobody else, the words are written in place.
        let words = std::mem::replace(&mut self.words, rows.clone());
        self.words = words.select_assign(0, slots, rows, IndexingUpdateOp::Assign);
        for (i, &slot) in chains.slots.iter().enumerate() {
            self.labels[slot as usize] = chains.labels[i];
            self.ages[slot as usize] = chains.ages[i].saturating_add(1);
        }
    }

    /// The labels of the chains in `slots`.
    pub fn labels(&self, slots: &[u32]) -> Vec<u32> {
        slots
            .iter()
            .map(|&slot| self.labels[slot as usize])
            .collect()
    }

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
        self.dequantised(&neighbours, &shard.places(neighbours.len()), fractions)
    }

    /// The images of the chains in `slots`, dequantised, outside training,
    /// `[slots, channels, height, width]`.
    pub fn peek(&self, slots: &[u32], seed: u64) -> Tensor<4> {
        self.dequantised(slots, slots, NoiseKey::new(seed, Stream::BufferPeek, 0))
    }

    /// The stored images in `slots`, (q + u)/256 with the fractions u of `ids`,
    /// `[slots, channels, height, width]`.
    fn dequantised(&self, slots: &[u32], ids: &[u32], key: NoiseKey) -> Tensor<4> {
        let device = self.words.device();
        let [channels, height, width] = self.shape;
        let words = self.words.clone().select(0, index_tensor(slots, &device));
        let bytes = unpack(words, channels * height * width);
        let bytes = bytes.reshape([slots.len(), channels, height, width]);
        let fraction = Noise {
            key,
            distribution: Distribution::Uniform,
            scale: BYTE_WIDTH,
        };
        perturb(
            bytes.mul_scalar(BYTE_WIDTH),
            &index_tensor(ids, &device),
            fraction,
        )
    }

    /// A fresh chain for every one of `ids`, `[ids, channels, height, width]`.
    fn fresh(&self, ids: &[u32], key: NoiseKey, data: Option<RestartData<'_>>) -> Tensor<4> {
        let device = self.words.device();
        let [channels, height, width] = self.shape;
        let (start, distribution, scale) = match self.config.restart {
            Restart::Noise => {
                let zeros = Tensor::zeros([ids.len(), channels, height, width], &device);
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
        perturb(start, &index_tensor(ids, &device), noise).clamp(0.0, 1.0)
    }
}

/// A mask of the shape of `x`, true in the images of chosen chains.
fn mask(chosen: &[bool], x: &Tensor<4>) -> Tensor<4, Bool> {
    let data = TensorData::new(chosen.to_vec(), [chosen.len(), 1, 1, 1]);
    Tensor::<4, Bool>::from_data(data, &x.device()).expand(x.dims())
}

/// The class in whose share of [0, 1) `u` falls.
fn draw_label(frequencies: &[f64], u: f64) -> u32 {
    let mut below = 0.0;
    for (label, frequency) in (0..).zip(frequencies) {
        below += frequency;
        if u < below {
            return label;
        }
    }
    frequencies.len().saturating_sub(1) as u32
}
