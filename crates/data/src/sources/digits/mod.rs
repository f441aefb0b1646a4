//! Draw handwritten-looking digits, every image a function of (seed, split, index) alone.

mod frame;
mod glyphs;
mod hand;
mod pen;

use ebm_core::{ImageShape, NoiseKey, PhiloxRng, Stream};
use rand::RngExt;
use rayon::prelude::*;

use crate::config::DataConfig;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::images::Images;

use frame::fit_to_frame;
use glyphs::GLYPHS;
use hand::Hand;
use pen::{Canvas, Dab};

/// Draws the training and the test images.
pub(super) fn load(config: &DataConfig, seed: u64) -> Result<Dataset, DataError> {
    let remedy = "digits are drawn at 8 to 64 pixels; 0 stands for 28";
    let side = config.side_within(8..=64, remedy)?;
    config.grey_only()?;
    config.some_training_images()?;
    let synthesize = |count, split| synthesize(count, side, seed, split);
    let test = (config.test_images > 0).then(|| synthesize(config.test_images, 1));
    Ok(Dataset::of_train(synthesize(config.train_images, 0)).with_test(Ok(test)))
}

/// Draws images 0 to `count` − 1 of `split` (0 training, 1 test), the classes in turn.
fn synthesize(count: usize, side: usize, seed: u64, split: u32) -> Images {
    let shape = ImageShape::new(1, side, side);
    let mut pixels = vec![0; count * shape.pixels()];
    pixels
        .par_chunks_mut(shape.pixels())
        .enumerate()
        .for_each(|(index, image)| draw(seed, split, index, image));
    Images {
        pixels: pixels.into(),
        shape,
        labels: (0..count).map(|index| class_of(index) as u32).collect(),
        class_names: (0..10).map(|digit| digit.to_string()).collect(),
    }
}

/// The digit that image `index` shows.
fn class_of(index: usize) -> usize {
    index % 10
}

/// Draws image `index` of `split` into a square of `pixels`.
fn draw(seed: u64, split: u32, index: usize, pixels: &mut [u8]) {
    let side = pixels.len().isqrt();
    let key = NoiseKey::new(seed, Stream::DataSynthesis, split);
    let mut rng = PhiloxRng::new(key, index as u32);
    let glyphs = GLYPHS[class_of(index)];
    let glyph = glyphs[rng.random_range(0..glyphs.len() as u32) as usize];
    let hand = Hand::new(&mut rng);
    let mut curves: Vec<Vec<Dab>> = glyph
        .iter()
        .map(|stroke| hand.write(stroke, &mut rng))
        .collect();
    fit_to_frame(&mut curves, side as f32, &mut rng);

    let mut canvas = Canvas::new(side);
    curves.iter().for_each(|curve| canvas.draw(curve));
    canvas.write(pixels);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(train_images: usize, image_size: usize, seed: u64) -> Dataset {
        let config = DataConfig {
            train_images,
            test_images: 30,
            image_size,
            ..DataConfig::default()
        };
        load(&config, seed).unwrap()
    }

    #[test]
    fn an_image_is_the_same_alone_and_in_any_set() {
        let (small, large) = (digits(40, 16, 1).train, digits(70, 16, 1).train);
        let mut alone = [0; 256];
        draw(1, 0, 37, &mut alone);
        assert_eq!(small.image(37), alone);
        assert_eq!(large.image(37), alone);
    }

    #[test]
    fn seeds_splits_and_indices_give_different_images() {
        let (one, other) = (digits(30, 28, 1), digits(30, 28, 2));
        let test = one.test.unwrap();
        for i in 0..20 {
            assert_ne!(one.train.image(i), other.train.image(i));
            assert_ne!(one.train.image(i), test.image(i));
            assert_ne!(one.train.image(i), one.train.image(i + 10));
        }
    }

    #[test]
    fn classes_are_balanced_and_named() {
        let train = digits(500, 8, 0).train;
        assert_eq!(train.class_frequencies(), [0.1; 10]);
        assert_eq!(train.class_names[7], "7");
        assert_eq!((train.len(), train.pixels.len()), (500, 500 * 64));
    }

    #[test]
    fn digits_are_white_on_black_and_centred_at_every_size() {
        for side in [8, 16, 28, 64] {
            let train = digits(300, side, 4).train;
            for i in 0..train.len() {
                let image = train.image(i);
                let ink = |pixel: usize| f64::from(image[pixel]);
                let mass: f64 = (0..image.len()).map(ink).sum();
                let column: f64 = (0..image.len()).map(|p| (p % side) as f64 * ink(p)).sum();
                let row: f64 = (0..image.len()).map(|p| (p / side) as f64 * ink(p)).sum();
                let (middle, off) = ((side - 1) as f64 / 2.0, 0.12 * side as f64);
                assert!(
                    (column / mass - middle).abs() < off,
                    "image {i} of side {side}"
                );
                assert!(
                    (row / mass - middle).abs() < off,
                    "image {i} of side {side}"
                );
                assert!(image.iter().any(|&v| v > 120), "image {i} of side {side}");
                assert_eq!(image[0], 0, "image {i} of side {side}");
            }
        }
    }

    #[test]
    fn refuses_sizes_channels_and_counts_that_it_cannot_draw() {
        let message = |change: fn(&mut DataConfig)| {
            let mut config = DataConfig::default();
            change(&mut config);
            load(&config, 0).unwrap_err().to_string()
        };
        assert_eq!(
            message(|config| config.image_size = 65),
            "`data.image_size` is 65: digits are drawn at 8 to 64 pixels; 0 stands for 28"
        );
        assert_eq!(
            message(|config| config.channels = 3),
            "`data.channels` is 3: this dataset is grey: use 1, or 0 for the dataset's own"
        );
        assert_eq!(
            message(|config| config.train_images = 0),
            "`data.train_images` is 0: ask for at least one image"
        );
    }
}
