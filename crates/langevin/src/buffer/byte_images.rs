//! Keep images that do not change on a device, a byte a pixel.

use burn::tensor::{Device, Int, Tensor};
use ebm_core::index_tensor;

use super::bytes::{unpack, words_of_images};

/// Bytes of a tensor of them, at most: half of what every GPU can bind to a kernel.
const PART: usize = 1 << 26;

/// Images of 8-bit pixels on a device.
#[derive(Clone, Debug)]
pub struct ByteImages {
    /// So many images one after the other, the last part fewer; `[images, pixels / 4 rounded up]` each.
    parts: Vec<Tensor<2, Int>>,
    images_of_part: usize,
    shape: [usize; 3],
}

impl ByteImages {
    /// Bring images to a device, all of them once.
    ///
    /// # Shapes
    /// - `pixels`: `[images, channels, height, width]`, row-major; `shape`: that of an image
    ///
    /// # Panics
    /// If an image has no pixels.
    pub fn new(pixels: &[u8], shape: [usize; 3], device: &Device) -> Self {
        Self::in_parts(pixels, shape, device, PART)
    }

    fn in_parts(pixels: &[u8], shape: [usize; 3], device: &Device, part: usize) -> Self {
        let image: usize = shape.iter().product();
        assert!(image > 0, "images of {shape:?} have no pixels");
        let images_of_part = (part / image.next_multiple_of(4)).max(1);
        let parts = pixels.chunks(images_of_part * image);
        Self {
            parts: parts
                .map(|part| words_of_images(part, image, device))
                .collect(),
            images_of_part,
            shape,
        }
    }

    /// The byte values, 0 to 255, of some images, which may repeat.
    ///
    /// # Shapes
    /// - returns `[ids, channels, height, width]`
    ///
    /// # Panics
    /// If there are no ids, or an image is not there.
    pub fn values(&self, ids: &[usize]) -> Tensor<4> {
        let mut places: Vec<usize> = (0..ids.len()).collect();
        places.sort_by_key(|&place| ids[place] / self.images_of_part);
        let of_part =
            places.chunk_by(|&a, &b| ids[a] / self.images_of_part == ids[b] / self.images_of_part);
        let selected = of_part.map(|places| {
            let part = &self.parts[ids[places[0]] / self.images_of_part];
            let rows = places
                .iter()
                .map(|&place| (ids[place] % self.images_of_part) as u32);
            let rows: Vec<u32> = rows.collect();
            part.clone().select(0, index_tensor(&rows, &part.device()))
        });
        let mut words: Vec<_> = selected.collect();
        let words = match words.len() {
            1 => words.remove(0),
            _ => {
                let mut back = vec![0; places.len()];
                let moved = (0u32..).zip(&places);
                moved.for_each(|(to, &place)| back[place] = to);
                let back = index_tensor(&back, &words[0].device());
                Tensor::cat(words, 0).select(0, back)
            }
        };
        let [channels, height, width] = self.shape;
        unpack(words, channels * height * width).reshape([ids.len(), channels, height, width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_come_back_in_the_order_asked_for_however_many_parts_hold_them() {
        let (shape, device) = ([2, 3, 3], Device::flex());
        let pixels: Vec<u8> = (0..7 * 18).map(|i| (i * 37 % 256) as u8).collect();
        let ids = [6, 0, 3, 3, 5, 1];
        let expected: Vec<f32> = ids
            .iter()
            .flat_map(|id| &pixels[id * 18..][..18])
            .map(|&byte| f32::from(byte))
            .collect();
        for part in [1, 50, 100, 1 << 20] {
            let images = ByteImages::in_parts(&pixels, shape, &device, part);
            let got = images.values(&ids);
            assert_eq!(got.dims(), [6, 2, 3, 3]);
            assert_eq!(got.into_data().iter::<f32>().collect::<Vec<_>>(), expected);
        }
    }
}
