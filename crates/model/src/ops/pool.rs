//! Average 2×2 pixels, and hand an average's gradient back to them.

/// Writes the average of every 2×2 pixels of planes of `[height, width]`; an odd last row or column
/// is left out.
pub(super) fn halve(x: &[f32], [height, width]: [usize; 2], out: &mut [f32]) {
    let (rows, columns) = (height / 2, width / 2);
    if rows * columns == 0 {
        return;
    }
    let planes = x.chunks_exact(height * width);
    for (plane, out) in planes.zip(out.chunks_exact_mut(rows * columns)) {
        for (pair, out) in plane
            .chunks_exact(2 * width)
            .zip(out.chunks_exact_mut(columns))
        {
            let (top, bottom) = pair.split_at(width);
            for ((top, bottom), out) in top.chunks_exact(2).zip(bottom.chunks_exact(2)).zip(out) {
                *out = 0.25 * ((top[0] + top[1]) + (bottom[0] + bottom[1]));
            }
        }
    }
}

/// Writes a quarter of each average's gradient to its four pixels, of planes of `[height, width]`,
/// and zero to the pixels left out. `out` holds zeros.
pub(super) fn halve_gradient(gradient: &[f32], [height, width]: [usize; 2], out: &mut [f32]) {
    let (rows, columns) = (height / 2, width / 2);
    if rows * columns == 0 {
        return;
    }
    let planes = out.chunks_exact_mut(height * width);
    for (plane, gradient) in planes.zip(gradient.chunks_exact(rows * columns)) {
        let pairs = plane.chunks_exact_mut(2 * width);
        for (pair, gradient) in pairs.zip(gradient.chunks_exact(columns)) {
            for line in pair.chunks_exact_mut(width) {
                for (pixels, &gradient) in line.chunks_exact_mut(2).zip(gradient) {
                    pixels.fill(0.25 * gradient);
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
        halve(&x, [3, 5], &mut out);
        assert_eq!(out, [3.0, 5.0]);
        let mut gradient = [0.0; 15];
        halve_gradient(&[4.0, 8.0], [3, 5], &mut gradient);
        let row = [1.0, 1.0, 2.0, 2.0, 0.0];
        assert_eq!(gradient[..], [row, row, [0.0; 5]].concat());
    }

    #[test]
    fn a_plane_without_a_whole_block_has_no_average() {
        halve(&[1.0, 2.0], [1, 2], &mut []);
        let mut gradient = [0.0; 2];
        halve_gradient(&[], [1, 2], &mut gradient);
        assert_eq!(gradient, [0.0; 2]);
    }
}
