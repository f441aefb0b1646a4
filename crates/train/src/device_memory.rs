//! Say what a run needs of a GPU's memory, and what the GPU has, before it starts.

use burn::module::Module;
use burn::tensor::Device;
use thiserror::Error;

use crate::config::{Config, Invalid};
use crate::device::Selected;
use crate::state::{DataSummary, initial_model};

/// Bytes of a number.
const F32: u64 = 4;
/// Vectors of a number for each parameter: weights, their average, Adam's moments, gradients, and
/// what lies between them.
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
    advice(*fit)
)]
pub struct TooLarge {
    /// The device.
    pub device: String,
    /// Its memory, in bytes.
    pub available: u64,
    /// Images of data and chains at a time.
    pub images: usize,
    /// What they need, in bytes.
    pub needed: u64,
    /// The most images at a time that fit.
    pub fit: usize,
}

fn advice(fit: usize) -> String {
    match fit {
        0 => "without any there is too little, too: take a smaller network, batch_size or buffer.capacity".into(),
        fit => format!("work on fewer at a time with --micro-batch {fit}, or set batch_size={}", (fit / 2).max(1)),
    }
}

/// The memory that a run needs on a device, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryNeed {
    /// Whatever the batch.
    pub fixed: u64,
    /// For each chain of the batch and the data beside it.
    pub per_chain: u64,
    /// Chains of the batch.
    pub chains: usize,
    /// For each image, of data or chains, worked on at a time.
    pub per_image: u64,
    /// Images worked on at a time.
    pub images: usize,
}

impl MemoryNeed {
    /// What a run needs, from the sizes of its tensors and of the data that the device keeps.
    ///
    /// # Errors
    /// Where the network does not fit the data.
    pub fn of(config: &Config, data: &DataSummary, data_bytes: u64) -> Result<Self, Invalid> {
        let (shape, num_classes) = (data.shape, data.class_frequencies.len());
        let network = initial_model(config, shape, num_classes, &Device::flex())?;
        let parameters = network.num_params() as u64 * F32;
        let pixels = shape.pixels() as u64;
        let buffer = config.buffer.capacity as u64 * pixels;
        let both = 2 * config.batch_size;
        Ok(Self {
            fixed: RESERVE + parameters * VECTORS_OF_PARAMETERS + buffer + data_bytes,
            per_chain: 2 * pixels * F32 * TENSORS_OF_OUTPUT,
            chains: config.batch_size,
            per_image: network.work(shape).outputs as u64 * F32 * TENSORS_OF_OUTPUT,
            images: config.micro_batch.unwrap_or(both).min(both),
        })
    }

    /// All of it.
    pub fn bytes(&self) -> u64 {
        self.of_batch() + self.per_image * self.images as u64
    }

    fn of_batch(&self) -> u64 {
        self.fixed + self.per_chain * self.chains as u64
    }

    /// The most images at a time that fit into so many bytes, of this batch.
    pub fn images_that_fit(&self, available: u64) -> usize {
        (available.saturating_sub(self.of_batch()) / self.per_image.max(1)) as usize
    }

    /// The largest batch that fits into so many bytes, worked on at once.
    pub fn batch_that_fits(&self, available: u64) -> usize {
        let of_chain = self.per_chain + 2 * self.per_image;
        (available.saturating_sub(self.fixed) / of_chain.max(1)) as usize
    }

    /// Check that it fits, where the device says what it has.
    ///
    /// # Errors
    /// Where it does not.
    pub fn check(&self, selected: &Selected) -> Result<(), TooLarge> {
        match available(selected) {
            Some(available) if self.bytes() > available => Err(TooLarge {
                device: selected.description.clone(),
                available,
                images: self.images,
                needed: self.bytes(),
                fit: self.images_that_fit(available),
            }),
            _ => Ok(()),
        }
    }
}

/// The memory of a GPU, in bytes, where its driver tells: the largest heap of its own.
#[cfg(feature = "wgpu")]
pub fn available(selected: &Selected) -> Option<u64> {
    let name = selected.device.identity()?.name;
    of_vulkan_device(&name)
}

/// The memory of a GPU: there is none in this build.
#[cfg(not(feature = "wgpu"))]
pub fn available(_: &Selected) -> Option<u64> {
    None
}

#[cfg(feature = "wgpu")]
fn of_vulkan_device(name: &str) -> Option<u64> {
    use ash::vk;

    // SAFETY: the loader's functions are called as Vulkan asks for: with an instance that lives until
    // the last of them, and physical devices of that instance.
    unsafe {
        let entry = ash::Entry::load().ok()?;
        let instance = entry
            .create_instance(&vk::InstanceCreateInfo::default(), None)
            .ok()?;
        let devices = instance.enumerate_physical_devices().unwrap_or_default();
        let is_it = |device: &vk::PhysicalDevice| {
            let properties = instance.get_physical_device_properties(*device);
            properties
                .device_name_as_c_str()
                .is_ok_and(|it| it.to_bytes() == name.as_bytes())
        };
        let memory = devices.into_iter().find(is_it).and_then(|device| {
            let memory = instance.get_physical_device_memory_properties(device);
            let heaps = memory.memory_heaps_as_slice().iter();
            let own = heaps.filter(|heap| heap.flags.contains(vk::MemoryHeapFlags::DEVICE_LOCAL));
            own.map(|heap| heap.size).max()
        });
        instance.destroy_instance(None);
        memory
    }
}

#[cfg(test)]
mod tests {
    use ebm_model::ImageShape;

    use super::*;

    fn need(batch_size: usize, micro_batch: Option<usize>) -> MemoryNeed {
        let data = DataSummary {
            shape: ImageShape::new(1, 16, 16),
            class_names: vec![],
            class_frequencies: vec![],
        };
        let config = Config {
            batch_size,
            micro_batch,
            ..Config::default()
        };
        MemoryNeed::of(&config, &data, 0).expect("fits")
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
    fn advice_is_something_that_fits() {
        let need = need(4096, None);
        let fit = need.images_that_fit(need.bytes() / 2);
        let error = TooLarge {
            device: "wgpu:0".into(),
            available: need.bytes() / 2,
            images: need.images,
            needed: need.bytes(),
            fit,
        };
        assert!(error.to_string().ends_with(&format!(
            "--micro-batch {fit}, or set batch_size={}",
            fit / 2
        )));
        assert!(advice(0).contains("smaller network"));
    }
}
