//! Measure how far samples are from data, on the scale on which noise is at 1.

use ebm_core::ImageShape;

/// Images are halved while their sides stay at least this long.
const SMALLEST_SIDE: usize = 4;

/// The energy distance of samples from data (Székely & Rizzo 2013; unbiased) as a share of that
/// of noise from data, averaged over the scales of an image: 0 where samples are as close to the data as
/// other data are, up to chance, 1 where they are as far as noise.
///
/// Averages over blocks of pixels count as much as pixels do: noise of the right brightness has them
/// wrong. `None` where there are fewer than two images of a kind, or the data are as far from other data as from
/// noise: then nothing is measured.
///
/// # Shapes
/// - `samples`, `data`, `noise`: `[num, channels, height, width]`, a byte a pixel
pub(super) fn distance_share(
    samples: &[u8],
    data: &[u8],
    noise: &[u8],
    shape: ImageShape,
) -> Option<f64> {
    let mut levels = [samples, data, noise].map(|bytes| Level::of(bytes, shape));
    if levels.iter().any(|level| level.images().len() < 2) {
        return None;
    }
    let mut shares = Vec::new();
    loop {
        let [samples, data, noise] = &levels;
        let of_noise = noise.distance(data);
        let is_scale = of_noise > 0.0;
        shares.push(is_scale.then(|| samples.distance(data) / of_noise)?);
        if levels[0].height.min(levels[0].width) < 2 * SMALLEST_SIDE {
            return Some(shares.iter().sum::<f64>() / shares.len() as f64);
        }
        levels = levels.map(|level| level.halved());
    }
}

/// Images of one scale.
struct Level {
    /// `[planes, height, width]`, the planes of an image one after the other.
    pixels: Vec<f32>,
    channels: usize,
    height: usize,
    width: usize,
}

impl Level {
    fn of(bytes: &[u8], shape: ImageShape) -> Self {
        Self {
            pixels: bytes.iter().copied().map(f32::from).collect(),
            channels: shape.channels,
            height: shape.height,
            width: shape.width,
        }
    }

    /// Means of blocks of 2×2 pixels; an odd last row or column is left out.
    fn halved(self) -> Self {
        let (height, width) = (self.height / 2, self.width / 2);
        let mut pixels = Vec::with_capacity(self.pixels.len() / 4);
        for plane in self.pixels.chunks_exact(self.height * self.width) {
            for rows in plane.chunks_exact(2 * self.width) {
                let (upper, lower) = rows.split_at(self.width);
                let blocks = upper.chunks_exact(2).zip(lower.chunks_exact(2));
                pixels.extend(blocks.map(|(a, b)| (a[0] + a[1] + b[0] + b[1]) / 4.0));
            }
        }
        Self {
            pixels,
            height,
            width,
            ..self
        }
    }

    fn images(&self) -> std::slice::ChunksExact<'_, f32> {
        let image = self.channels * self.height * self.width;
        self.pixels.chunks_exact(image)
    }

    /// 2E|x − y| − E|x − x′| − E|y − y′|, over different images.
    fn distance(&self, other: &Self) -> f64 {
        2.0 * self.mean_across(other) - self.mean_within() - other.mean_within()
    }

    fn mean_across(&self, other: &Self) -> f64 {
        let pairs = (self.images()).flat_map(|x| other.images().map(move |y| norm(x, y)));
        pairs.sum::<f64>() / (self.images().len() * other.images().len()) as f64
    }

    fn mean_within(&self) -> f64 {
        let num = self.images().len();
        let pairs = self.images().enumerate().flat_map(|(i, x)| {
            let others = self.images().skip(i + 1);
            others.map(move |y| norm(x, y))
        });
        2.0 * pairs.sum::<f64>() / (num * num.saturating_sub(1)) as f64
    }
}

/// |x − y|.
fn norm(x: &[f32], y: &[f32]) -> f64 {
    let squares = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y));
    f64::from(squares.sum::<f32>()).sqrt()
}

#[cfg(test)]
mod tests {
    use ebm_core::{Distribution, NoiseKey, Stream};

    use super::*;

    const SHAPE: ImageShape = ImageShape::new(1, 16, 16);
    const NUM: usize = 64;

    /// Uniform noise.
    fn noise(iteration: u32) -> Vec<u8> {
        let key = NoiseKey::new(3, Stream::Sample, iteration);
        let mut draws = vec![0.0; NUM * SHAPE.pixels()];
        key.fill(0, Distribution::Uniform, &mut draws);
        draws.iter().map(|draw| (draw * 255.0) as u8).collect()
    }

    /// Images of one brightness each, from 0 to 255.
    fn flat(iteration: u32) -> Vec<u8> {
        let images = noise(iteration);
        let brightness = images.iter().step_by(SHAPE.pixels());
        brightness.flat_map(|&b| [b; SHAPE.pixels()]).collect()
    }

    #[test]
    fn other_data_are_at_nought_and_noise_is_at_one() {
        let share = |samples: &[u8]| {
            distance_share(samples, &flat(1), &noise(2), SHAPE).expect("a distance")
        };
        // 64 images of one dimension: their unbiased distance is nought up to a standard error of
        // about 1/64 of the spread of the data.
        assert!(share(&flat(3)).abs() < 0.1, "{}", share(&flat(3)));
        assert!((share(&noise(4)) - 1.0).abs() < 0.1, "{}", share(&noise(4)));
        assert_eq!(share(&noise(2)), 1.0);
    }

    #[test]
    fn samples_that_are_all_the_same_are_far() {
        let one = flat(1)[..SHAPE.pixels()].repeat(NUM);
        let share = distance_share(&one, &flat(1), &noise(2), SHAPE);
        assert!(share.is_some_and(|share| share > 0.3), "{share:?}");
    }

    #[test]
    fn nothing_is_measured_by_a_single_image_of_a_kind_or_by_data_that_are_noise() {
        let (images, data, noise) = (flat(1), flat(3), noise(2));
        let one = |set: &[u8]| set[..SHAPE.pixels()].to_vec();
        let two = |set: &[u8]| set[..2 * SHAPE.pixels()].to_vec();
        for sets in [
            [&one(&images), &data, &noise],
            [&images, &one(&data), &noise],
            [&one(&images), &one(&data), &one(&noise)],
            [&images, &noise, &noise],
        ] {
            let [images, data, noise] = sets;
            assert_eq!(distance_share(images, data, noise, SHAPE), None);
        }
        let of_few = distance_share(&two(&images), &two(&data), &two(&noise), SHAPE);
        assert!(of_few.is_none_or(f64::is_finite), "{of_few:?}");
        // Data that are the same image twice are far from noise.
        let same = one(&data).repeat(2);
        let of_same = distance_share(&same, &same, &noise, SHAPE);
        assert_eq!(of_same, Some(0.0));
    }

    #[test]
    fn a_block_becomes_its_mean_in_each_plane() {
        let shape = ImageShape::new(2, 2, 4);
        let bytes = [0, 2, 10, 10, 4, 6, 10, 10, 8, 8, 0, 0, 8, 8, 0, 4];
        let halved = Level::of(&bytes, shape).halved();
        assert_eq!(halved.pixels, [3.0, 10.0, 8.0, 1.0]);
        assert_eq!((halved.height, halved.width), (1, 2));
    }
}
