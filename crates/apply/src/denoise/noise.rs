//! Measure the noise of a picture.

use ebm_data::Planes;

/// Median of |x| for x ~ N(0, 1).
const MEDIAN_OF_NORMAL: f64 = 0.674_489_750_196_081_7;

/// σ of the Gaussian noise of a picture, for values from 0 to 1: the median of the absolute differences of
/// diagonal neighbours, over what it is for σ = 1 (Donoho & Johnstone, *Ideal spatial adaptation by wavelet
/// shrinkage*, 1994, with Haar's wavelets of the finest scale). Edges hardly matter to it; fine texture makes it too
/// large, and noise with grains of several pixels too small. 0 for a picture of less than two rows or columns.
pub fn noise_level(picture: &Planes) -> f64 {
    let width = picture.shape.width;
    let mut details: Vec<f32> = Vec::with_capacity(picture.pixels.len() / 4);
    for plane in picture.each() {
        let rows: Vec<&[f32]> = plane.chunks(width).collect();
        for pair in rows.chunks_exact(2) {
            let squares = pair[0].chunks_exact(2).zip(pair[1].chunks_exact(2));
            details.extend(squares.map(|(a, b)| ((a[0] - a[1] - b[0] + b[1]) / 2.0).abs()));
        }
    }
    if details.is_empty() {
        return 0.0;
    }
    let middle = details.len() / 2;
    let (_, median, _) = details.select_nth_unstable_by(middle, f32::total_cmp);
    f64::from(*median) / MEDIAN_OF_NORMAL
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
        // Upright edges have no diagonal differences. Of n = 49 152 of these the median's standard error is 1.17σ/√n.
        let found = noise_level(&picture);
        let error = 5.0 * 1.17 / 49_152f64.sqrt();
        assert!((found / 0.1 - 1.0).abs() < error, "{found}");
        let plain = Planes {
            pixels: vec![0.5; 4],
            shape: ImageShape::new(1, 1, 4),
        };
        assert_eq!(noise_level(&plain), 0.0);
    }
}
