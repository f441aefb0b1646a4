//! Cut the data into batches of dequantised, noised tensors; each a function of its key and its shard.

use burn::tensor::{Device, Tensor, TensorData};
use ebm_core::rows::row_mask;
use ebm_core::{
    DeviceKind, Distribution, ImageShape, NoiseKey, Shard, StepKey, Stream, index_tensor,
};
use ebm_langevin::{ByteImages, Noise, dequantise, perturb};

use crate::images::Images;
use crate::order::BatchOrder;

/// Data on the device, with labels.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Pixels in [0, 1], or where noise has taken them, `[batch, channels, height, width]`.
    pub images: Tensor<4>,
    /// One class per image.
    pub labels: Vec<u32>,
}

/// What the batches of a run are like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchConfig {
    /// Images in a batch of this worker; the global batch is as many times larger as there are
    /// workers.
    pub batch_size: usize,
    /// Mirror every image left to right with probability ½.
    pub flip: bool,
    /// Turn every image by 0, 90, 180 or 270 degrees, evenly.
    pub turn: bool,
    /// Move every image by up to this many pixels, up or down and to a side.
    pub shift: usize,
    /// Standard deviation of the Gaussian noise added to the images, with pixels in [0, 1]; 0 for
    /// none.
    pub noise_std: f64,
    /// How far noise may take a pixel outside [0, 1].
    pub margin: f64,
}

impl BatchConfig {
    /// Batches of `batch_size` images as the data has them.
    pub fn new(batch_size: usize) -> Self {
        Self {
            batch_size,
            flip: false,
            turn: false,
            shift: 0,
            noise_std: 0.0,
            margin: 0.0,
        }
    }

    /// Mirror every image left to right with probability ½, or not.
    pub fn with_flip(mut self, flip: bool) -> Self {
        self.flip = flip;
        self
    }

    /// Turn every image by 0, 90, 180 or 270 degrees, or not.
    pub fn with_turn(mut self, turn: bool) -> Self {
        self.turn = turn;
        self
    }

    /// Move every image by up to this many pixels, up or down and to a side.
    pub fn with_shift(mut self, shift: usize) -> Self {
        self.shift = shift;
        self
    }

    /// Let noise take pixels this far outside [0, 1].
    pub fn with_margin(mut self, margin: f64) -> Self {
        self.margin = margin;
        self
    }

    /// Add Gaussian noise of this standard deviation, with pixels in [0, 1].
    pub fn with_noise_std(mut self, noise_std: f64) -> Self {
        self.noise_std = noise_std;
        self
    }
}

/// The batches of a run.
#[derive(Debug)]
pub struct Batches<'a> {
    images: &'a Images,
    /// All of them, where the device keeps them.
    kept: Option<ByteImages>,
    order: BatchOrder,
    config: BatchConfig,
    device: &'a Device,
}

impl<'a> Batches<'a> {
    /// The batches of `images`, visited in the order of `seed`.
    ///
    /// # Panics
    /// If there are no images, or `batch_size` is 0, or images to be turned are not square.
    pub fn new(images: &'a Images, config: BatchConfig, seed: u64, device: &'a Device) -> Self {
        let ImageShape { height, width, .. } = images.shape;
        assert!(
            !config.turn || height == width,
            "only squares can be turned, not {height}×{width}"
        );
        let kept = (bytes_kept(images, device) > 0)
            .then(|| ByteImages::new(&images.pixels, images.shape.dims(), device));
        Self {
            images,
            kept,
            order: BatchOrder::new(images.len(), config.batch_size, seed),
            config,
            device,
        }
    }

    /// The part of an iteration's global batch that `shard` has: mirrored with probability ½ where
    /// [`BatchConfig::flip`], turned where [`BatchConfig::turn`], moved by up to [`BatchConfig::shift`] pixels; a
    /// byte q becomes (q + u)/256 with u ~ U(0, 1), plus noise of [`BatchConfig::noise_std`], then clipped to
    /// [0, 1] and [`BatchConfig::margin`] around it.
    ///
    /// The order depends on the seed and the iteration alone; coins, fractions and noise on the whole
    /// key and the place in the global batch.
    ///
    /// # Panics
    /// If the shard's rank is not below its world.
    pub fn at(&mut self, key: StepKey, shard: Shard) -> Batch {
        let indices = self.order.batch(u64::from(key.iteration), shard);
        let labels = indices.iter().map(|&i| self.images.labels[i]).collect();
        // A data set smaller than the batch repeats images: the place in the batch tells their
        // noise apart.
        let places = shard.places(indices.len());
        let mut bytes = self.bytes(&indices);
        let BatchConfig {
            flip,
            turn,
            shift,
            noise_std,
            margin,
            ..
        } = self.config;
        if flip {
            bytes = mirror_some(bytes, key.stream(Stream::DataFlip), &places);
        }
        if turn {
            bytes = turn_some(bytes, key.stream(Stream::DataTurn), &places);
        }
        if shift > 0 {
            bytes = moved(bytes, shift, key.stream(Stream::DataShift), &places);
        }
        let places = index_tensor(&places, self.device);
        let mut images = dequantise(bytes, &places, key.stream(Stream::DataDequantization));
        if noise_std > 0.0 {
            let noise = Noise {
                key: key.stream(Stream::DataNoise),
                distribution: Distribution::Normal,
                scale: noise_std as f32,
            };
            images = perturb(images, &places, noise).clamp(0.0 - margin, 1.0 + margin);
        }
        Batch { images, labels }
    }

