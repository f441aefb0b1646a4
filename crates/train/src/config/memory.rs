//! Say what images and runs hold in memory at least, before anything is loaded.

use ebm_core::ImageShape;
use ebm_data::DataConfig;

use super::settings::Config;

/// Bytes of a number of f32.
const F32: u64 = 4;

/// Memory that is held because of one key of a configuration, or one option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The key or option.
    pub key: &'static str,
    /// In bytes, at least.
    pub bytes: u64,
}

impl Held {
    /// `number` images, each pixel in so many bytes.
    pub fn of_images(
        key: &'static str,
        number: u64,
        shape: ImageShape,
        bytes_per_pixel: u64,
    ) -> Self {
        let sides = shape.dims().map(|side| side as u64);
        let image = sides.into_iter().fold(bytes_per_pixel, u64::saturating_mul);
        Self {
            key,
            bytes: number.saturating_mul(image),
        }
    }

    /// The images of a data set, `images` of this shape, a byte a pixel.
    pub fn of_data(data: &DataConfig, shape: ImageShape, images: u64) -> Self {
        Self::of_images(key_of(data, shape, images), images, shape, 1)
    }
}

/// The key that decides how much memory the images of a data set take: of those that are drawn, the one that is
/// further above its default.
fn key_of(data: &DataConfig, shape: ImageShape, images: u64) -> &'static str {
    match (data.dataset.is_drawn(), data.crops) {
        (true, _) => {}
        (false, 0) => return "data.image_size",
        (false, _) => return "data.crops",
    }
    let usual = DataConfig {
        dataset: data.dataset,
        ..DataConfig::default()
    };
    let pixels =
        |shape: ImageShape| -> f64 { shape.dims().into_iter().map(|side| side as f64).product() };
    let larger = pixels(shape) / pixels(usual.native_shape());
    let more = images as f64 / (usual.train_images + usual.test_images) as f64;
    match larger > more.max(1.0) {
        true => "data.image_size",
        false => "data.train_images",
    }
}

/// What a run on `images` images of this shape holds in the memory of a CPU at least, for each key that decides it:
/// images, chains and what is computed on a batch of them. Weights and activations come besides, and the images once
/// more for each further rank on the machine, where they are not read from a file.
///
/// - `part`: of what all ranks share equally, the part that the ranks of this machine have; all of it, where they are all
///   on one.
pub fn least_memory(
    config: &Config,
    shape: ImageShape,
    images: u64,
    part: impl Fn(usize) -> usize,
) -> Vec<Held> {
    let held = |key, number: usize, bytes_per_pixel: u64| {
        Held::of_images(key, number as u64, shape, bytes_per_pixel)
    };
    let output = &config.output;
    let parts = config.parts().unwrap_or_default();
    let capacity = match parts.iter().any(|part| part.config.objective.has_buffer()) {
        true => config.buffer.capacity,
        false => 0,
    };
    let judged = match output.evaluate_every {
        0 => 0,
        _ => output.evaluate_samples,
    };
    vec![
        Held::of_data(&config.data, shape, images),
        held("buffer.capacity", part(capacity), 1),
        // The images and the chains.
        held("batch_size", part(config.batch_size), 2 * F32),
        held("output.num_samples", output.num_samples, F32),
        held("output.evaluate_samples", judged, 1),
    ]
}

#[cfg(test)]
mod tests {
    use ebm_data::DatasetKind;

    use super::*;

    #[test]
    fn each_key_has_the_bytes_of_its_images_and_none_overflows() {
        let mut config = Config {
            batch_size: 10,
            ..Config::default()
        };
        config.buffer.capacity = 1_000;
        config.output.num_samples = 5;
        let of = |config: &Config, images| -> Vec<(&str, u64)> {
            let held = least_memory(config, ImageShape::new(1, 4, 4), images, |all| all);
            held.into_iter()
                .map(|held| (held.key, held.bytes))
                .collect()
        };
        let expected = [
            ("data.train_images", 112),
            ("buffer.capacity", 16_000),
            ("batch_size", 1_280),
            ("output.num_samples", 320),
            ("output.evaluate_samples", 0),
        ];
        assert_eq!(of(&config, 7), expected);
        config.batch_size = usize::MAX;
        assert_eq!(of(&config, u64::MAX)[0].1, u64::MAX);
        assert_eq!(of(&config, 7)[2].1, u64::MAX);
    }

    #[test]
    fn a_machine_holds_the_part_of_its_ranks_and_all_images() {
        let config = Config::default();
        let of = |part: fn(usize) -> usize| {
            let held = least_memory(&config, ImageShape::new(1, 4, 4), 7, part);
            held.iter().map(|held| held.bytes).collect::<Vec<_>>()
        };
        let (whole, half) = (of(|all| all), of(|all| all / 2));
        assert_eq!((half[0], half[1]), (whole[0], whole[1] / 2));
        assert_eq!((half[2], half[3]), (whole[2] / 2, whole[3]));
    }

    #[test]
    fn images_that_are_drawn_are_blamed_on_their_number_or_on_their_size() {
        let mut data = DataConfig::default();
        let key = |data: &DataConfig, side, images| {
            Held::of_data(data, ImageShape::new(1, side, side), images).key
        };
        assert_eq!(key(&data, 28, 1 << 40), "data.train_images");
        assert_eq!(key(&data, 64, 1 << 40), "data.train_images");
        assert_eq!(key(&data, 1 << 40, 22_000), "data.image_size");
        data.dataset = DatasetKind::Folder;
        assert_eq!(key(&data, 64, 1 << 40), "data.image_size");
        data.crops = 4;
        assert_eq!(key(&data, 64, 1 << 40), "data.crops");
    }
}
