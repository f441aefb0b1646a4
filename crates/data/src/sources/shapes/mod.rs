//! Draw white squares, ellipses and hearts on black, every image a function of (seed, split, index)
//! alone (after dSprites, Matthey et al. 2017).

mod outline;

use ebm_core::ImageShape;
use rayon::prelude::*;

use crate::config::DataConfig;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::factor::{Factor, Factors, factors};
use crate::images::Images;

use outline::render;

/// Draws the training and the test images.
pub(super) fn load(config: &DataConfig, seed: u64) -> Result<Dataset, DataError> {
    let remedy = "shapes are drawn at 16 to 128 pixels; 0 stands for 64";
    let side = config.side_within(16..=128, remedy)?;
    config.grey_only()?;
    config.some_training_images()?;
    if config.upright && config.factor == Factor::Rotation {
        return Err(DataError::UprightRotation);
    }
    let synthesize = |count, split| synthesize(count, side, config, seed, split);
    let test = (config.test_images > 0).then(|| synthesize(config.test_images, 1));
    Ok(Dataset::of_train(synthesize(config.train_images, 0)).with_test(Ok(test)))
}

/// Draws images 0 to `count` − 1 of `split` (0 training, 1 test), labelled with `config.factor`.
fn synthesize(count: usize, side: usize, config: &DataConfig, seed: u64, split: u32) -> Images {
    let (shape, factor) = (ImageShape::new(1, side, side), config.factor);
    let shown = |i| match config.upright {
        true => Factors {
            rotation: 0,
            ..factors(seed, split, i)
        },
        false => factors(seed, split, i),
    };
    let drawn: Vec<Factors> = (0..count).map(shown).collect();
    let mut pixels = vec![0; count * shape.pixels()];
    pixels
        .par_chunks_mut(shape.pixels())
        .zip(&drawn)
        .for_each(|(image, shown)| render(shown, side, image));
    Images {
        pixels: pixels.into(),
        shape,
        labels: drawn.iter().map(|shown| factor.class_of(shown)).collect(),
        class_names: factor.class_names(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::DatasetKind;

    fn shapes(train_images: usize, image_size: usize, factor: Factor, seed: u64) -> Dataset {
        let config = DataConfig {
            dataset: DatasetKind::Shapes,
            train_images,
            test_images: 30,
            image_size,
            factor,
            ..DataConfig::default()
        };
        load(&config, seed).unwrap()
    }

    fn picture(factors: &Factors, side: usize) -> Vec<u8> {
        let mut pixels = vec![7; side * side];
        render(factors, side, &mut pixels);
        pixels
    }

    #[test]
    fn an_image_is_the_same_alone_in_any_set_and_under_any_label() {
        let small = shapes(40, 16, Factor::Shape, 1);
        let large = shapes(70, 16, Factor::X, 1);
        let alone = picture(&factors(1, 0, 37), 16);
        assert_eq!(small.train.image(37), alone);
        assert_eq!(large.train.image(37), alone);
        assert_eq!(small.test, shapes(70, 16, Factor::Shape, 1).test);
        let test = small.test.unwrap();
        assert_eq!(test.image(5), picture(&factors(1, 1, 5), 16));
    }

    #[test]
    fn labels_are_the_values_drawn() {
        let (seed, count) = (5, 200);
        let check = |factor: Factor, value: fn(Factors) -> u32| {
            let set = shapes(count, 16, factor, seed);
            let test = set.test.unwrap();
            assert_eq!(set.train.class_names, factor.class_names());
            assert_eq!(test.class_names, factor.class_names());
            for (split, images) in [(0, set.train), (1, test)] {
                for (index, &label) in images.labels.iter().enumerate() {
                    let drawn = value(factors(seed, split, index));
                    assert_eq!(label, drawn, "{factor} of {index} in {split}");
                }
            }
        };
        check(Factor::Shape, |drawn| drawn.shape);
        check(Factor::Size, |drawn| drawn.size);
        check(Factor::Rotation, |drawn| drawn.rotation);
        check(Factor::X, |drawn| drawn.x);
        check(Factor::Y, |drawn| drawn.y);
        check(Factor::Position, |drawn| drawn.y / 4 * 8 + drawn.x / 4);
    }

    #[test]
    fn upright_shapes_differ_from_the_others_in_their_rotation_alone() {
        let config = DataConfig {
            dataset: DatasetKind::Shapes,
            train_images: 40,
            image_size: 16,
            factor: Factor::Position,
            upright: true,
            ..DataConfig::default()
        };
        let upright = load(&config, 1).unwrap();
        let turned = shapes(40, 16, Factor::Position, 1);
        assert_eq!(upright.train.labels, turned.train.labels);
        for (set, split) in [(upright.train, 0), (upright.test.unwrap(), 1)] {
            for index in 0..40 {
                let shown = Factors {
                    rotation: 0,
                    ..factors(1, split, index)
                };
                assert_eq!(set.image(index), picture(&shown, 16), "{index} of {split}");
            }
        }
        let rotation = DataConfig {
            factor: Factor::Rotation,
            ..config
        };
        assert_eq!(
            load(&rotation, 1).unwrap_err().to_string(),
            "`data.factor` is rotation, of which `data.upright` leaves one: set `data.upright=false`, or another factor"
        );
    }

    #[test]
    fn refuses_sizes_channels_and_counts_that_it_cannot_draw() {
        let message = |change: fn(&mut DataConfig)| {
            let mut config = DataConfig {
                dataset: DatasetKind::Shapes,
                ..DataConfig::default()
            };
            change(&mut config);
            load(&config, 0).unwrap_err().to_string()
        };
        assert_eq!(
            message(|config| config.image_size = 15),
            "`data.image_size` is 15: shapes are drawn at 16 to 128 pixels; 0 stands for 64"
        );
        assert_eq!(
            message(|config| config.image_size = 129),
            "`data.image_size` is 129: shapes are drawn at 16 to 128 pixels; 0 stands for 64"
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