    /// Some images as byte values, 0 to 255, `[indices, channels, height, width]`.
    fn bytes(&self, indices: &[usize]) -> Tensor<4> {
        if let Some(kept) = &self.kept {
            return kept.values(indices);
        }
        let bytes = indices.iter().flat_map(|&i| self.images.image(i));
        let values: Vec<f32> = bytes.map(|&byte| f32::from(byte)).collect();
        let shape = self.images.shape.batch(indices.len());
        Tensor::from_data(TensorData::new(values, shape), self.device)
    }
}

/// Every image, or with probability ½ its mirror image; the coin depends on the image's place.
fn mirror_some(images: Tensor<4>, key: NoiseKey, places: &[u32]) -> Tensor<4> {
    let coins = places.iter().map(|&place| key.words(place, 0)[0] & 1 == 1);
    let coins: Vec<bool> = coins.collect();
    let mirrored = images.clone().flip([3]);
    images
        .clone()
        .mask_where(row_mask(&coins, &images), mirrored)
}

/// Every image, turned by a multiple of 90 degrees that depends on the image's place.
fn turn_some(images: Tensor<4>, key: NoiseKey, places: &[u32]) -> Tensor<4> {
    let turns = places.iter().map(|&place| key.words(place, 0)[0]);
    let [by_quarter, by_half] = [1, 2].map(|bit| {
        let is_set: Vec<bool> = turns.clone().map(|turns| turns & bit != 0).collect();
        row_mask(&is_set, &images)
    });
    let quarter = images.clone().swap_dims(2, 3).flip([3]);
    let turned = images.mask_where(by_quarter, quarter);
    turned.clone().mask_where(by_half, turned.flip([2, 3]))
}

/// Every image, moved by up to `shift` pixels along both axes, black coming in; how far depends on the
/// image's place.
fn moved(images: Tensor<4>, shift: usize, key: NoiseKey, places: &[u32]) -> Tensor<4> {
    let [_, channels, height, width] = images.dims();
    let wide = images.pad((shift, shift, shift, shift), 0.0);
    let of_place = |(row, &place): (usize, &u32)| {
        let [down, right, ..] = key.words(place, 0);
        let from = |word: u32| word as usize % (2 * shift + 1);
        let (top, left) = (from(down), from(right));
        wide.clone().slice([
            row..row + 1,
            0..channels,
            top..top + height,
            left..left + width,
        ])
    };
    Tensor::cat(places.iter().enumerate().map(of_place).collect(), 0)
}

/// A GPU keeps data of up to this many bytes from the first batch on; of larger data each batch is
/// sent.
const MAX_BYTES_KEPT: u64 = 1 << 30;

/// Bytes of the images that a device keeps through a run.
pub fn bytes_kept(images: &Images, device: &Device) -> u64 {
    let bytes = images.pixels.len() as u64;
    if DeviceKind::is_cpu(device) || bytes > MAX_BYTES_KEPT {
        0
    } else {
        bytes
    }
}

#[cfg(test)]
mod tests {
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

