//! Average the pixels of an image, and pass the average's gradient on to them.
//!
//! Images are consecutive planes `[height, width, elements]`, as in [`pool`](crate::pool). The pixels of a
//! row are added one after the other, and then the rows, in both orders of images: a sum over few
//! terms rounds less than one over all.

use crate::elementwise::add;

/// Writes the average of the pixels of every plane.
///
/// # Shapes
/// - `x` `[planes, height, width, elements]`, `out` `[planes, elements]`
///
/// # Panics
///
/// When `out` does not have an element for each plane and element.
pub fn mean(x: &[f32], [height, width, elements]: [usize; 3], out: &mut [f32]) {
    let pixels = height * width;
    assert_eq!(out.len() * pixels, x.len(), "an average for each plane");
    if x.is_empty() {
        return;
    }
    let share = 1.0 / pixels as f32;
    let mut of_row = vec![0.0; elements];
    let planes = x.chunks_exact(pixels * elements);
    for (plane, out) in planes.zip(out.chunks_exact_mut(elements)) {
        out.fill(0.0);
        for row in plane.chunks_exact(width * elements) {
            if let [sum] = out {
                *sum += row.iter().fold(0.0, |sum, x| sum + x);
                continue;
            }
            of_row.fill(0.0);
            let pixels = row.chunks_exact(elements);
            pixels.for_each(|pixel| add(pixel, &mut of_row));
            add(&of_row, out);
        }
        out.iter_mut().for_each(|sum| *sum *= share);
    }
}

/// Writes to every pixel its share of the average's gradient.
///
/// # Shapes
/// - `gradient` `[planes, elements]`, `out` `[planes, height, width, elements]`
///
/// # Panics
///
/// When `gradient` does not have an element for each plane and element.
pub fn mean_gradient(gradient: &[f32], [height, width, elements]: [usize; 3], out: &mut [f32]) {
    let pixels = height * width;
    assert_eq!(gradient.len() * pixels, out.len(), "one for each plane");
    if out.is_empty() {
        return;
    }
    let share = 1.0 / pixels as f32;
    let planes = out.chunks_exact_mut(pixels * elements);
    for (plane, gradient) in planes.zip(gradient.chunks_exact(elements)) {
        for pixel in plane.chunks_exact_mut(elements) {
            let each = pixel.iter_mut().zip(gradient);
            each.for_each(|(pixel, gradient)| *pixel = share * gradient);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plane_has_its_average_and_every_pixel_its_share() {
        let mut out = [0.0; 2];
        mean(
            &[1.0, 2.0, 3.0, 6.0, -1.0, -1.0, 0.0, 0.0],
            [2, 2, 1],
            &mut out,
        );
        assert_eq!(out, [3.0, -0.5]);
        let mut gradient = [9.0; 8];
        mean_gradient(&[4.0, 8.0], [2, 2, 1], &mut gradient);
        assert_eq!(gradient, [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]);
    }

    #[test]
    fn each_element_of_a_pixel_has_an_average_of_its_own() {
        let mut out = [0.0; 2];
        mean(&[1.0, 10.0, 3.0, 30.0], [1, 2, 2], &mut out);
        assert_eq!(out, [2.0, 20.0]);
        let mut gradient = [0.0; 4];
        mean_gradient(&[4.0, 8.0], [1, 2, 2], &mut gradient);
        assert_eq!(gradient, [2.0, 4.0, 2.0, 4.0]);
    }

    #[test]
    fn an_average_has_the_same_bits_in_both_orders() {
        let plane: Vec<f32> = (0..35).map(|i| (i as f32 * 0.731).sin()).collect();
        let mut alone = [0.0];
        mean(&plane, [5, 7, 1], &mut alone);
        let twice: Vec<f32> = plane.iter().flat_map(|x| [*x, *x]).collect();
        let mut both = [0.0; 2];
        mean(&twice, [5, 7, 2], &mut both);
        assert_eq!(both.map(f32::to_bits), [alone[0].to_bits(); 2]);
    }
}
