//! Double the sides of images, and sum the gradient of the larger images for the smaller ones.
//!
//! Images are consecutive planes `[height, width, elements]`, as in [`pool`](crate::pool).

/// Writes every pixel to a block of 2×2.
///
/// # Shapes
/// - `x` `[planes, height, width, elements]`, `out` `[planes, 2 · height, 2 · width, elements]`
///
/// # Panics
///
/// When `out` is not four times as long as `x`.
pub fn double(x: &[f32], [_, width, elements]: [usize; 3], out: &mut [f32]) {
    assert_eq!(out.len(), 4 * x.len(), "four pixels for each");
    let row_len = width * elements;
    if row_len == 0 {
        return;
    }
    let rows = x.chunks_exact(row_len);
    for (row, pair) in rows.zip(out.chunks_exact_mut(4 * row_len)) {
        let (top, bottom) = pair.split_at_mut(2 * row_len);
        let pixels = row.chunks_exact(elements);
        for (pixel, out) in pixels.zip(top.chunks_exact_mut(2 * elements)) {
            let (left, right) = out.split_at_mut(elements);
            left.copy_from_slice(pixel);
            right.copy_from_slice(pixel);
        }
        bottom.copy_from_slice(top);
    }
}

/// Writes the sum of the gradients of every block of 2×2 pixels.
///
/// # Shapes
/// - `gradient` `[planes, 2 · height, 2 · width, elements]`, `out` `[planes, height, width, elements]`
///
/// # Panics
///
/// When `gradient` is not four times as long as `out`.
pub fn double_gradient(gradient: &[f32], [_, width, elements]: [usize; 3], out: &mut [f32]) {
    assert_eq!(gradient.len(), 4 * out.len(), "four pixels for each");
    let row_len = width * elements;
    if row_len == 0 {
        return;
    }
    let pairs = gradient.chunks_exact(4 * row_len);
    for (pair, row) in pairs.zip(out.chunks_exact_mut(row_len)) {
        let (top, bottom) = pair.split_at(2 * row_len);
        let squares = top
            .chunks_exact(2 * elements)
            .zip(bottom.chunks_exact(2 * elements));
        for ((top, bottom), pixel) in squares.zip(row.chunks_exact_mut(elements)) {
            let (a, b) = top.split_at(elements);
            let (c, d) = bottom.split_at(elements);
            for (i, pixel) in pixel.iter_mut().enumerate() {
                *pixel = (a[i] + b[i]) + (c[i] + d[i]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_becomes_four_whose_gradients_are_summed() {
        // Two planes of 1×2 pixels.
        let mut out = [0.0; 16];
        double(&[1.0, 2.0, 3.0, 4.0], [1, 2, 1], &mut out);
        let (first, second) = ([1.0, 1.0, 2.0, 2.0], [3.0, 3.0, 4.0, 4.0]);
        assert_eq!(out[..], [first, first, second, second].concat());
        let gradient: Vec<f32> = (0..16).map(|v| v as f32).collect();
        let mut sums = [0.0; 4];
        double_gradient(&gradient, [1, 2, 1], &mut sums);
        assert_eq!(sums, [10.0, 18.0, 42.0, 50.0]);
    }

    #[test]
    fn the_elements_of_a_pixel_stay_together() {
        // Pixels (1, 10) and (2, 20), one above the other.
        let mut out = [0.0; 16];
        double(&[1.0, 10.0, 2.0, 20.0], [2, 1, 2], &mut out);
        let (first, second) = ([1.0, 10.0, 1.0, 10.0], [2.0, 20.0, 2.0, 20.0]);
        assert_eq!(out[..], [first, first, second, second].concat());
        let mut sums = [0.0; 4];
        double_gradient(&out, [2, 1, 2], &mut sums);
        assert_eq!(sums, [4.0, 40.0, 8.0, 80.0]);
    }

    #[test]
    fn images_without_pixels_stay_empty() {
        double(&[], [0, 3, 1], &mut []);
        double_gradient(&[], [3, 0, 1], &mut []);
    }
}