    /// The rows of a batch of one-row images.
    fn batch(images: &Images, batch_size: usize, flip: bool) -> Vec<Vec<f64>> {
        let config = BatchConfig {
            batch_size,
            flip,
            ..BatchConfig::new(batch_size)
        };
        let device = Device::flex();
        let mut batches = Batches::new(images, config, 0, &device);
        let batch = batches.at(StepKey::new(0, 3), Shard::WHOLE);
        let pixels: Vec<f64> = batch.images.into_data().iter::<f64>().collect();
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
            for (pixel, &byte) in row.iter().zip(images.pixels.iter()) {
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

    /// Ten images of two channels, 2×3, each a class of its own.
    fn ten_images() -> Images {
        Images {
            pixels: (0..120).map(|i| (i * 37 % 256) as u8).collect(),
            shape: ImageShape::new(2, 2, 3),
            labels: (0..10).collect(),
            class_names: (0..10).map(|class| class.to_string()).collect(),
        }
    }

    /// Labels and pixels of a mirrored and noised batch of the ten images.
    fn seen(batch_size: usize, key: StepKey, shard: Shard) -> (Vec<u32>, Vec<f32>) {
        let config = BatchConfig {
            batch_size,
            flip: true,
            turn: false,
            shift: 1,
            noise_std: 0.1,
            margin: 0.0,
        };
        let (images, device) = (ten_images(), Device::flex());
        let batch = Batches::new(&images, config, key.seed, &device).at(key, shard);
        assert_eq!(batch.images.dims(), [batch_size, 2, 2, 3]);
        (
            batch.labels,
            batch.images.into_data().iter::<f32>().collect(),
        )
    }

    #[test]
    fn two_shards_see_together_exactly_what_one_worker_sees() {
        for (iteration, attempt) in [(0, 0), (1, 0), (7, 2)] {
            let key = StepKey {
                seed: 9,
                attempt,
                iteration,
            };
            let whole = seen(8, key, Shard::WHOLE);
            let [first, second] = [0, 1].map(|rank| seen(4, key, Shard { rank, world: 2 }));
            let labels = [first.0, second.0].concat();
            let pixels = [first.1, second.1].concat();
            assert_eq!((labels, pixels), whole);
        }
    }

    #[test]
    fn another_attempt_sees_the_same_images_under_other_noise() {
        let at = |attempt| {
            let key = StepKey {
                seed: 9,
                attempt,
                iteration: 4,
            };
            seen(8, key, Shard::WHOLE)
        };
        let (first, second) = (at(0), at(1));
        assert_eq!(first.0, second.0);
        assert_ne!(first.1, second.1);
    }

    #[test]
    fn a_cpu_keeps_no_second_copy_of_the_images() {
        assert_eq!(bytes_kept(&ten_images(), &Device::flex()), 0);
    }

    #[test]
    fn images_are_turned_by_all_four_angles_alike_and_never_mirrored() {
        let images = Images {
            pixels: vec![0, 80, 240, 160].into(),
            shape: ImageShape::new(1, 2, 2),
            labels: vec![0],
            class_names: vec![],
        };
        let device = Device::flex();
        let config = BatchConfig::new(400).with_turn(true);
        let mut batches = Batches::new(&images, config, 0, &device);
        let batch = batches.at(StepKey::new(0, 0), Shard::WHOLE).images;
        let pixels: Vec<f64> = batch.into_data().iter::<f64>().collect();
        // Clockwise from the top left: 0, 1, 2, 3 at no turn.
        let mut counts = [0; 4];
        for image in pixels.chunks(4) {
            let [a, b, d, c] = [0, 1, 2, 3].map(|at: usize| (image[at] * 3.2) as usize);
            assert_eq!([b, c, d], [1, 2, 3].map(|step| (a + step) % 4), "{image:?}");
            counts[a] += 1;
        }
        // Probability ¼ each: five standard errors around 100.
        let error = 5.0 * (400.0 * 0.25 * 0.75_f64).sqrt();
        let is_even = |&count: &i32| (f64::from(count) - 100.0).abs() < error;
        assert!(counts.iter().all(is_even), "{counts:?}");
    }

    #[test]
    fn images_move_by_up_to_the_shift_and_black_comes_in() {
        let images = Images {
            pixels: vec![0, 0, 0, 0, 255, 0, 0, 0, 0].into(),
            shape: ImageShape::new(1, 3, 3),
            labels: vec![0],
            class_names: vec![],
        };
        let device = Device::flex();
        let config = BatchConfig::new(400).with_shift(1);
        let mut batches = Batches::new(&images, config, 0, &device);
        let batch = batches.at(StepKey::new(0, 0), Shard::WHOLE).images;
        let pixels: Vec<f64> = batch.into_data().iter::<f64>().collect();
        let mut counts = [0; 9];
        for image in pixels.chunks(9) {
            let bright: Vec<usize> = (0..9).filter(|&at| image[at] > 0.9).collect();
            let [place] = bright[..] else {
                panic!("one bright pixel, got {bright:?}")
            };
            counts[place] += 1;
        }
        // Nine places of probability 1/9: five standard errors around 44.
        let error = 5.0 * (400.0 * (1.0 / 9.0) * (8.0 / 9.0_f64)).sqrt();
        assert!(
            counts
                .iter()
                .all(|&count| (f64::from(count) - 400.0 / 9.0).abs() < error),
            "{counts:?}"
        );
    }
}
