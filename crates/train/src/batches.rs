//! Cut the data into batches of dequantised, noised tensors; each a function of seed and iteration.

use burn::tensor::{Bool, Device, Tensor, TensorData};
use ebm_langevin::{Distribution, Noise, NoiseKey, Stream, chain_tensor, perturb};

use crate::config::Config;
use crate::data::{BatchOrder, Images};

/// Data on the device, with labels.
#[derive(Clone, Debug)]
pub struct LabelledBatch {
    /// Pixels in [0, 1], `[batch, channels, height, width]`.
    pub images: Tensor<4>,
    /// One class per image.
    pub labels: Vec<u32>,
}

/// The batches of a run.
#[derive(Debug)]
pub struct Batches<'a> {
    images: &'a Images,
    order: BatchOrder,
    seed: u64,
    noise_std: f64,
    flip: bool,
    device: &'a Device,
}

impl<'a> Batches<'a> {
    /// The batches of `images` under a configuration.
    pub fn new(images: &'a Images, config: &Config, device: &'a Device) -> Self {
        Self {
            order: BatchOrder::new(images.len(), config.batch_size, config.seed),
            images,
            seed: config.seed,
            noise_std: config.data.noise_std,
            flip: config.data.flip,
            device,
        }
    }

    /// The batch of an iteration: mirrored with probability ½ where `data.flip`, a byte q becomes
    /// (q + u)/256 with u ~ U(0, 1), plus noise of `data.noise_std`, clipped to [0, 1].
    pub fn at(&mut self, iteration: u64) -> LabelledBatch {
        let indices = self.order.batch(iteration);
        let labels = indices.iter().map(|&i| self.images.labels[i]).collect();
        // A data set smaller than the batch repeats images: the place in the batch tells their
        // noise apart.
        let places: Vec<u32> = (0..indices.len() as u32).collect();
        let places = chain_tensor(&places, self.device);
        let bytes = byte_tensor(self.images, &indices, self.device);
        let images = match self.flip {
            true => self.some_mirrored(bytes, iteration as u32),
            false => bytes,
        };
        let images = images.div_scalar(256.0);
        let noise = |stream, distribution, scale| Noise {
            key: NoiseKey::new(self.seed, stream, iteration as u32),
            distribution,
            scale,
        };
        let fraction = noise(
            Stream::DataDequantization,
            Distribution::Uniform,
            1.0 / 256.0,
        );
        let mut images = perturb(images, &places, fraction);
        if self.noise_std > 0.0 {
            let smear = noise(
                Stream::DataNoise,
                Distribution::Normal,
                self.noise_std as f32,
            );
            images = perturb(images, &places, smear).clamp(0.0, 1.0);
        }
        LabelledBatch { images, labels }
    }

    /// Every image, or with probability ½ its mirror image.
    fn some_mirrored(&self, images: Tensor<4>, iteration: u32) -> Tensor<4> {
        let key = NoiseKey::new(self.seed, Stream::DataFlip, iteration);
        let batch = images.dims()[0];
        let coins: Vec<bool> = (0..batch as u32)
            .map(|place| key.words(place, 0)[0] & 1 == 1)
            .collect();
        let coins = TensorData::new(coins, [batch, 1, 1, 1]);
        let coins = Tensor::<4, Bool>::from_data(coins, self.device).expand(images.shape());
        let mirrored = images.clone().flip([3]);
        images.mask_where(coins, mirrored)
    }
}

/// Some images as byte values 0..=255, `[images, channels, height, width]`.
pub fn byte_tensor(images: &Images, indices: &[usize], device: &Device) -> Tensor<4> {
    let [channels, height, width] = images.shape.dims();
    let bytes = indices.iter().flat_map(|&i| images.image(i));
    let values: Vec<f32> = bytes.map(|&byte| f32::from(byte)).collect();
    let data = TensorData::new(values, [indices.len(), channels, height, width]);
    Tensor::from_data(data, device)
}
