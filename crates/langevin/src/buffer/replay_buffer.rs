//! Keep images, labels and ages of chains in their slots.

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};
use ebm_core::{NoiseKey, PhiloxRng, Shard, StepKey, Stream, index_tensor};
use rand::RngExt;

use super::bytes::{ByteRange, pack, words_of_images};
use super::chains::Chains;
use super::config::BufferConfig;

/// Step of [`Stream::BufferDraw`] for the labels of a new buffer; those below are of draws.
const FIRST_LABELS: u32 = 2;
/// Step of [`Stream::Restart`] for the images of a new buffer.
const FIRST_IMAGES: u32 = 1;

/// The replay buffer. Images are kept as bytes, four to a 32-bit word, on the device.
#[derive(Clone, Debug)]
pub struct ReplayBuffer {
    pub(super) config: BufferConfig,
    pub(super) shape: [usize; 3],
    pub(super) class_frequencies: Vec<f64>,
    /// `[capacity, pixels / 4 rounded up]`, i32, the first pixel in the lowest byte.
    pub(super) words: Tensor<2, Int>,
    pub(super) labels: Vec<u32>,
    pub(super) ages: Vec<u32>,
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
    /// A worker's buffer of uniform noise, with labels drawn from `class_frequencies`
    /// (all 0 where that is empty).
    ///
    /// # Shapes
    /// - `shape`: channels, height, width
    pub fn new(
        config: BufferConfig,
        shape: [usize; 3],
        class_frequencies: Vec<f64>,
        seed: u64,
        shard: Shard,
        device: &Device,
    ) -> Self {
        let key = NoiseKey::new(seed, Stream::Restart, 0).at_step(FIRST_IMAGES);
        let pixels = shape.iter().product::<usize>();
        let places = shard.places(config.capacity);
        let range = ByteRange::of(config.range);
        let images = places
            .iter()
            .flat_map(|&chain| noise_bytes(key, chain, pixels, range));
        let images = images.collect();
        let key = NoiseKey::new(seed, Stream::BufferDraw, 0).at_step(FIRST_LABELS);
        let mut rng = PhiloxRng::new(key, shard.rank);
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

    /// These chains and those of another buffer of the same settings.
    ///
    /// # Panics
    /// If images have another shape there.
    pub fn with(mut self, other: &Self) -> Self {
        assert_eq!(self.shape, other.shape, "images of one shape");
        self.config.capacity += other.config.capacity;
        self.words = Tensor::cat(vec![self.words, other.words.clone()], 0);
        self.labels.extend(&other.labels);
        self.ages.extend(&other.ages);
        self
    }

    /// The same chains, of a buffer with other settings; `None` where it keeps more or fewer of them, or other
    /// pixels.
    pub fn with_settings(self, config: BufferConfig) -> Option<Self> {
        let is_like = config.keeps_chains_of(&self.config);
        is_like.then_some(Self { config, ..self })
    }

    /// Replace the chains of fewer than `rounds` rounds of sampling by uniform noise of `key`, of a
    /// worker's buffer; their labels stay. Reads the device.
    pub fn restart_young(&mut self, rounds: u32, key: StepKey, shard: Shard) {
        let key = key.stream(Stream::Restart).at_step(FIRST_IMAGES);
        let pixels = self.shape.iter().product::<usize>();
        let range = self.byte_range();
        let mut state = self.to_state();
        let places = shard.places(self.config.capacity).into_iter();
        let chains = places.zip(state.images.chunks_exact_mut(pixels));
        for ((chain, image), age) in chains.zip(&mut state.ages) {
            if *age < rounds {
                let noise = noise_bytes(key, chain, pixels, range);
                image
                    .iter_mut()
                    .zip(noise)
                    .for_each(|(to, byte)| *to = byte);
                *age = 0;
            }
        }
        self.words = words_of_images(&state.images, pixels, &self.words.device());
        self.ages = state.ages;
    }

    /// Pixels for which bytes stand.
    pub fn range(&self) -> [f64; 2] {
        self.config.range
    }

    pub(super) fn byte_range(&self) -> ByteRange {
        ByteRange::of(self.config.range)
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

    /// Store chains after a round of sampling: `x` in their slots, one round older. A pixel is
    /// kept as ⌊256·x⌋ of the buffer's range, at most 255.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, the order of `chains`
    pub fn put(&mut self, chains: &Chains, x: Tensor<4>) {
        self.store(&chains.slots, x);
        for (i, &slot) in chains.slots.iter().enumerate() {
            self.labels[slot as usize] = chains.labels[i];
            self.ages[slot as usize] = chains.ages[i].saturating_add(1);
        }
    }

    /// Start the chains of some slots afresh, at `x`; their labels stay.
    ///
    /// # Shapes
    /// - `x`: `[slots, channels, height, width]`
    pub fn start_at(&mut self, slots: &[u32], x: Tensor<4>) {
        self.store(slots, x);
        for &slot in slots {
            self.ages[slot as usize] = 0;
        }
    }

    fn store(&mut self, slots: &[u32], x: Tensor<4>) {
        let slots = index_tensor(slots, &x.device());
        let rows = pack(self.byte_range().to_unit(x.flatten(1, 3)));
        // Held by nobody else, the words are written in place.
        let words = std::mem::replace(&mut self.words, rows.clone());
        self.words = words.select_assign(0, slots, rows, IndexingUpdateOp::Assign);
    }

    /// The labels of the chains in `slots`.
    pub fn labels(&self, slots: &[u32]) -> Vec<u32> {
        slots
            .iter()
            .map(|&slot| self.labels[slot as usize])
            .collect()
    }
}

/// An image of uniform noise in [0, 1].
fn noise_bytes(
    key: NoiseKey,
    chain: u32,
    pixels: usize,
    range: ByteRange,
) -> impl Iterator<Item = u8> {
    let words = (0..pixels.div_ceil(16) as u32).flat_map(move |block| key.words(chain, block));
    let bytes = words.flat_map(u32::to_le_bytes).take(pixels);
    bytes.map(move |byte| range.recode(byte, ByteRange::UNIT))
}

/// The class in whose share of [0, 1) `u` falls.
pub(super) fn draw_label(frequencies: &[f64], u: f64) -> u32 {
    let mut below = 0.0;
    for (label, frequency) in (0..).zip(frequencies) {
        below += frequency;
        if u < below {
            return label;
        }
    }
    frequencies.len().saturating_sub(1) as u32
}
