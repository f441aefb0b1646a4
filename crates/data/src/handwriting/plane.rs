//! Hold a grey picture of floats: shrink it, enlarge it, cut it, say where it is bright.

use std::ops::Range;

/// A grey picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plane {
    /// Row-major `[height, width]`.
    pub(super) pixels: Vec<f32>,
    pub(super) height: usize,
    pub(super) width: usize,
}

/// Rows and columns of a part of a plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
}

impl Region {
    /// The larger of height and width.
    pub(super) fn longer(&self) -> usize {
        self.rows.len().max(self.columns.len())
    }

    /// Pixels.
    pub(super) fn area(&self) -> usize {
        self.rows.len() * self.columns.len()
    }
}

/// New pixels along a line of old ones: pixel `i` is the mean from `start + i·step` to one step further, or of the
/// length of one old pixel around the same middle where steps are shorter, which interpolates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampling {
    pub(super) start: f64,
    pub(super) step: f64,
    pub(super) count: usize,
}

impl Sampling {
    /// So many pixels over a whole line of `len`.
    fn whole(len: usize, count: usize) -> Self {
        Self {
            start: 0.0,
            step: len as f64 / count as f64,
            count,
        }
    }

    /// For each new pixel the first old one that it sees, and the weights of that one and those after it: their sum
    /// is 1, or there is none where the line of `len` has ended.
    fn windows(self, len: usize) -> Vec<(usize, Vec<f32>)> {
        let half = 0.5 * self.step.max(1.0);
        let window = |index: usize| {
            let middle = self.start + (index as f64 + 0.5) * self.step;
            let low = (middle - half).max(0.0);
            let high = (middle + half).min(len as f64);
            if low >= high {
                return (0, Vec::new());
            }
            let first = low as usize;
            let end = (high.ceil() as usize).min(len);
            let share = |pixel: usize| {
                let overlap = high.min(pixel as f64 + 1.0) - low.max(pixel as f64);
                (overlap / (high - low)) as f32
            };
            (first, (first..end).map(share).collect())
        };
        (0..self.count).map(window).collect()
    }
}

impl Plane {
    /// # Panics
    /// If there are not `height` × `width` pixels, or none.
    pub(super) fn new(pixels: Vec<f32>, height: usize, width: usize) -> Self {
        let got = pixels.len();
        assert!(
            got > 0 && got == height * width,
            "expected {height} × {width} pixels, at least one, got {got}"
        );
        Self {
            pixels,
            height,
            width,
        }
    }

