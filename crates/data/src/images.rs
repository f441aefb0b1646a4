//! Hold a labelled set of 8-bit images.

use std::collections::BTreeSet;

use ebm_core::{ImageShape, NoiseKey, PhiloxRng, Stream};
use rand::RngExt;
use rayon::prelude::*;

use crate::pixels::Pixels;
use crate::resize::resize_plane;

/// A labelled set of 8-bit images, in memory or in a packed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Row-major `[n, c, h, w]`.
    pub pixels: Pixels,
    /// Shape of every image.
    pub shape: ImageShape,
    /// One class per image, below `class_names.len()`; all 0 when unlabelled.
    pub labels: Vec<u32>,
    /// Names of the classes; empty when unlabelled.
    pub class_names: Vec<String>,
}

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Pixels of image `index`, `[c, h, w]`.
    ///
    /// # Panics
    /// If `index` is not below `len()`.
    pub fn image(&self, index: usize) -> &[u8] {
        let stride = self.shape.pixels();
        &self.pixels[index * stride..(index + 1) * stride]
    }

    /// Indices of `num` images, one at random from each of as many equal parts of the set, always the same:
    /// one sorted by class shows all of its classes, and so does one in which they come in turn. An image
    /// comes more than once only where `num` exceeds [`len`](Self::len).
    pub fn spread(&self, num: usize) -> Vec<usize> {
        let mut rng = PhiloxRng::new(NoiseKey::new(0, Stream::DataExamples, 0), 0);
        let part = |i: usize| (i * self.len() / num, (i + 1) * self.len() / num);
        (0..num)
            .map(|i| {
                let (start, end) = part(i);
                rng.random_range(start as u32..end.max(start + 1) as u32) as usize
            })
            .collect()
    }

    /// `num` images, [spread](Self::spread) over the set, or all of them where there are no more.
    pub fn some(&self, num: usize) -> Self {
        if num >= self.len() {
            return self.clone();
        }
        let indices = self.spread(num);
        Self {
            pixels: self.gather(&indices).into(),
            shape: self.shape,
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
            class_names: self.class_names.clone(),
        }
    }

    /// Index of an image of each of these classes, spread evenly over the class; of any image where the
    /// set has none of a class.
    pub fn of_classes(&self, classes: &[u32]) -> Vec<usize> {
        let mut indices = self.spread(classes.len());
        let asked: BTreeSet<u32> = classes.iter().copied().collect();
        for class in asked {
            let members: Vec<usize> = (0..self.len())
                .filter(|&index| self.labels[index] == class)
                .collect();
            let places: Vec<usize> = (0..classes.len())
                .filter(|&place| classes[place] == class)
                .collect();
            if !members.is_empty() {
                for (i, &place) in places.iter().enumerate() {
                    indices[place] = members[i * members.len() / places.len()];
                }
            }
        }
        indices
    }

    /// The pixels of some images, `[indices, c, h, w]`.
    ///
    /// # Panics
    /// If an index is not below `len()`.
    pub fn gather(&self, indices: &[usize]) -> Vec<u8> {
        let images = indices.iter().flat_map(|&index| self.image(index));
        images.copied().collect()
    }

    /// Share of the images in each class; empty when unlabelled.
    pub fn class_frequencies(&self) -> Vec<f64> {
        let mut counts = vec![0usize; self.class_names.len()];
        if !counts.is_empty() {
            self.labels
                .iter()
                .for_each(|&label| counts[label as usize] += 1);
        }
        let total = self.len().max(1) as f64;
        counts.iter().map(|&count| count as f64 / total).collect()
    }

    /// The images of these classes, which are numbered anew in the order that they had.
    pub fn of_names(&self, names: &[String]) -> Self {
        let kept: Vec<bool> = self
            .class_names
            .iter()
            .map(|name| names.contains(name))
            .collect();
        let number = |class: u32| {
            kept[..class as usize]
                .iter()
                .filter(|&&is_kept| is_kept)
                .count() as u32
        };
        let indices: Vec<usize> = (0..self.len())
            .filter(|&index| kept[self.labels[index] as usize])
            .collect();
        let class_names = self.class_names.iter().filter(|name| names.contains(name));
        Self {
            pixels: self.gather(&indices).into(),
            shape: self.shape,
            labels: indices
                .iter()
                .map(|&index| number(self.labels[index]))
                .collect(),
            class_names: class_names.cloned().collect(),
        }
    }

    /// The images at `side` × `side`, each channel by itself; 0 stands for the size that they have.
    pub(crate) fn resized(self, side: usize) -> Self {
        let ImageShape {
            channels,
            height,
            width,
        } = self.shape;
        if side == 0 || (height, width) == (side, side) {
            return self;
        }
        let shape = ImageShape::new(channels, side, side);
        let mut pixels = vec![0; self.len() * shape.pixels()];
        pixels
            .par_chunks_mut(side * side)
            .zip(self.pixels.par_chunks(height * width))
            .for_each(|(to, from)| {
                to.copy_from_slice(&resize_plane(from, width, height, side));
            });
        Self {
            pixels: pixels.into(),
            shape,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_frequencies_are_shares_and_unlabelled_sets_have_none() {
        let shape = ImageShape::new(1, 1, 2);
        let mut images = Images {
            pixels: (0..8).collect(),
            shape,
            labels: vec![0, 2, 2, 2],
            class_names: ["a", "b", "c"].map(String::from).to_vec(),
        };
        assert_eq!(images.class_frequencies(), [0.25, 0.0, 0.75]);
        assert_eq!(images.image(2), [4, 5]);
        assert_eq!((images.len(), images.is_empty()), (4, false));
        assert_eq!(shape.to_string(), "1×1×2");

        images.class_names.clear();
        images.labels.fill(0);
        assert!(images.class_frequencies().is_empty());
    }

    #[test]
    fn examples_come_from_the_whole_set_and_are_of_the_classes_asked_for() {
        let images = Images {
            pixels: (0..6).collect(),
            shape: ImageShape::new(1, 1, 1),
            labels: vec![0, 0, 0, 0, 1, 1],
            class_names: ["a", "b"].map(String::from).to_vec(),
        };
        let spread = images.spread(3);
        let parts = spread.iter().enumerate();
        assert!(
            parts.clone().all(|(part, index)| index / 2 == part),
            "{spread:?}"
        );
        assert_eq!(images.spread(3), spread);
        assert_eq!(images.spread(6), [0, 1, 2, 3, 4, 5]);
        assert_eq!(images.spread(12).len(), 12);
        assert_eq!(images.of_classes(&[1, 0, 1, 0]), [4, 0, 5, 2]);
        assert_eq!(images.of_classes(&[7, 1])[1], 4, "there is no class 7");
        assert_eq!(images.gather(&[5, 1]), [5, 1]);
    }

    #[test]
    fn images_of_some_classes_keep_their_order_and_are_numbered_anew() {
        let images = Images {
            pixels: (0..10).collect(),
            shape: ImageShape::new(1, 1, 2),
            labels: vec![2, 1, 0, 2, 1],
            class_names: ["a", "b", "c"].map(String::from).to_vec(),
        };
        let some = images.of_names(&["c".to_owned(), "b".to_owned()]);
        assert_eq!(some.pixels, [0, 1, 2, 3, 6, 7, 8, 9]);
        assert_eq!(some.labels, [1, 0, 1, 0]);
        assert_eq!(some.class_names, ["b", "c"]);
        assert_eq!(images.of_names(&images.class_names), images);
        assert!(images.of_names(&[]).is_empty());
    }

    #[test]
    fn images_whose_classes_come_in_turn_are_not_shown_by_one_class_alone() {
        let images = Images {
            pixels: vec![0; 20_000].into(),
            shape: ImageShape::new(1, 1, 1),
            labels: (0..20_000).map(|i| i % 10).collect(),
            class_names: (0..10).map(|class| class.to_string()).collect(),
        };
        for num in [64, 100, 200] {
            let labels = images.spread(num).into_iter().map(|i| images.labels[i]);
            assert_eq!(labels.collect::<BTreeSet<_>>().len(), 10, "{num}");
        }
    }

    #[test]
    fn resizing_weighs_neighbours_by_the_triangle_filter_in_each_channel_by_itself() {
        let row = [7, 14, 21, 28];
        let images = Images {
            pixels: [[row; 4].concat(), vec![0; 16], vec![255; 16]]
                .concat()
                .into(),
            shape: ImageShape::new(3, 4, 4),
            labels: vec![0],
            class_names: vec!["a".into()],
        };
        let small = images.clone().resized(2);
        assert_eq!(small.shape, ImageShape::new(3, 2, 2));
        // (3·7 + 3·14 + 21) / 7 and (14 + 3·21 + 3·28) / 7.
        assert_eq!(
            small.pixels,
            [12, 23, 12, 23, 0, 0, 0, 0, 255, 255, 255, 255]
        );
        assert_eq!(images.clone().resized(0), images);
        assert_eq!(images.clone().resized(4), images);
    }
}
