//! Say what a run holds in memory at least, before anything is loaded.

use ebm_core::ImageShape;

use super::settings::Config;

/// Bytes of a number of f32.
const F32: u64 = 4;

/// Memory that a run holds because of one key of its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The key.
    pub key: &'static str,
    /// In bytes, at least.
    pub bytes: u64,
}

/// What a run on `images` images of this shape holds in the memory of a CPU at least, for each key that decides it:
/// images, chains and what is computed on a batch of them. Weights and activations come besides.
pub fn least_memory(config: &Config, shape: ImageShape, images: u64) -> Vec<Held> {
    let image = shape
        .dims()
        .iter()
        .fold(1u64, |product, &side| product.saturating_mul(side as u64));
    let held = |key, number: u64, bytes_per_pixel: u64| Held {
        key,
        bytes: number.saturating_mul(image).saturating_mul(bytes_per_pixel),
    };
    let (output, data) = (&config.output, &config.data);
    let parts = config.parts().unwrap_or_default();
    let capacity = match parts.iter().any(|part| part.config.objective.has_buffer()) {
        true => config.buffer.capacity as u64,
        false => 0,
    };
    let judged = match output.evaluate_every {
        0 => 0,
        _ => output.evaluate_samples as u64,
    };
    let of_data = match (data.dataset.is_drawn(), data.crops) {
        (true, _) => "data.train_images",
        (false, 0) => "data.image_size",
        (false, _) => "data.crops",
    };
    vec![
        held(of_data, images, 1),
        held("buffer.capacity", capacity, 1),
        // The images and the chains.
        held("batch_size", config.batch_size as u64, 2 * F32),
        held("output.num_samples", output.num_samples as u64, F32),
        held("output.evaluate_samples", judged, 1),
    ]
}

#[cfg(test)]
mod tests {
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
            let held = least_memory(config, ImageShape::new(1, 4, 4), images);
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
}