    pub(super) fn row(&self, y: usize) -> &[f32] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.pixels.chunks_exact(self.width)
    }

    /// White where it is black.
    pub(super) fn inverted(&self) -> Self {
        let pixels = self.pixels.iter().map(|grey| 1.0 - grey).collect();
        Self { pixels, ..*self }
    }

    /// The rows and the columns that `rows` and `columns` name: 0 where the plane has none.
    pub(super) fn resampled(&self, rows: Sampling, columns: Sampling) -> Self {
        let mut between = Vec::with_capacity(rows.count * self.width);
        for (first, weights) in rows.windows(self.height) {
            let mut line = vec![0.0; self.width];
            for (y, weight) in (first..).zip(&weights) {
                for (sum, grey) in line.iter_mut().zip(self.row(y)) {
                    *sum += weight * grey;
                }
            }
            between.extend(line);
        }
        let windows = columns.windows(self.width);
        let mut pixels = Vec::with_capacity(rows.count * columns.count);
        for line in between.chunks_exact(self.width) {
            pixels.extend(windows.iter().map(|(first, weights)| {
                let products = weights.iter().zip(&line[*first..]);
                products.map(|(weight, grey)| weight * grey).sum::<f32>()
            }));
        }
        Self::new(pixels, rows.count, columns.count)
    }

    /// The whole at another size.
    pub(super) fn resized(&self, height: usize, width: usize) -> Self {
        self.resampled(
            Sampling::whole(self.height, height),
            Sampling::whole(self.width, width),
        )
    }

    /// The whole, its longer side at most `longest`.
    pub(super) fn shrunk(&self, longest: usize) -> Self {
        let longer = self.height.max(self.width);
        if longer <= longest {
            return self.clone();
        }
        let scale = longest as f64 / longer as f64;
        let [height, width] =
            [self.height, self.width].map(|side| ((side as f64 * scale).round() as usize).max(1));
        self.resized(height, width)
    }

    /// A part.
    pub(super) fn cut(&self, region: &Region) -> Self {
        let rows = region.rows.clone().map(|y| self.row(y));
        let parts = rows.flat_map(|row| &row[region.columns.clone()]);
        let (height, width) = (region.rows.len(), region.columns.len());
        Self::new(parts.copied().collect(), height, width)
    }

    /// The least region with all pixels above `level`; `None` where there is none.
    pub(super) fn region_above(&self, level: f32) -> Option<Region> {
        let is_above = |grey: &f32| *grey > level;
        let first = self.rows().position(|row| row.iter().any(is_above))?;
        let (mut last, mut left, mut right) = (first, self.width, 0);
        for (y, row) in self.rows().enumerate().skip(first) {
            if let (Some(begin), Some(end)) = (
                row.iter().position(is_above),
                row.iter().rposition(is_above),
            ) {
                (last, left, right) = (y, left.min(begin), right.max(end));
            }
        }
        Some(Region {
            rows: first..last + 1,
            columns: left..right + 1,
        })
    }

    /// Row and column around which the plane balances, from the upper left corner of its first pixel.
    pub(super) fn centre_of_mass(&self) -> [f64; 2] {
        let (mut mass, mut moments) = (0.0, [0.0; 2]);
        for (y, row) in self.rows().enumerate() {
            for (x, &grey) in row.iter().enumerate() {
                let grey = f64::from(grey);
                mass += grey;
                moments[0] += grey * (y as f64 + 0.5);
                moments[1] += grey * (x as f64 + 0.5);
            }
        }
        moments.map(|moment| moment / mass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(height: usize, width: usize) -> Plane {
        let pixels = (0..height * width).map(|i| i as f32).collect();
        Plane::new(pixels, height, width)
    }

    #[test]
    fn shrinking_averages_areas_and_enlarging_interpolates() {
        let small = Plane::new(vec![1.0, 2.0, 6.0, 1.0, 2.0, 6.0], 2, 3).resized(1, 2);
        // (1 + 2/2) / 1.5 and (2/2 + 6) / 1.5.
        assert!((small.pixels[0] - 4.0 / 3.0).abs() < 1e-6);
        assert!((small.pixels[1] - 14.0 / 3.0).abs() < 1e-6);
        let large = Plane::new(vec![0.0, 4.0], 1, 2).resized(1, 4);
        assert_eq!(large.pixels, [0.0, 1.0, 3.0, 4.0]);
        assert_eq!(plane(2, 3).resized(2, 3), plane(2, 3));
        let shrunk = plane(10, 40).shrunk(20);
        assert_eq!((shrunk.height, shrunk.width), (5, 20));
        assert_eq!(plane(10, 40).shrunk(40), plane(10, 40));
    }

    #[test]
    fn beyond_its_frame_a_plane_is_black() {
        let beside = Sampling {
            start: -2.0,
            step: 1.0,
            count: 5,
        };
        let whole = Sampling::whole(1, 1);
        let line = Plane::new(vec![7.0, 8.0], 1, 2).resampled(whole, beside);
        assert_eq!(line.pixels, [0.0, 0.0, 7.0, 8.0, 0.0]);
    }

    #[test]
    fn the_bright_region_is_as_small_as_can_be() {
        let mut dark = Plane::new(vec![0.0; 20], 4, 5);
        assert_eq!(dark.region_above(0.5), None);
        (dark.pixels[6], dark.pixels[13]) = (0.9, 0.6);
        let region = dark.region_above(0.5).unwrap();
        let expected = Region {
            rows: 1..3,
            columns: 1..4,
        };
        assert_eq!(region, expected);
        assert_eq!((region.longer(), region.area()), (3, 6));
        assert_eq!(dark.cut(&region).pixels, [0.9, 0.0, 0.0, 0.0, 0.0, 0.6]);
    }

    #[test]
    fn the_centre_of_mass_of_one_pixel_is_its_middle() {
        let mut dark = Plane::new(vec![0.0; 20], 4, 5);
        dark.pixels[13] = 0.3;
        assert_eq!(dark.centre_of_mass(), [2.5, 3.5]);
    }
}
