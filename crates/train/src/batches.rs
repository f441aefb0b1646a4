//! Cut the data into batches of dequantised, noised tensors; each a function of seed and iteration.

use burn::tensor::{Bool, Device, Tensor, TensorData};
use ebm_langevin::{
    ByteImages, Distribution, Noise, NoiseKey, Stream, chain_tensor, is_cpu, perturb,
};

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
    /// All of them, where the device keeps them.
    kept: Option<ByteImages>,
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
            kept: (bytes_kept(images, device) > 0)
                .then(|| ByteImages::new(&images.pixels, images.shape.dims(), device)),
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
        let bytes = match &self.kept {
            Some(kept) => kept.values(&indices),
            None => byte_tensor(self.images, &indices, self.device),
        };
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

/// Data up to so many bytes stay on a GPU from the first batch on; of more, each batch is sent.
const MOST_KEPT: u64 = 1 << 30;

/// Bytes of the images that a device keeps.
pub(crate) fn bytes_kept(images: &Images, device: &Device) -> u64 {
    let bytes = images.pixels.len() as u64;
    match is_cpu(device) || bytes > MOST_KEPT {
        true => 0,
        false => bytes,
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

#[cfg(test)]
mod tests {
    use ebm_model::ImageShape;

    use super::*;

    /// One image of a grey ramp, in which every pixel differs from its mirror image.
    fn ramp(width: usize) -> Images {
        Images {
            pixels: (0..width).map(|column| (7 * column) as u8).collect(),
            shape: ImageShape::new(1, 1, width),
            labels: vec![0],
            class_names: vec![],
        }
    }

    fn batch(images: &Images, batch_size: usize, flip: bool) -> Vec<Vec<f64>> {
        let mut config = Config {
            batch_size,
            ..Config::default()
        };
        config.data.flip = flip;
        let device = Device::flex();
        let batch = Batches::new(images, &config, &device).at(3).images;
        let pixels: Vec<f64> = batch.into_data().iter::<f64>().collect();
        pixels
            .chunks(images.shape.width)
            .map(<[f64]>::to_vec)
            .collect()
    }

    #[test]
    fn a_byte_is_spread_evenly_over_its_256th() {
        let images = ramp(36);
        let rows = batch(&images, 2_000, false);
        let mut fractions = Vec::new();
        for row in &rows {
            for (pixel, &byte) in row.iter().zip(&images.pixels) {
                let fraction = 256.0 * pixel - f64::from(byte);
                assert!((0.0..1.0).contains(&fraction), "{pixel} of {byte}");
                fractions.push(fraction);
            }
        }
        // Mean ½ and variance 1/12 of a uniform, the latter of variance 1/180.
        let n = fractions.len() as f64;
        let mean = fractions.iter().sum::<f64>() / n;
        let variance = fractions.iter().map(|f| (f - 0.5).powi(2)).sum::<f64>() / n;
        assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12.0 / n).sqrt(), "{mean}");
        assert!(
            (variance - 1.0 / 12.0).abs() < 5.0 * (1.0 / 180.0 / n).sqrt(),
            "{variance}"
        );
    }

    #[test]
    fn half_of_the_images_are_mirrored_where_asked_and_none_elsewhere() {
        let images = ramp(36);
        let is_mirrored = |row: &Vec<f64>| row[0] > row[35];
        assert!(!batch(&images, 2_000, false).iter().any(is_mirrored));
        let rows = batch(&images, 2_000, true);
        let mirrored = rows.iter().filter(|row| is_mirrored(row)).count() as f64;
        assert!(
            (mirrored - 1_000.0).abs() < 5.0 * (2_000f64 / 4.0).sqrt(),
            "{mirrored}"
        );
        let ramp = |row: &[f64]| row.windows(2).all(|pair| pair[0] < pair[1]);
        for mut row in rows {
            if row[0] > row[35] {
                row.reverse();
            }
            assert!(ramp(&row), "an image is mirrored whole or not at all");
        }
    }
}
