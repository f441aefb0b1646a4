//! Say what a run needs of a GPU's memory, and what the GPU has, before it starts.

use burn::module::Module;
use burn::tensor::Device;
use ebm_core::{ImageShape, Invalid};
use ebm_data::{Images, bytes_kept};
use ebm_train::{Config, initial_model};
use thiserror::Error;

use super::ChosenDevice;
use super::vulkan::memory_of;

/// Bytes of an element.
const F32: u64 = 4;
/// Vectors as long as all parameters: weights, their average, Adam's moments, gradients, and
/// intermediate results.
const VECTORS_OF_PARAMETERS: u64 = 12;
/// Tensors for each output of a convolution: the output, its activation, and their gradients.
const TENSORS_OF_OUTPUT: u64 = 4;
/// What a driver, kernels, and an allocator's unused pages take.
const RESERVE: u64 = 256 << 20;

/// A run that does not fit.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{device} has {} MiB of memory, and training on {images} images at a time needs about {} MiB; {}",
    available >> 20,
    needed >> 20,
    advice(*fit, *shards)
)]
pub(crate) struct TooLarge {
    /// The device.
    pub(crate) device: String,
    /// Its memory, in bytes.
    pub(crate) available: u64,
    /// Images of data and chains at a time.
    pub(crate) images: usize,
    /// What they need, in bytes.
    pub(crate) needed: u64,
    /// The most images at a time that fit.
    pub(crate) fit: usize,
    /// Shards of the batch, of which the device works on one at a time.
    pub(crate) shards: usize,
}

fn advice(fit: usize, shards: usize) -> String {
    if fit == 0 {
        return "a single one does not fit either: take a smaller network, batch_size or buffer.capacity"
            .into();
    }
    let batch = (fit / 2).max(1) * shards;
    format!("work on fewer at a time with --micro-batch {fit}, or set batch_size={batch}")
}

/// The sizes on which the memory of a run depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunSize {
    /// Shape of the images.
    pub(crate) shape: ImageShape,
    /// Elements of all weights.
    pub(crate) parameters: usize,
    /// Outputs of all convolutions for one image.
    pub(crate) outputs: usize,
    /// Ranks that share batch and buffer.
    pub(crate) ranks: usize,
    /// Shards of batch and buffer; a rank works on its own one after the other.
    pub(crate) shards: usize,
    /// Images, and chains, of an iteration, of all ranks.
    pub(crate) batch_size: usize,
    /// The most images that are worked on at a time.
    pub(crate) micro_batch: Option<usize>,
    /// Chains in the replay buffer, of all ranks.
    pub(crate) buffer_capacity: usize,
    /// Data that the device keeps, in bytes.
    pub(crate) data_bytes: u64,
}

impl RunSize {
    /// The sizes of a run on these images, which so many ranks share.
    ///
    /// # Errors
    /// Where the network does not fit the data.
    pub(crate) fn of(
        config: &Config,
        images: &Images,
        device: &Device,
        ranks: usize,
    ) -> Result<Self, Invalid> {
        let (shape, classes) = (images.shape, images.class_names.len());
        let network = initial_model(config, shape, classes, &Device::flex())?;
        Ok(Self {
            shape,
            parameters: network.num_params(),
            outputs: network.work(shape).outputs,
            ranks,
            shards: config.shards as usize,
            batch_size: config.batch_size,
            micro_batch: config.micro_batch,
            buffer_capacity: config.buffer.capacity,
            data_bytes: bytes_kept(images, device),
        })
    }
}

/// The memory that a run needs on the device of a rank, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryNeed {
    /// Whatever the batch.
    fixed: u64,
    /// For each chain of the rank and the data beside it.
    per_chain: u64,
    /// Chains of the rank.
    chains: usize,
    /// For each image, of data or chains, worked on at a time.
    per_image: u64,
    /// Images worked on at a time.
    images: usize,
    /// Shards of the batch.
    shards: usize,
    /// Ranks that share it.
    ranks: usize,
}

impl MemoryNeed {
    /// What a run needs, from the sizes of its tensors and of the data that the device keeps.
    pub(crate) fn of(size: &RunSize) -> Self {
        let parameters = size.parameters as u64 * F32;
        let pixels = size.shape.pixels() as u64;
        let buffer = size.buffer_capacity.div_ceil(size.ranks) as u64 * pixels;
        let both = 2 * (size.batch_size / size.shards);
        Self {
            fixed: RESERVE + parameters * VECTORS_OF_PARAMETERS + buffer + size.data_bytes,
            per_chain: 2 * pixels * F32 * TENSORS_OF_OUTPUT,
            chains: size.batch_size.div_ceil(size.ranks),
            per_image: size.outputs as u64 * F32 * TENSORS_OF_OUTPUT,
            images: size.micro_batch.unwrap_or(both).min(both),
            shards: size.shards,
            ranks: size.ranks,
        }
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> u64 {
        self.of_batch() + self.per_image * self.images as u64
    }

    fn of_batch(&self) -> u64 {
        self.fixed + self.per_chain * self.chains as u64
    }

    /// The most images at a time that fit into so many bytes, with this batch.
    fn images_that_fit(&self, available: u64) -> usize {
        (available.saturating_sub(self.of_batch()) / self.per_image.max(1)) as usize
    }

    /// The largest batch of all ranks that fits into so many bytes on each of them, a shard of it worked on at once.
    pub(crate) fn batch_that_fits(&self, available: u64) -> usize {
        let shards_of_rank = self.shards.div_ceil(self.ranks) as u64;
        // A chain in each shard.
        let of_chains = shards_of_rank * self.per_chain + 2 * self.per_image;
        let of_shard = available.saturating_sub(self.fixed) / of_chains.max(1);
        of_shard as usize * self.shards
    }

    /// What a run on these images, which so many ranks share, needs on the device of each, which has it.
    ///
    /// # Errors
    /// Where the network does not fit the data, or the run does not fit the device.
    pub(crate) fn checked(
        config: &Config,
        images: &Images,
        chosen: &ChosenDevice,
        ranks: usize,
    ) -> anyhow::Result<Self> {
        let need = Self::of(&RunSize::of(config, images, &chosen.device, ranks)?);
        need.check(chosen)?;
        Ok(need)
    }

    /// Check that it fits, where the device says how much memory it has.
    ///
    /// # Errors
    /// Where it does not.
    pub(crate) fn check(&self, chosen: &ChosenDevice) -> Result<(), TooLarge> {
        match memory_of(chosen) {
            Some(available) if self.bytes() > available => Err(TooLarge {
                device: chosen.description.clone(),
                available,
                images: self.images,
                needed: self.bytes(),
                fit: self.images_that_fit(available),
                shards: self.shards,
            }),
            _ => Ok(()),
        }
    }
}

/// Memory of a GPU, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceMemory {
    /// What the run needs, from the sizes of its tensors.
    pub(crate) need: MemoryNeed,
    /// What the device has, where the driver tells.
    pub(crate) available: Option<u64>,
    /// What is reserved now, where the backend tells.
    pub(crate) reserved: Option<u64>,
}

