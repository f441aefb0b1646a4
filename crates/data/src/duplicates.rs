//! Find images that come more than once.

use std::collections::HashSet;

use crate::images::Images;

/// How many images have the pixels of an earlier one.
pub fn duplicates(images: &Images) -> usize {
    images.len() - each(images).collect::<HashSet<_>>().len()
}

/// How many of these images are training images, too.
///
/// # Panics
/// If their shapes differ.
pub fn trained_on(images: &Images, train: &Images) -> usize {
    let (shape, other) = (images.shape, train.shape);
    assert!(shape == other, "expected {other} images, got {shape}");
    let known: HashSet<&[u8]> = each(train).collect();
    each(images).filter(|image| known.contains(image)).count()
}

fn each(images: &Images) -> impl Iterator<Item = &[u8]> {
    (0..images.len()).map(|index| images.image(index))
}

#[cfg(test)]
mod tests {
    use ebm_core::ImageShape;

    use super::*;

    fn images(pixels: &[u8]) -> Images {
        Images {
            pixels: pixels.to_vec().into(),
            shape: ImageShape::new(1, 1, 2),
            labels: vec![0; pixels.len() / 2],
            class_names: vec![],
        }
    }

    #[test]
    fn an_image_that_comes_three_times_is_two_duplicates() {
        assert_eq!(duplicates(&images(&[1, 2, 3, 4, 1, 2, 1, 2, 2, 1])), 2);
        assert_eq!(duplicates(&images(&[])), 0);
    }

    #[test]
    fn held_out_images_are_looked_up_among_those_to_train_on() {
        let train = images(&[1, 2, 3, 4, 5, 6]);
        assert_eq!(trained_on(&images(&[3, 4, 4, 3, 3, 4]), &train), 2);
    }
}
