//! Average blocks of 2×2 pixels, and pass an average's gradient on to its pixels.
//!
//! Images are consecutive planes `[height, width, elements]`, see [`Order::plane`]: a pixel has one
//! element in planes, and an element for each lane of each channel in lanes.
//!
//! [`Order::plane`]: crate::conv::Order::plane

/// Writes the average of every block of 2×2 pixels; an odd last row or column is left out.
///
/// # Shapes
/// - `x` `[planes, height, width, elements]`, `out` `[planes, height / 2, width / 2, elements]`
pub fn halve(x: &[f32], size @ [height, width, elements]: [usize; 3], out: &mut [f32]) {
    let (rows, columns) = (height / 2, width / 2);
    if rows * columns * elements == 0 {
        return;
    }
    let planes = x.chunks_exact(size.iter().product());
    for (plane, out) in planes.zip(out.chunks_exact_mut(rows * columns * elements)) {
        let pairs = plane.chunks_exact(2 * width * elements);
        for (pair, out) in pairs.zip(out.chunks_exact_mut(columns * elements)) {
            let (top, bottom) = pair.split_at(width * elements);
            let squares = top
                .chunks_exact(2 * elements)
                .zip(bottom.chunks_exact(2 * elements));
            for ((top, bottom), out) in squares.zip(out.chunks_exact_mut(elements)) {
                let (a, b) = top.split_at(elements);
                let (c, d) = bottom.split_at(elements);
                for (i, out) in out.iter_mut().enumerate() {
                    *out = 0.25 * ((a[i] + b[i]) + (c[i] + d[i]));
                }
            }
        }
    }
}

/// Writes a quarter of each average's gradient to its four pixels. `out` must hold zeros; pixels that
/// were left out keep them.
///
/// # Shapes
/// - `gradient` `[planes, height / 2, width / 2, elements]`, `out` `[planes, height, width, elements]`
pub fn halve_gradient(
    gradient: &[f32],
    size @ [height, width, elements]: [usize; 3],
    out: &mut [f32],
) {
    let (rows, columns) = (height / 2, width / 2);
    if rows * columns * elements == 0 {
        return;
    }
    let planes = out.chunks_exact_mut(size.iter().product());
    for (plane, gradient) in planes.zip(gradient.chunks_exact(rows * columns * elements)) {
        let pairs = plane.chunks_exact_mut(2 * width * elements);
        for (pair, gradient) in pairs.zip(gradient.chunks_exact(columns * elements)) {
            for line in pair.chunks_exact_mut(width * elements) {
                let twos = line.chunks_exact_mut(2 * elements);
                for (pixels, gradient) in twos.zip(gradient.chunks_exact(elements)) {
                    for pixel in pixels.chunks_exact_mut(elements) {
                        let each = pixel.iter_mut().zip(gradient);
                        each.for_each(|(pixel, gradient)| *pixel = 0.25 * gradient);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_blocks_of_four_and_leaves_an_odd_edge_out() {
        let x: Vec<f32> = (0..15).map(|v| v as f32).collect();
        let mut out = [0.0; 2];
        halve(&x, [3, 5, 1], &mut out);
        assert_eq!(out, [3.0, 5.0]);
        let mut gradient = [0.0; 15];
        halve_gradient(&[4.0, 8.0], [3, 5, 1], &mut gradient);
        let row = [1.0, 1.0, 2.0, 2.0, 0.0];
        assert_eq!(gradient[..], [row, row, [0.0; 5]].concat());
    }

    #[test]
    fn each_element_of_a_pixel_has_an_average_of_its_own() {
        // Pixels 0, 1, 2, 3 and a column left out; the second element is ten times the first.
        let x = [
            0.0, 0.0, 1.0, 10.0, 9.0, 9.0, 2.0, 20.0, 3.0, 30.0, 9.0, 9.0,
        ];
        let mut out = [0.0; 2];
        halve(&x, [2, 3, 2], &mut out);
        assert_eq!(out, [1.5, 15.0]);
        let mut gradient = [0.0; 12];
        halve_gradient(&[4.0, 8.0], [2, 3, 2], &mut gradient);
        let row = [1.0, 2.0, 1.0, 2.0, 0.0, 0.0];
        assert_eq!(gradient[..], [row, row].concat());
    }

    #[test]
    fn a_plane_without_a_whole_block_has_no_average() {
        halve(&[1.0, 2.0], [1, 2, 1], &mut []);
        let mut gradient = [0.0; 2];
        halve_gradient(&[], [1, 2, 1], &mut gradient);
        assert_eq!(gradient, [0.0; 2]);
    }
}
