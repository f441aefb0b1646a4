//! Measure the noise of a picture.

use ebm_data::Planes;

/// Median of |x| for x ~ N(0, 1).
const MEDIAN_OF_NORMAL: f64 = 0.674_489_750_196_081_7;

/// The difference of two Laplacians, zero wherever a picture is linear along its rows or along its columns; of noise
/// σ = 1 it has the standard deviation 6 (Immerkær, *Fast noise variance estimation*, 1996).
const DIFFERENCE: [[f32; 3]; 3] = [[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]];
const STD_OF_DIFFERENCE: f64 = 6.0;

/// Differences that are taken of a plane, where there are as many: no fewer, and less than four times as many.
const PLACES: usize = 1 << 20;

/// σ of the Gaussian noise of a picture, for values from 0 to 1: the median of the absolute differences around its
/// pixels, over what it is for σ = 1. Edges hardly matter to the median (Donoho & Johnstone, *Ideal spatial adaptation
/// by wavelet shrinkage*, 1994); fine texture makes it too large, and noise with grains of several pixels too small. A
/// picture more than half of which is evenly white, black or grey has none by this measure. 0 for less than three rows or
/// columns.
pub fn noise_level(picture: &Planes) -> f64 {
    let (height, width) = (picture.shape.height, picture.shape.width);
    if height < 3 || width < 3 {
        return 0.0;
    }
    let stride = (height * width / PLACES).max(1).isqrt();
    let mut differences = Vec::new();
    for plane in picture.each() {
        for row in (0..height - 2).step_by(stride) {
            let around = |column: usize| {
                let terms = DIFFERENCE.iter().enumerate().flat_map(|(down, factors)| {
                    let values = &plane[(row + down) * width + column..][..3];
                    factors.iter().zip(values)
                });
                terms.map(|(factor, value)| factor * value).sum::<f32>()
            };
            let columns = (0..width - 2).step_by(stride);
            differences.extend(columns.map(|column| around(column).abs()));
        }
    }
    let middle = differences.len() / 2;
    let (_, median, _) = differences.select_nth_unstable_by(middle, f32::total_cmp);
    f64::from(*median) / (STD_OF_DIFFERENCE * MEDIAN_OF_NORMAL)
}

#[cfg(test)]
mod tests {
    use ebm_core::ImageShape;

    use super::*;
    use crate::denoise::tests::noisy;

    #[test]
    fn the_noise_of_a_picture_with_edges_is_found() {
        let shape = ImageShape::new(3, 256, 256);
        let edges = |place: usize| {
            if (place % 256 / 37).is_multiple_of(2) {
                0.8
            } else {
                0.2
            }
        };
        let picture = Planes {
            pixels: (0..shape.pixels()).map(edges).collect(),
            shape,
        };
        let picture = noisy(&picture, 0.1);
        // Upright edges have no such differences. The standard error of the median of n independent ones is 1.17σ/√n;
        // the variance is larger by the sum of their squared correlations, (1 + 2·(4/9 + 1/36))².
        let found = noise_level(&picture);
        let correlated = 1.0 + 2.0 * (4.0 / 9.0 + 1.0 / 36.0);
        let error = 5.0 * 1.17 * correlated / (3.0 * 254.0 * 254.0f64).sqrt();
        assert!((found / 0.1 - 1.0).abs() < error, "{found}");
        let plain = Planes {
            pixels: vec![0.5; 4],
            shape: ImageShape::new(1, 1, 4),
        };
        assert_eq!(noise_level(&plain), 0.0);
    }
}