impl DeviceMemory {
    /// What a run needs of a device, what the device has, and what it holds at this moment.
    pub(crate) fn now(need: MemoryNeed, chosen: &ChosenDevice) -> Self {
        let usage = chosen.device.memory_pool_usage();
        Self {
            need,
            available: memory_of(chosen),
            reserved: usage.map(|usage| usage.bytes_reserved),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(batch_size: usize, micro_batch: Option<usize>) -> MemoryNeed {
        shared(1, 1, batch_size, micro_batch)
    }

    fn shared(
        ranks: usize,
        shards: usize,
        batch_size: usize,
        micro_batch: Option<usize>,
    ) -> MemoryNeed {
        MemoryNeed::of(&RunSize {
            shape: ImageShape::new(1, 16, 16),
            parameters: 76_993,
            outputs: 1_680,
            ranks,
            shards,
            batch_size,
            micro_batch,
            buffer_capacity: 8_192,
            data_bytes: 0,
        })
    }

    #[test]
    fn the_images_that_fit_into_what_a_run_needs_are_its_own() {
        for (batch_size, micro_batch, images) in [
            (1, None, 2),
            (64, None, 128),
            (64, Some(16), 16),
            (64, Some(500), 128),
        ] {
            let need = need(batch_size, micro_batch);
            assert_eq!(need.images, images);
            assert_eq!(need.images_that_fit(need.bytes()), images);
            assert_eq!(need.images_that_fit(need.bytes() - 1), images - 1);
        }
        assert_eq!(need(64, None).images_that_fit(1), 0);
    }

    #[test]
    fn the_batch_that_fits_into_what_a_run_needs_is_its_own_whatever_asks() {
        let bytes = need(64, None).bytes();
        for asked in [need(1, None), need(64, None), need(4096, Some(16))] {
            assert_eq!(asked.batch_that_fits(bytes), 64);
            assert_eq!(asked.batch_that_fits(bytes - 1), 63);
        }
    }

    #[test]
    fn a_rank_has_its_part_of_batch_and_buffer_and_works_on_a_shard_at_a_time() {
        let whole = need(64, None);
        let [one, two, eight] = [1, 2, 8].map(|ranks| shared(ranks, 8, 64, None));
        assert_eq!(
            [one, two, eight].map(|need| (need.chains, need.images)),
            [(64, 16), (32, 16), (8, 16)]
        );
        assert_eq!(one.fixed, whole.fixed);
        assert_eq!(whole.fixed - eight.fixed, 8_192 * 256 / 8 * 7);
        assert_eq!(shared(2, 8, 64, Some(4)).images, 4);
        assert_eq!(shared(2, 8, 64, Some(500)).images, 16);
        for need in [one, two, eight] {
            assert_eq!(need.batch_that_fits(need.bytes()), 64);
            assert_eq!(need.batch_that_fits(need.bytes() - 1), 56);
        }
        assert!(advice(8, 4).ends_with("--micro-batch 8, or set batch_size=16"));
    }

    #[test]
    fn advice_is_something_that_fits() {
        let need = need(4096, None);
        let available = need.bytes() - 1;
        let error = TooLarge {
            device: "wgpu:0".into(),
            available,
            images: need.images,
            needed: need.bytes(),
            fit: need.images_that_fit(available),
            shards: 1,
        };
        assert!(
            error
                .to_string()
                .ends_with("--micro-batch 8191, or set batch_size=4095")
        );
        assert!(advice(0, 1).contains("smaller network"));
    }

    #[test]
    fn the_sizes_of_a_run_are_those_of_its_network_and_its_data() {
        let images = Images {
            pixels: vec![0; 2 * 256].into(),
            shape: ImageShape::new(1, 16, 16),
            labels: vec![0; 2],
            class_names: vec![],
        };
        let (config, cpu) = (Config::default(), Device::flex());
        let size = RunSize::of(&config, &images, &cpu, 2).expect("the network fits");
        assert!(size.parameters > 1_000 && size.outputs > 100, "{size:?}");
        assert_eq!(size.batch_size, config.batch_size);
        assert_eq!((size.ranks, size.shards), (2, 1));
        assert_eq!(size.data_bytes, 0, "a CPU keeps no copy");
    }
}
